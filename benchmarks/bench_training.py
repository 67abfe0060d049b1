"""A training step by the plan beside the plain module in eager mode, in one process.

    python -m pytest benchmarks/bench_training.py -o python_files='bench_*.py' -o addopts=

A step is forward, cross-entropy and backward, without an optimiser's. The bar (issue 4), each as
`extra_info` of the line it belongs to, and as a table at the end:

    time     the step's processor seconds by the plain module's: at most 0.8
    memory   its peak by the plain module's: at most 0.8

The peak is of bytes that PyTorch's allocator hands out: parameters, statistics, the clip and its
labels, and what the step adds to them at its worst (gradients, what is kept, workspace). `added`
is the ratio of what steps add alone. One thread; rounds take turns between what is compared, so
that a slow minute falls on all, and medians are compared. `gradients` is the largest difference
from the plain module's of any parameter's gradient over the largest gradient of that parameter, of
one step in double precision on a small clip.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.bench.allocation import allocated
from anetc.engines.training import TrainingModule
from anetdsl.ir import Network
from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CASES = {
    "small_assemblenet 16x112 batch4": ("small_assemblenet", 4, 112, 9),
    "assemblenet 16x112 batch1": ("assemblenet", 1, 112, 5),
    # What a search on a laptop trains.
    "small_assemblenet 16x32 batch32": ("small_assemblenet", 32, 32, 9),
    "small_two_stream_late 16x32 batch32": ("small_two_stream_late", 32, 32, 9),
}
"""Network, batch, height and width, rounds."""
FRAMES = 16

_table: list[tuple[str, ...]] = [
    ("case", "module", "ms", "time", "peak MiB", "memory", "added", "gradients")
]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


@attrs.frozen
class Clip:
    """What a step is given."""

    inputs: Mapping[str, Tensor]
    labels: Tensor

    @classmethod
    def drawn(
        cls, network: Network, batch: int, frames: int, size: int, dtype: torch.dtype
    ) -> Clip:
        generator = torch.Generator().manual_seed(0)
        shape = frames, size, size
        inputs = {
            value.name: torch.randn(batch, value.channels, *shape, generator=generator, dtype=dtype)
            for value in network.inputs
        }
        return cls(inputs, torch.arange(batch) % network.sink.classes)

    def step(self, module: nn.Module) -> None:
        module.zero_grad(set_to_none=True)
        functional.cross_entropy(module(self.inputs), self.labels).backward()

    def seconds(self, module: nn.Module) -> float:
        start = time.thread_time()
        self.step(module)
        return time.thread_time() - start

    def added(self, module: nn.Module) -> int:
        module.zero_grad(set_to_none=True)
        return allocated(lambda: self.step(module)).peak

    def held(self, module: nn.Module) -> int:
        tensors = *module.parameters(), *module.buffers(), *self.inputs.values(), self.labels
        return sum(x.numel() * x.element_size() for x in tensors)


def modules(network: Network) -> dict[str, nn.Module]:
    """What is compared, the plain module first, with equal weights of which no layer is still 0."""
    plain = build_network(network)
    generator = torch.Generator().manual_seed(0)
    for part in plain.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
    return {
        "plain": plain,
        "plan": TrainingModule(copy.deepcopy(plain)),
        "plan, checkpoint": TrainingModule(copy.deepcopy(plain), checkpoint=True),
    }


def gradient_errors(network: Network) -> dict[str, float]:
    """In double precision, each module's largest difference from the plain one's gradients."""
    clip = Clip.drawn(network, 1, 8, 48, torch.float64)
    found: dict[str, dict[str, Tensor]] = {}
    for label, module in modules(network).items():
        clip.step(module.double())
        named = module.named_parameters()
        found[label] = {name: p.grad for name, p in named if p.grad is not None}
    plain = found["plain"]
    return {
        label: max(float((g - plain[n]).abs().max() / plain[n].abs().max()) for n, g in own.items())
        for label, own in found.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_step(benchmark: BenchmarkFixture, case: str) -> None:
    """The plan's step is the line's; the others', in turns with it, are in the table."""
    benchmark.group = case
    name, batch, size, rounds = CASES[case]
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    errors = gradient_errors(network)
    compared = modules(network)
    clip = Clip.drawn(network, batch, FRAMES, size, torch.float32)
    for module in compared.values():
        clip.step(module)
    turns = [
        {label: clip.seconds(module) for label, module in compared.items()} for _ in range(rounds)
    ]
    seconds = {label: [turn[label] for turn in turns] for label in compared}
    medians = {label: statistics.median(times) for label, times in seconds.items()}
    added = {label: clip.added(module) for label, module in compared.items()}
    held = clip.held(compared["plain"])
    for label in compared:
        ratios = {
            "time": medians[label] / medians["plain"],
            "memory": (held + added[label]) / (held + added["plain"]),
            "added": added[label] / added["plain"],
            "gradients": errors[label],
        }
        numbers = [f"{ratios[key]:.3f}" for key in ("memory", "added")]
        peak = f"{(held + added[label]) / 2**20:.0f}"
        times = f"{1e3 * medians[label]:.0f}", f"{ratios['time']:.3f}"
        _table.append((case, label, *times, peak, *numbers, f"{errors[label]:.1e}"))
        if label == "plan":
            benchmark.extra_info.update(ratios)
    replay(benchmark, seconds["plan"])
