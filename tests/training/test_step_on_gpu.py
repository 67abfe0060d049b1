"""Steps of the training loop on a GPU: nothing in them waits for it, and many are compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from torch import Tensor, nn

from anetc.data.batches.loader import Batch, training_batches
from anetc.devices import Device
from anetc.engines.accelerator import AcceleratorModule
from anetc.modules.network import NetworkModule
from anetc.training import loop
from anetc.training.loop import make_accelerator, make_train_state, steps, training_device
from tests.engines.cuda_contract import calls_of
from tests.training.running import settings
from tests.training.toys import Toy, network


@pytest.mark.parametrize(
    "changes",
    [{}, {"accumulate": 2, "edge_optimiser": "normalised"}, {"edge_optimiser": "adam"}],
)
def test_steps_wait_for_nothing(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Scaling, loss, averages, the optimiser and its rules, besides the engine of a GPU."""

    def engine(model: NetworkModule, *_: object, **__: object) -> nn.Module:
        return AcceleratorModule(model)

    monkeypatch.setattr(loop, "training_engine", engine)
    given = settings(iterations=4, **changes)
    state = make_train_state(network(), given, make_accelerator(given))
    read = list(islice(training_batches(Toy(), batch=8, seed=0, compact=True), 4))
    batches: Iterator[Batch] = iter(read)
    running = steps(state, batches)
    next(running)  # the first step makes the momenta one tensor, and the buffers of the optimiser
    assert calls_of(lambda: list(running)) > 0


@pytest.mark.parametrize(
    ("iterations", "done", "compiled"),
    [(1001, 0, True), (1000, 0, False), (50_000, 48_999, True), (50_000, 49_000, False)],
)
def test_many_remaining_steps_are_compiled(
    iterations: int, done: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed near its end would not win back the minutes of a compilation."""
    gpu = Device(name="cuda:0", hardware="NVIDIA H100", precision="bfloat16")
    monkeypatch.setattr(loop, "resolve", lambda *_, **__: gpu)
    assert training_device(settings(iterations=iterations), done).compiled == compiled


@pytest.mark.parametrize("works", [True, False])
def test_results_say_whether_steps_were_compiled(
    works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiler(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def fail(*_: object) -> Tensor:
            raise RuntimeError("ptxas died")

        return step if works else fail

    def engine(model: NetworkModule, *_: object, **__: object) -> nn.Module:
        return AcceleratorModule(model, compiled=True, compiler=compiler)

    monkeypatch.setattr(loop, "training_engine", engine)
    given = settings(iterations=1)
    state = make_train_state(network(), given, make_accelerator(given))
    warning = contextlib.nullcontext() if works else pytest.warns(UserWarning, match="ptxas died")
    with warning:
        list(steps(state, training_batches(Toy(), batch=8, seed=0)))
    assert state.used_device.compiled == works
    assert state.used_device.hardware == state.device.hardware
