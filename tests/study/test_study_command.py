"""`anetc study` with real trainings of a few steps; about a minute each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import Result, anetc

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


@pytest.mark.slow
def test_a_study_of_data_with_folds(tmp_path: Path) -> None:
    """Searches have splits of their own; a reported training is on all groups of the folds."""
    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / "x.npz",
        x=draw.integers(0, 256, (24, 8, 16, 16), np.uint8),
        flow8=draw.integers(-64, 64, (24, 8, 2, 16, 16)).astype(np.int8),
        y=np.arange(24) % 3,
        subj=np.arange(24) // 3 % 4,
    )
    data = f"arrays:{tmp_path / 'x.npz'}"
    done = anetc(
        *("study", "table3", "--out", tmp_path / "results", *EXAMPLES, *SEARCH),
        *("--data", f"{data}?folds=0,1&test=2,3", "--folds", "all", "--size", 16, "--frames", 8),
        *("--search-data", f"{data}?train=0&validation=1&test=2,3", "--iterations", 2),
        *("--network", "small_assemblenet", "--batch", 4, "--seeds", 1, "--rate", 0.1),
        *("--final-iterations", 3, "--long-iterations", 0, "--picture", tmp_path / "x.svg"),
        *("--executor", "threads:2"),
    )
    assert done.code == 0, done.err
    assert "| `small_assemblenet` " in done.out
    assert "guided+inherit" in (tmp_path / "x.svg").read_text()
    jobs = [json.loads(path.read_text())["job"] for path in (tmp_path / "results").glob("t*/*")]
    assert {(job["data"], job.get("folds"), job["split"]) for job in jobs} == {
        ("arrays:x.npz?folds=0,1&test=2,3", "all", "validation"),
        ("arrays:x.npz?folds=0,1&test=2,3&fold=all", None, "test"),
    }


@pytest.mark.parametrize(
    ("options", "method", "search_options", "message"),
    [
        ("folds=1,2&test=3", "guided+inherit", "", "a search that inherits weights cannot use"),
        ("folds=1,2&test=3", "guided+inherit, 2 stems", "", "cannot use folds; give --search"),
        ("train=1&validation=2&test=3", "guided+inherit", "folds=1,2", "cannot use folds"),
        ("folds=1,2", "guided", "", "there is no test split"),
        ("", "random", "", "3 videos of the test split would train or choose networks, such as 0"),
        ("train=1&validation=2", "random", "", "there is no test split"),
        (
            "train=1&validation=2&test=3",
            "random",
            "train=1",
            "?train=1: there is no validation split",
        ),
        (
            "train=1&validation=2&test=3",
            "random",
            "train=1&validation=3",
            "1 videos of the test split would train or choose networks, such as 2; the splits",
        ),
    ],
)
def test_searches_that_could_not_end_or_see_the_test_split_do_not_start(
    tmp_path: Path, options: str, method: str, search_options: str, message: str
) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 8, 16, 16), np.uint8), y=[0, 1, 0], subj=[1, 2, 3])
    data = f"arrays:{tmp_path / 'x.npz'}"
    search = ("--search-data", f"{data}?{search_options}") if search_options else ()
    done = anetc(
        *("study", "table3", "--out", tmp_path / "r", *EXAMPLES, "--method", method, *search),
        *("--data", f"{data}?{options}", "--frames", 8, "--size", 16),
    )
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "r").exists()


def test_plans_without_a_setting_are_refused(tmp_path: Path) -> None:
    """A default could be another value than that of the version that wrote the plan."""
    plan = json.loads((REPOSITORY / "docs" / "study" / "motion2" / "table3.json").read_text())
    del plan["plan"]["rate_seeds"]
    (tmp_path / "table3.json").write_text(json.dumps(plan))
    done = anetc("study", "table3", "--from", tmp_path)
    assert done.code == 2
    assert "table3.json: the plan has no `rate_seeds`, so it is of another version" in done.err


def start(*arguments: object) -> Result:
    """Write the plan of a study of `motion`; no training starts, as the executor is not there."""
    data = ("--data", "motion:level=1,clips=48,frames=16,size=16", "--executor", "dask:nowhere")
    return anetc("study", *arguments, *EXAMPLES, *data)


def test_a_study_continues_with_more_seeds_but_not_with_other_settings(tmp_path: Path) -> None:
    """The plan of the results is kept if it is refused. Repeated options count once."""
    search = ("figure4", "--out", tmp_path, "--method", "random")
    plan = tmp_path / "figure4.json"
    start(*search, "--method", "random", "--seeds", 2)
    assert json.loads(plan.read_text())["plan"]["methods"] == ["random"]
    start(*search, "--method", "guided", "--seeds", 3)
    found = json.loads(plan.read_text())["plan"]
    assert (found["seeds"], found["methods"], found["candidates"]) == (3, ["random", "guided"], 36)
    before = plan.read_bytes()
    done = start(*search, "--seeds", 3)
    assert "warning: the tables leave out guided; their results stay in the folder" in done.err
    plan.write_bytes(before)
    done = start(*search, "--candidates", 12)
    assert done.code == 2
    assert "figure4.json: the study has `candidates` 36, and not 12; name another --out" in done.err
    assert plan.read_bytes() == before
    del found["first_seed"]
    plan.write_text(json.dumps({**json.loads(before), "plan": found}))
    done = start(*search, "--first-seed", 6)
    assert "figure4.json: the plan has no `first_seed`, so it is of another version" in done.err


def test_a_study_continues_with_its_own_networks(tmp_path: Path) -> None:
    """An example that has changed since is not used; a warning says so."""
    (tmp_path / "examples").mkdir()
    example = tmp_path / "examples" / "small_assemblenet.anet"
    text = (REPOSITORY / "examples" / example.name).read_text()
    arguments = ("study", "edges", "--out", tmp_path / "r", "--examples", example.parent)
    options = (*("--network", "small_assemblenet", "--random", 0), *TINY[:2])
    results = []
    for comment in ("", "# A remark at the end.\n"):
        example.write_text(text + comment)
        done = anetc(*arguments, *options, "--executor", "dask:nowhere")
        stored = (tmp_path / "r" / "networks" / example.name).read_bytes()
        results.append((stored, "small_assemblenet has changed; the study uses" in done.err))
    assert results == [(results[0][0], False), (results[0][0], True)]


def test_results_of_other_videos_of_the_same_name_are_not_mixed(tmp_path: Path) -> None:
    """The second archive has the file name of the first; its labels differ."""
    codes = []
    for folder, labels in (("a", [0, 1, 0]), ("a", [0, 1, 0]), ("b", [0, 1, 1])):
        (tmp_path / folder).mkdir(exist_ok=True)
        archive = tmp_path / folder / "x.npz"
        np.savez(archive, x=np.zeros((3, 16, 32, 32), np.uint8), y=labels, subj=[1, 2, 3])
        done = anetc(
            *("study", "edges", "--out", tmp_path / "r", *EXAMPLES, "--random", 0, "--seeds", 1),
            *("--data", f"arrays:{archive}?train=1,3&validation=2", "--setting", "edge_rate=0"),
            *("--executor", "dask:nowhere"),
        )
        codes.append((done.code, "other videos of the same name" in done.err))
    assert codes == [(2, False), (2, False), (2, True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edges",), "give --out to train, or --from to make tables; not both"),
        (("edges", "--out", "r", "--from", "r"), "not both"),
        (("edges", "--from", "nowhere"), "holds no results of this study"),
        (("table3", "--from", "r", "--seeds", "2"), "--seeds: --from makes the tables of the"),
        (("figure4", "--from", "r", "--level", "2"), "--level: --from makes the tables of the"),
        (("table3", "--out", "r", "--method", "none", "--method", "random"), "; or none alone"),
        (
            ("figure4", "--out", "r", *EXAMPLES, "--first-seed", 97),
            "--first-seed 97, --seeds 5: the last seed is 100",
        ),
        (("figure4", "--out", "r", "--method", "best"), "--method best: use one of guided+inherit"),
        (("edges", "--out", "r", "--examples", "nowhere"), "has no small_*.anet"),
        (
            ("edges", "--out", "r", *EXAMPLES, "--network", "small"),
            "--network small: ",
        ),
        (("edges", "--out", "r", *EXAMPLES, "--setting", "edge_rat=1"), "did you mean"),
        (
            ("table3", "--out", "r", *EXAMPLES, "--search-data", "arrays:x.npz"),
            "--search-data: name the format and the path of --data",
        ),
        (
            ("table3", "--out", "r", *EXAMPLES, "--search-data", "motion:level=1"),
            "--search-data: name the format and the path of --data",
        ),
        (("table3", "--out", "r", *EXAMPLES, "--folds", "all"), "--folds all: --data motion:"),
        (
            ("figure4", "--out", "r", *EXAMPLES, "--method", "guided+inherit, 2 stems"),
            "--method guided+inherit, 2 stems: use one of guided+inherit; random",
        ),
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
