"""The tables of docs/study.md are those that the committed results give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import anetc

DOCS = Path(__file__).parents[2] / "docs"
PLANS = sorted((DOCS / "study").glob("*/*.json"))


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tables_are_those_of_the_results(plan: Path) -> None:
    """Each is made by `anetc study STUDY --from docs/study/FOLDER`, without training."""
    done = anetc("study", plan.stem, "--from", plan.parent)
    assert done.code == 0, done.err
    text = (DOCS / "study.md").read_text(encoding="utf-8")
    for table in done.out.strip().split("\n\n"):
        assert table in text


def test_results_are_small() -> None:
    sizes = [path.stat().st_size for path in (DOCS / "study").rglob("*.json")]
    assert all(size < 40_000 for size in sizes)
