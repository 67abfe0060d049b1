"""Batches for an accelerator: their bytes, their order, and the numbers that the device gets."""

from __future__ import annotations

from itertools import islice

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from anetc.data.batches.device_feed import fed
from anetc.data.batches.loader import scaled, test_batches, training_batches
from anetc.data.values import Sample
from anetc.evaluation import runner
from anetc.modules.network import build_network
from anetc.video.flow.fields import dequantise
from tests.training.toys import SIZE, Toy, network


@attrs.frozen(eq=False)
class Steps(Toy):
    """Videos whose flow was read from steps, as that of all formats for videos."""

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        sample = Toy.sample(self, index, seed=seed, epoch=epoch)
        rng = np.random.default_rng((index, 1))
        steps: NDArray[np.int8] = rng.integers(-127, 128, (self.clips, 3, *SIZE, 2), np.int8)
        return attrs.evolve(sample, flow=dequantise(steps))


@pytest.mark.parametrize(("dataset", "flow"), [(Steps(), torch.int8), (Toy(), torch.float32)])
def test_compact_batches_have_the_same_numbers(dataset: Toy, flow: torch.dtype) -> None:
    """Flow of other values than steps stays as it is."""
    plain = training_batches(dataset, batch=4, seed=3)
    compact = training_batches(dataset, batch=4, seed=3, compact=True)
    for one, other in islice(zip(plain, compact, strict=False), 4):
        assert (other.inputs["rgb"].dtype, other.inputs["flow"].dtype) == (torch.uint8, flow)
        assert other.inputs["rgb"].is_contiguous()
        assert (one.index, one.names) == (other.index, other.names)
        for kind, tensor in scaled(other.inputs).items():
            assert torch.equal(tensor, one.inputs[kind])
        assert torch.equal(one.targets, other.targets)


def test_compact_batches_of_an_evaluation_have_the_same_scores() -> None:
    """A GPU gets the bytes of all clips of a video, or floats where not all flow is in steps."""

    class Mixed(Steps):
        def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
            kind = Steps if index % 2 else Toy
            return kind.sample(self, index, seed=seed, epoch=epoch)  # type: ignore[arg-type]

    model = build_network(network(), seed=1).eval()
    for dataset, flow in ((Steps(clips=2), torch.int8), (Mixed(), torch.float32)):
        plain, compact = (
            runner._concatenated(list(islice(test_batches(dataset, batch=1, compact=given), 3)))
            for given in (False, True)
        )
        assert compact.inputs["flow"].dtype == flow
        one, other = (
            runner._logits(model, network(), batch, 2, "cpu", "float32")
            for batch in (plain, compact)
        )
        assert np.array_equal(one, other)


class Recorded:
    """Copies that record what happens. A copy holds other bytes until it is waited for."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._pending: list[tuple[Tensor, Tensor]] = []

    def start(self, tensor: Tensor) -> Tensor:
        copy = torch.zeros_like(tensor)
        self._pending.append((copy, tensor))
        return copy

    def mark(self) -> object:
        pending, self._pending = self._pending, []
        self.events.append(f"start {len(self.events)}")
        return pending

    def wait(self, mark: object, tensors: list[Tensor]) -> None:
        assert isinstance(mark, list)
        assert [id(copy) for copy, _ in mark] == [id(tensor) for tensor in tensors]
        for copy, tensor in mark:
            copy.copy_(tensor)
        self.events.append("wait")


def test_next_batch_is_copied_while_a_batch_is_used() -> None:
    copies = Recorded()
    device = torch.device("cpu")
    plain = list(islice(training_batches(Steps(), batch=4, seed=3, compact=True), 3))
    used = []
    for batch in fed(iter(plain), device, copies):
        used.append(batch)
        copies.events.append(f"use {batch.index}")
    assert [event.split()[0] for event in copies.events] == [
        *("start", "start", "wait", "use"),
        *("start", "wait", "use"),
        *("wait", "use"),
    ]
    assert [batch.index for batch in used] == [0, 1, 2]
    for one, other in zip(plain, used, strict=True):
        assert torch.equal(one.targets, other.targets)
        for kind, tensor in one.inputs.items():
            assert torch.equal(tensor, other.inputs[kind])


def test_batches_for_the_cpu_are_not_copied() -> None:
    plain = list(islice(training_batches(Toy(), batch=4, seed=3), 2))
    for one, other in zip(plain, fed(iter(plain), torch.device("cpu")), strict=True):
        assert one is other
