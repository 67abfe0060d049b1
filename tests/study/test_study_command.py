"""`anetc study` with real trainings of a few steps; about a minute each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import anetc

REPOSITORY = Path(__file__).parents[2]
TINY = (
    *("--data", "motion:level=1,clips=48,frames=16,size=16", "--iterations", 2, "--batch", 4),
    *("--seeds", 1, "--executor", "threads:2"),
)
EXAMPLES = ("--examples", REPOSITORY / "examples")
SEARCH = (*("--method", "guided+inherit", "--candidates", 3, "--population", 2),)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "options", "rows"),
    [
        (
            "edges",
            (
                *EXAMPLES,
                "--random",
                1,
                "--network",
                "small_assemblenet",
                "--setting",
                "edge_rate=50",
            ),
            ["`edge_rate=50`", "small_assemblenet", "random0"],
        ),
        (
            "figure4",
            (
                *(*EXAMPLES, *SEARCH, "--method", "random"),
                *("--final-iterations", 3, "--final-seeds", 1),
            ),
            ["`guided+inherit`", "`random`"],
        ),
        (
            "table3",
            (
                *(*EXAMPLES, *SEARCH, "--method", "oneshot", "--network", "small_assemblenet"),
                *("--rate", 0.1, "--final-iterations", 2, "--long-iterations", 3),
            ),
            ["`guided+inherit`", "`oneshot`", "`small_assemblenet`"],
        ),
    ],
)
def test_a_study_and_its_tables(
    tmp_path: Path, study: str, options: tuple[object, ...], rows: list[str]
) -> None:
    """The tables are the same without training, and a finished study trains nothing."""
    done = anetc("study", study, "--out", tmp_path / "results", *TINY, *options)
    assert done.code == 0, done.err
    assert all(f"| {row} " in done.out for row in rows)
    again = anetc("study", study, "--from", tmp_path / "results")
    assert (again.code, again.out) == (0, done.out)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.json")}
    anetc("study", study, "--out", tmp_path / "results", *TINY, *options)
    kept = {p: p.stat().st_mtime_ns for p in before if p.parent.name in ("trainings", "searches")}
    assert kept == {p: before[p] for p in kept}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edges",), "give --out to train, or --from to make tables; not both"),
        (("edges", "--out", "r", "--from", "r"), "not both"),
        (("edges", "--from", "nowhere"), "holds no results of this study"),
        (("figure4", "--out", "r", "--method", "best"), "--method best: use one of guided+inherit"),
        (("edges", "--out", "r", "--examples", "nowhere"), "has no small_*.anet"),
        (
            ("edges", "--out", "r", *EXAMPLES, "--network", "small"),
            "--network small: ",
        ),
        (("edges", "--out", "r", *EXAMPLES, "--setting", "edge_rat=1"), "did you mean"),
    ],
)
def test_mistakes_are_reported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    data = () if "--from" in arguments else ("--data", "motion:level=1,clips=48")
    done = anetc("study", *arguments, *data)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "r").exists()
