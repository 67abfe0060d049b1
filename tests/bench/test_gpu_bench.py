"""The parts of a benchmark that run on a GPU, on a CPU: plans of ordinary operations, the clock."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from anetc.bench import ceiling
from anetc.bench.backends import _portable
from anetc.bench.ceiling import GPU_IMAGES, IMAGES, Ceiling, EventClock
from anetc.plan.lower import lower
from tests.plan.cases import EVERY_PASS, case


@pytest.mark.parametrize(("name", "tolerance"), [("plan", 1e-5), ("plan-bf16", 5e-2)])
def test_plans_of_ordinary_operations(name: str, tolerance: float) -> None:
    example = case(EVERY_PASS, batch=2)
    lowered = lower(EVERY_PASS, frames=example.frames, size=example.size)
    with torch.no_grad():
        backend = _portable(name, lowered, example.model, example.inputs)
        expected = example.model(example.inputs)
        got = backend.forward(example.inputs)
    assert (got - expected).abs().max() <= tolerance * expected.abs().max()
    assert backend.timed(example.inputs) == {}


def test_clock_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the GPU, and converts the milliseconds of CUDA."""
    calls: list[str] = []

    class Event:
        def __init__(self, **_: Any) -> None:
            self.moment = 0.0

        def record(self) -> None:
            calls.append("record")
            self.moment = 250.0 * len(calls)

        def synchronize(self) -> None:
            calls.append("wait")

        def elapsed_time(self, end: Event) -> float:
            return end.moment - self.moment

    monkeypatch.setattr(torch.cuda, "Event", Event)
    clock = EventClock()
    assert clock() == 0.25
    assert calls == ["record", "record", "wait"]


def test_ceiling_counts_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU gets a larger convolution; the rate is per second of the clock."""
    monkeypatch.setattr(ceiling, "SIDE", 4)
    times = iter([0.0, 2.0])
    small = Ceiling.of(torch.float32)
    assert len(small.x) == IMAGES < GPU_IMAGES
    assert small.gflops(lambda: next(times)) == pytest.approx(IMAGES * ceiling._IMAGE_GFLOP / 2)
