"""Smaller parts of a step where memory does not suffice, before the first step only."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anetc.data.batches.loader import training_batches
from anetc.data.values import DataSpec
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.training import TrainingModule
from anetc.modules.network import NetworkModule
from anetc.training import loop, memory_probe
from anetc.training.failures import OutOfMemory
from anetc.training.loop import TrainState, make_accelerator, make_train_state, steps
from anetc.training.memory_probe import with_fitting_parts
from anetc.training.run import run as training_run
from anetc.training.run.watcher import SilentWatcher, StepReport
from tests.training.running import Interrupted, losses, outcome, run, settings
from tests.training.toys import Toy, network


def limit(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Let memory suffice for `most` clips at once; return the numbers of clips of all passes."""
    forward, counts = TrainingModule.forward, list[int]()

    def limited(self: TrainingModule, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        counts.append(len(inputs["rgb"]))
        result = forward(self, inputs)  # also changes the running averages
        if counts[-1] > most:
            raise error
        return result

    monkeypatch.setattr(TrainingModule, "forward", limited)
    return counts


ERROR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def made(accumulate: int) -> TrainState:
    given = settings(iterations=3, accumulate=accumulate)
    return make_train_state(network(), given, make_accelerator(given))


def test_trial_pass_changes_nothing_but_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(state: TrainState, fit: Callable[..., object]) -> list[float]:
        batches = training_batches(Toy(), batch=8, seed=0)
        state, fitted = fit(state, batches)  # type: ignore[misc]
        return [float(step.loss) for step in steps(state, fitted)]

    expected = trained(made(4), lambda state, batches: (state, batches))
    counts = limit(monkeypatch, 2, ERROR)
    lines: list[str] = []
    state = made(1)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    random = torch.get_rng_state()

    def fit(state: TrainState, batches: object) -> object:
        found = with_fitting_parts(state, batches, lines.append, always=True)  # type: ignore[arg-type]
        assert found[0].settings.accumulate == 4
        for name, value in state.model.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert all(parameter.grad is None for parameter in state.model.parameters())
        assert torch.equal(torch.get_rng_state(), random)
        return found

    assert trained(state, fit) == expected
    assert counts == [8, 4, 2, *[2] * 12]
    assert lines == [
        "memory suffices for 2 of the 8 clips at once: each step is computed in 4 parts "
        "(--accumulate 4)"
    ]


def test_only_the_size_that_fits_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each compilation takes minutes, so sizes are tried without the compiler."""
    forward, compiled = AcceleratorModule.forward, list[int]()

    def limited(self: AcceleratorModule, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        result = forward(self, inputs)
        if len(inputs["rgb"]) > 2:
            raise ERROR
        return result

    def compiler(step: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def run(inputs: dict[str, torch.Tensor], *rest: object) -> torch.Tensor:
            compiled.append(len(inputs["rgb"]))
            return step(inputs, *rest)

        return run

    def engine(model: NetworkModule, *_: object, **__: object) -> AcceleratorModule:
        return AcceleratorModule(model, compiled=True, compiler=compiler)

    monkeypatch.setattr(AcceleratorModule, "forward", limited)
    monkeypatch.setattr(loop, "training_engine", engine)
    state, batches = with_fitting_parts(
        made(1), training_batches(Toy(), batch=8, seed=0), always=True
    )
    assert state.settings.accumulate == 4
    assert compiled == [2], "the last trial pass"
    list(steps(state, batches))
    assert compiled == [2] * 13


def test_cpu_computes_no_trial_pass() -> None:
    state, batches = made(1), iter(())
    assert with_fitting_parts(state, batches) == (state, batches)


class StopsAfter(SilentWatcher):
    """A watcher that interrupts a run, and requests no forecast."""

    def steps_done(self, report: StepReport) -> None:
        if report.done >= 10:
            raise Interrupted


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe the memory of the CPU, too."""
    probe = functools.partial(memory_probe.with_fitting_parts, always=True)
    monkeypatch.setattr(training_run, "with_fitting_parts", probe)


def test_run_records_its_parts(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probed: None
) -> None:
    """A resumed run has the same parts, and needs no --accumulate."""
    whole = {"evaluate_every": 0}
    run(tmp_path / "four", clips, accumulate=4, **whole)
    counts = limit(monkeypatch, 2, ERROR)
    with pytest.raises(Interrupted):
        run(tmp_path / "run", clips, watch=StopsAfter(), **whole)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["parts"] == 4
    counts.clear()
    run(tmp_path / "run", clips, resume=True, **whole)
    assert set(counts) == {2}
    assert outcome(tmp_path / "run") == outcome(tmp_path / "four")


def test_too_little_memory_for_one_clip(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probed: None
) -> None:
    limit(monkeypatch, 0, ERROR)
    with pytest.raises(OutOfMemory, match="not enough memory to train"):
        run(tmp_path / "run", clips)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_other_errors_of_the_trial_pass_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 0, RuntimeError("a bug"))
    batches = training_batches(Toy(), batch=8, seed=0)
    with pytest.raises(RuntimeError, match="a bug"):
        with_fitting_parts(made(1), batches, always=True)


def test_weights_are_written_before_the_last_validation(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation without memory loses no weights; --resume repeats it alone."""

    def refuse(*_: object) -> None:
        assert (tmp_path / "run" / "weights.safetensors").exists()
        raise ERROR

    with monkeypatch.context() as patch:
        patch.setattr("anetc.training.run.run_loop.validate", refuse)
        with pytest.raises(OutOfMemory):
            run(tmp_path / "run", clips, evaluate_every=0)
    done = losses(tmp_path / "run")
    run(tmp_path / "run", clips, evaluate_every=0, resume=True)
    assert losses(tmp_path / "run") == done
