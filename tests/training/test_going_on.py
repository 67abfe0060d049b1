"""Runs that go on: more steps than they were started with, and early stopping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import anetdsl
from anetc.data.values import DataSpec
from anetc.evaluation.scores import Evaluation
from anetc.native.library import SWITCH
from anetc.training import loop
from anetc.training.run.checkpoint import read_checkpoint
from anetc.training.run.early_stopping import EarlyStopping, restore_early_stopping
from anetc.training.run.watcher import SilentWatcher
from anetc.training.schedule import learning_rate
from anetc.training.settings import TrainSettings
from anetc.weights.files import read_weights
from anetc.weights.metadata import read_info
from anetdsl.errors import CannotRun
from tests.training.running import (
    ITERATIONS,
    Interrupted,
    StopsAt,
    losses,
    metrics,
    outcome,
    run,
)

MORE = 20


def rates(out: Path) -> list[float]:
    return [line["learning_rate"] for line in metrics(out) if "loss" in line]


def validations(out: Path) -> list[int]:
    return [line["iteration"] for line in metrics(out) if "validation" in line]


@pytest.mark.parametrize("before", ["0123456789abcdef01234567", "none"])
def test_other_native_kernels_are_reported(
    tmp_path: Path, clips: DataSpec, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """The resumed run has no native kernels, and the settings of the run."""
    monkeypatch.setenv(SWITCH, "0")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_kernels", lambda *_, **__: before)
        run(tmp_path / "run", clips, iterations=4)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["kernels"] == before
    watch = Messages()
    run(tmp_path / "run", clips, iterations=6, resume=True, watch=watch)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["kernels"] == "none"
    found = [text for text in watch.texts if "kernels" in text]
    expected = (
        f"warning: the steps before were computed by native kernels {before}, and the next ones "
        "are computed without native kernels: the numbers differ in rounding from those of an "
        "uninterrupted run"
    )
    assert found == ([] if before == "none" else [expected])


class Messages(SilentWatcher):
    """Keeps the messages of a run."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str) -> None:
        self.texts.append(text)


# More steps


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    """A finished run of 12 steps, resumed for 20."""
    out = tmp_path_factory.mktemp("extended")
    run(out, clips)
    run(out, clips, resume=True, iterations=MORE)
    return out


def test_the_learning_rate_is_that_of_the_longer_run(extended: Path, whole: Path) -> None:
    """Before the extension that of 12 steps, after it that of a run of 20 steps."""
    expected = [
        *(learning_rate(step, ITERATIONS, 0.05, 0.24) for step in range(ITERATIONS)),
        *(learning_rate(step, MORE, 0.05, 0.24) for step in range(ITERATIONS, MORE)),
    ]
    assert rates(extended) == expected
    assert losses(extended)[:ITERATIONS] == losses(whole)
    # 5 steps of warm-up, then half a cosine over 15: the 13th step is 7 steps after the warm-up.
    assert rates(extended)[12] == pytest.approx(0.05 * 0.552264, rel=1e-5)


def test_nothing_of_the_shorter_run_is_lost(extended: Path, whole: Path) -> None:
    """Its lines stay, and run.json records the extension."""
    assert validations(extended) == [6, 12, 18, 20]
    first = (whole / "metrics.jsonl").read_text()
    assert (extended / "metrics.jsonl").read_text().startswith(first)
    run_json = json.loads((extended / "run.json").read_text())
    assert run_json["extensions"] == [[12, 12]]
    assert run_json["settings"]["iterations"] == MORE
    assert json.loads((extended / "result.json").read_text())["iterations"] == MORE


def test_an_end_between_validations_is_validated_again(clips: DataSpec, tmp_path: Path) -> None:
    run(tmp_path, clips, iterations=5)
    run(tmp_path, clips, iterations=8, resume=True)
    run(tmp_path, clips, iterations=9, resume=True)
    assert validations(tmp_path) == [5, 6, 8, 9]


@pytest.mark.parametrize("stop", [14, 18])
def test_an_extended_run_can_be_resumed(
    stop: int, extended: Path, clips: DataSpec, tmp_path: Path
) -> None:
    run(tmp_path, clips)
    with pytest.raises(Interrupted):
        run(tmp_path, clips, resume=True, iterations=MORE, watch=StopsAt(stop))
    run(tmp_path, clips, resume=True, iterations=MORE)
    assert outcome(tmp_path) == outcome(extended)


def test_an_unfinished_run_can_be_extended(clips: DataSpec, tmp_path: Path) -> None:
    """Its old end is no end any more, so that it is not validated there."""
    with pytest.raises(Interrupted):
        run(tmp_path, clips, iterations=10, watch=StopsAt(6))
    run(tmp_path, clips, iterations=14, resume=True)
    assert rates(tmp_path)[4:] == [learning_rate(step, 14, 0.05, 0.24) for step in range(4, 14)]
    assert validations(tmp_path) == [6, 12, 14]
    assert json.loads((tmp_path / "run.json").read_text())["extensions"] == [[4, 10]]


def test_a_run_cannot_get_fewer_steps_than_it_has(extended: Path, clips: DataSpec) -> None:
    before = outcome(extended)
    with pytest.raises(CannotRun, match="20 steps are finished, more than --iterations 15"):
        run(extended, clips, resume=True, iterations=15)
    assert outcome(extended) == before


# Early stopping


def with_fitness(values: list[float]) -> Any:
    """Replace the fitness of the validations by these values, one after another."""
    given = iter(values)
    measures = Evaluation.measures

    def replaced(self: Evaluation) -> dict[str, float]:
        if self not in seen:
            seen[self] = next(given)
        return {**measures(self), "fitness": seen[self]}

    seen: dict[Evaluation, float] = {}
    return mock.patch.object(Evaluation, "measures", replaced)


def test_a_run_ends_after_validations_without_a_gain(clips: DataSpec, tmp_path: Path) -> None:
    """The best validation is the second; an equal one is no gain."""
    with with_fitness([1, 3, 3, 2]):
        result = run(tmp_path, clips, evaluate_every=2, patience=2)
    assert (result.iterations, validations(tmp_path)) == (8, [2, 4, 6, 8])
    assert result.best is not None
    assert (result.best.iteration, result.best.measures["fitness"]) == (4, 3)
    assert json.loads((tmp_path / "result.json").read_text())["best"]["iteration"] == 4


def test_the_best_and_the_last_weights_are_kept(clips: DataSpec, tmp_path: Path) -> None:
    """They are those of a run without early stopping after as many steps."""
    with with_fitness([1, 3, 3, 2]):
        run(tmp_path / "early", clips, evaluate_every=2, patience=2)
    with pytest.raises(Interrupted):
        run(tmp_path / "other", clips, save_every=4, watch=StopsAt(12))
    for steps, name in ((4, "best"), (8, "weights")):
        _, tensors = read_weights(tmp_path / "early" / f"{name}.safetensors")
        checkpoint = tmp_path / "other" / "checkpoints" / f"{steps:08}.safetensors"
        expected = read_checkpoint(checkpoint).model
        assert all(tensors[key].equal(expected[key]) for key in tensors)
    best, last = (anetdsl.load(tmp_path / "early" / f"{name}.anet") for name in ("best", "model"))
    assert best.score is not None
    assert last.score is not None
    assert (dict(best.score.values)["fitness"], dict(last.score.values)["fitness"]) == (3, 2)
    assert best.nodes != last.nodes


@pytest.mark.parametrize("stop", [4, 5, 6])
def test_early_stopping_survives_a_resumption(stop: int, clips: DataSpec, tmp_path: Path) -> None:
    """Interrupted in, or after, the best validation and the next one."""
    fitness = {2: 1.0, 4: 3.0, 6: 3.0, 8: 2.0}
    with with_fitness(list(fitness.values())):
        run(tmp_path / "whole", clips, evaluate_every=2, patience=2)
    with with_fitness(list(fitness.values())), pytest.raises(Interrupted):
        run(tmp_path / "again", clips, evaluate_every=2, patience=2, watch=StopsAt(stop))
    done = int(max((tmp_path / "again" / "checkpoints").iterdir()).stem)
    with with_fitness([value for step, value in fitness.items() if step >= done]):
        run(tmp_path / "again", clips, evaluate_every=2, patience=2, resume=True)
    assert outcome(tmp_path / "again") == outcome(tmp_path / "whole")
    for name in ("best.safetensors", "best.anet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_more_patience_continues_a_run(clips: DataSpec, tmp_path: Path) -> None:
    with with_fitness([3, 2]):
        assert run(tmp_path, clips, evaluate_every=2, patience=1).iterations == 4
    with with_fitness([2]):
        assert run(tmp_path, clips, evaluate_every=2, patience=1, resume=True).iterations == 4
    with with_fitness([2, 4, 1, 1, 1]):
        result = run(tmp_path, clips, evaluate_every=2, patience=2, resume=True)
    assert (result.iterations, result.best and result.best.iteration) == (10, 6)


def test_patience_without_an_end_trains_all_steps(
    whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    """The numbers are those without early stopping."""
    run(tmp_path, clips, patience=9)
    assert outcome(tmp_path) == outcome(whole)
    assert (tmp_path / "best.safetensors").exists()


def test_patience_needs_validations() -> None:
    with pytest.raises(CannotRun, match="--evaluate-every"):
        TrainSettings(patience=3)


def test_only_validations_since_the_best_weights_are_kept_count(
    clips: DataSpec, tmp_path: Path
) -> None:
    """Patience begins after step 5; the better validation after step 4 left no weights."""
    with with_fitness([1, 9]), pytest.raises(Interrupted):
        run(tmp_path, clips, evaluate_every=2, save_every=1, watch=StopsAt(6))
    with with_fitness([3, 2]), pytest.raises(Interrupted):
        run(
            tmp_path,
            clips,
            evaluate_every=2,
            save_every=1,
            patience=3,
            resume=True,
            watch=StopsAt(10),
        )
    with with_fitness([4, 3, 2]):
        result = run(
            tmp_path, clips, evaluate_every=2, save_every=1, patience=3, resume=True, iterations=14
        )
    assert (result.iterations, result.best and result.best.iteration) == (14, 10)
    assert kept_best(tmp_path) == (10, 4)


def test_early_stopping_that_was_off_goes_on_from_the_kept_best(
    clips: DataSpec, tmp_path: Path
) -> None:
    """Validations without --patience leave no weights and do not count."""
    with with_fitness([3, 5]):
        run(tmp_path, clips, iterations=4, evaluate_every=2, patience=2)
    with with_fitness([5, 9, 1]):
        result = run(tmp_path, clips, iterations=8, evaluate_every=2, resume=True)
    assert (result.best, kept_best(tmp_path)) == (None, (4, 5))
    with with_fitness([1, 6, 2, 3]):
        result = run(tmp_path, clips, iterations=20, evaluate_every=2, patience=2, resume=True)
    assert (result.iterations, result.best and result.best.iteration) == (14, 10)
    assert kept_best(tmp_path) == (10, 6)


def kept_best(out: Path) -> tuple[int, float]:
    """Return the step and the fitness of the best weights; their text must agree."""
    validation = read_info(out / "best.safetensors").validation
    score = anetdsl.load(out / "best.anet").score
    assert validation is not None
    assert score is not None
    fitness = validation["measures"]["fitness"]
    assert dict(score.values)["fitness"] == fitness
    return validation["iteration"], fitness


def test_a_measure_that_is_not_finite_is_no_gain() -> None:
    state = EarlyStopping(2)
    assert state.add(1, {"fitness": None})
    assert not state.add(2, {"fitness": float("nan")})
    assert state.add(3, {"fitness": 1.0})
    assert not state.is_over


def test_a_best_file_that_names_no_validation_is_replaced(tmp_path: Path) -> None:
    """It is damaged, or of an old version."""
    path = tmp_path / "best.safetensors"
    assert restore_early_stopping(2, path, 4, 1) == (EarlyStopping(2), None)
    path.write_bytes(b"no weights")
    state, warning = restore_early_stopping(2, path, 4, 1)
    assert state == EarlyStopping(2)
    assert warning is not None
    assert "the next one will replace it" in warning
