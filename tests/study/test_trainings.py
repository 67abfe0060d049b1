"""Trainings of a study: each is done once, and what is in the folder is not repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anetc.study.trainings import (
    Case,
    Diverged,
    NotTrained,
    Training,
    TrainingFailed,
    Trainings,
    known_cases,
    run_cases,
)
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialJob, TrialResult
from tests.study.synthetic_workers import SyntheticTrainings, sum_of_values, synthetic_workers
from tests.study.test_halves import TEXT


def training(seed: int = 0, text: str = TEXT) -> Training:
    return Training("toy", text, TrialJob(data="motion", settings={"seed": seed}))


def test_a_training_is_done_once(tmp_path: Path) -> None:
    """Also if several cases need it at the same time; other texts and jobs are other trainings."""
    synthetic = SyntheticTrainings()
    needed = [training(), training(), training(1), training(text=TEXT.replace("C=2", "C=4"))]
    cases = [Case(str(i), lambda done, i=i: done.run(needed[i])) for i in range(4)]  # type: ignore[misc]
    with synthetic_workers(synthetic) as workers:
        rows = {end.case.name: end.row for end in run_cases(cases, tmp_path / "t", workers)}
        assert len(synthetic.tasks) == 3
        assert rows["0"] == rows["1"] != rows["2"]
        again = {end.case.name: end.row for end in run_cases(cases, tmp_path / "t", workers)}
    assert len(synthetic.tasks) == 3
    assert len(list((tmp_path / "t").iterdir())) == 3
    assert list((tmp_path / "runs").iterdir()) == [], "only results are left"
    assert again == {end.case.name: end.row for end in known_cases(cases, tmp_path / "t")}
    assert again == rows


def test_without_workers_nothing_is_trained(tmp_path: Path) -> None:
    with pytest.raises(NotTrained):
        Trainings(tmp_path).run(training())
    cases = [Case("one", lambda done: done.run(training()))]
    assert list(known_cases(cases, tmp_path)) == []


def failing(kind: str) -> SyntheticTrainings:
    return SyntheticTrainings(
        lambda _network, _settings: TrialResult(status="failed", failure=kind, message="so it is")  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("kind", "is_kept"), [("nan", True), ("killed", False), ("error", False)])
def test_failures(tmp_path: Path, kind: str, is_kept: bool) -> None:
    """A case that failed is reported. Only a failure that would occur again is kept."""
    cases = [Case("one", lambda done: done.run(training()))]
    for _ in range(2):
        synthetic = failing(kind)
        with synthetic_workers(synthetic) as workers:
            (end,) = run_cases(cases, tmp_path / "t", workers)
        assert end.row is None
        assert end.problem == f"toy: {kind}: so it is"
    assert len(synthetic.tasks) == (0 if is_kept else 1)
    assert len(list(known_cases(cases, tmp_path / "t"))) == is_kept
    if is_kept:
        with pytest.raises(Diverged):
            Trainings(tmp_path / "t").run(training())


def test_nothing_starts_after_a_stop(tmp_path: Path) -> None:
    stopped: list[str] = []
    synthetic = SyntheticTrainings()
    with synthetic_workers(synthetic) as workers:
        trainings = Trainings(tmp_path, workers)
        known = trainings.run(training())
        trainings.on_stop.append(lambda: stopped.append("search"))
        trainings.stop()
        assert trainings.run(training()) == known
        with pytest.raises(TrainingFailed, match="stopped"):
            trainings.run(training(1))
    assert stopped == ["search"]
    assert len(synthetic.tasks) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "other"}', '{"schema'])
def test_damaged_results_are_reported(tmp_path: Path, content: str) -> None:
    path = tmp_path / training().file_name
    path.write_text(content)
    with pytest.raises(CannotRun, match=r"toy-.*\.json: cannot be used.*remove it"):
        Trainings(tmp_path).run(training())


def test_results_hold_the_name_of_the_data_without_its_folder(tmp_path: Path) -> None:
    """So results can be used on another machine; the trial gets the full path."""
    seen = []
    synthetic = SyntheticTrainings(sum_of_values, seen_data=seen)
    with synthetic_workers(synthetic) as workers:
        given = TrialJob(data="arrays:a.npz?train=1&test=2", settings={"seed": 0})
        Trainings(tmp_path, workers, path="/some/where/a.npz").run(
            Training("toy", training().text, given)
        )
    (path,) = tmp_path.iterdir()
    assert seen == ["arrays:/some/where/a.npz?train=1&test=2"]
    assert "where" not in path.read_text()


def test_results_are_small(tmp_path: Path) -> None:
    with synthetic_workers(SyntheticTrainings()) as workers:
        Trainings(tmp_path, workers).run(training())
    (path,) = tmp_path.iterdir()
    assert len(path.read_bytes()) < 1500
    assert json.loads(path.read_text())["result"]["fitness"] > 0


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        synthetic_workers(SyntheticTrainings()) as workers,
        pytest.raises(CannotRun, match="cannot be created"),
    ):
        list(run_cases([], tmp_path / "file" / "x", workers))
