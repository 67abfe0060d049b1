"""The tables and pictures of docs/study.md are those that the committed results give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import anetc

DOCS = Path(__file__).parents[2] / "docs"
PLANS = sorted((DOCS / "study").glob("*/*.json"))


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tables_and_pictures_are_those_of_the_results(plan: Path, tmp_path: Path) -> None:
    """Each is made by `anetc study STUDY --from docs/study/FOLDER`, without training."""
    picture = tmp_path / f"{plan.stem}_{plan.parent.name}.svg"
    options = () if plan.stem == "edges" else ("--picture", picture)
    done = anetc("study", plan.stem, "--from", plan.parent, *options)
    assert done.code == 0, done.err
    text = (DOCS / "study.md").read_text(encoding="utf-8")
    for table in done.out.strip().split("\n\n"):
        assert table in text
    if f"](pictures/{picture.name})" in text:
        assert picture.read_bytes() == (DOCS / "pictures" / picture.name).read_bytes()


def test_the_pictures_are_compared() -> None:
    """A picture of results is named by its study and its folder, as the test above expects."""
    names = {f"{plan.stem}_{plan.parent.name}.svg" for plan in PLANS}
    drawn = (DOCS / "pictures").glob("*_motion*.svg")
    found = {path.name for path in drawn}
    assert {"figure4_motion2_300.svg", "table3_motion2.svg"} <= found <= names


def test_results_are_small() -> None:
    sizes = [path.stat().st_size for path in (DOCS / "study").rglob("*.json")]
    assert all(size < 40_000 for size in sizes)
