"""Compare a training step of TrainingModule with the reference module in eager mode.

The modules: the reference; "steps", the plan run step by step in Python; "native", the plan run by
native kernels; and "native, checkpoint". With ANETC_BENCH_COMPILED=1 the reference compiled by
torch.compile takes part, too, which takes minutes to compile. "native" is left out where no C++
compiler is installed. "steps, bfloat16" is the plan under autocast, as in training with
`--precision bfloat16`.

    python -m pytest benchmarks/bench_training.py -o python_files='bench_*.py' -o addopts=

A step is forward, cross-entropy and backward, without the optimiser. The goals (issue 4) are in
`extra_info` of each benchmark, and in a table at the end:

    time     CPU seconds of the step, relative to the reference module: at most 0.8
    memory   peak memory, relative to the reference module: at most 0.8

The peak counts the bytes that PyTorch's allocator provides: parameters, statistics, the clip and
its labels, and the memory that the step adds (gradients, saved values, workspace). `added` is the
ratio of the added memory alone. All modules run on one thread, in turns in each round, so that a
slow period affects all of them; the medians are compared. `gradients` is the largest difference
between a gradient and the reference's, relative to the largest gradient of that parameter, for one
step in double precision on a small clip. ROUNDS in the environment is the largest number of rounds.
"""

from __future__ import annotations

import copy
import os
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
from anetc.native.library import library_or_none
from anetdsl.ir import Network
from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CASES = {
    "small_assemblenet 16x112 batch4": ("small_assemblenet", 4, 112, 9),
    "assemblenet 16x112 batch1": ("assemblenet", 1, 112, 5),
    # Cases that are typical for a search on a laptop.
    "small_assemblenet 16x32 batch32": ("small_assemblenet", 32, 32, 9),
    "small_two_stream_late 16x32 batch32": ("small_two_stream_late", 32, 32, 9),
    "search trial 16x32 batch16": ("small_assemblenet", 16, 32, 15),
}
"""Network, batch size, height and width, and number of rounds."""
TRIAL = "search trial"
"""Case with two residual modules per block, which is what a trial of the small space trains."""
FRAMES = 16
MOST_ROUNDS = int(os.environ.get("ROUNDS", "100"))

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
    """The inputs and labels of a step."""

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
        """Return the peak of the bytes that a step allocates."""
        module.zero_grad(set_to_none=True)
        return allocated(lambda: self.step(module)).peak

    def persistent_bytes(self, module: nn.Module) -> int:
        """Return the bytes of parameters, statistics, inputs and labels."""
        tensors = *module.parameters(), *module.buffers(), *self.inputs.values(), self.labels
        return sum(x.numel() * x.element_size() for x in tensors)


class Bfloat16(nn.Module):
    """A module whose forward pass runs under autocast in bfloat16."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = self.module(inputs)
        return logits.float()


def modules(network: Network) -> dict[str, nn.Module]:
    """Return the modules to compare, the reference first, with equal weights.

    No batch normalisation has its initial scale of 0.
    """
    reference = build_network(network)
    generator = torch.Generator().manual_seed(0)
    for part in reference.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
    found: dict[str, nn.Module] = {
        "reference": reference,
        "steps": TrainingModule(copy.deepcopy(reference), native=False),
        "steps, bfloat16": Bfloat16(TrainingModule(copy.deepcopy(reference), native=False)),
    }
    if library_or_none() is None:
        found["steps, checkpoint"] = TrainingModule(
            copy.deepcopy(reference), native=False, checkpoint=True
        )
    else:
        found["native"] = TrainingModule(copy.deepcopy(reference))
        found["native, checkpoint"] = TrainingModule(copy.deepcopy(reference), checkpoint=True)
    return found


def network_of(case: str) -> Network:
    """Return the network of a case."""
    text = (EXAMPLES / f"{CASES[case][0]}.anet").read_text(encoding="utf-8")
    if case.startswith(TRIAL):
        text = text.replace("D=[8, 16, 32, 64]", "D=[8, 16, 32, 64] modules=[2, 2, 2, 2]")
    return anetdsl.parse(text)


def gradient_errors(network: Network) -> dict[str, float]:
    """Return each module's largest relative gradient difference from the reference, in float64."""
    clip = Clip.drawn(network, 1, 8, 48, torch.float64)
    gradients: dict[str, dict[str, Tensor]] = {}
    for label, module in modules(network).items():
        if isinstance(module, Bfloat16):
            continue
        clip.step(module.double())
        named = module.named_parameters()
        gradients[label] = {name: p.grad for name, p in named if p.grad is not None}
    expected = gradients["reference"]
    return {
        label: max(
            float((gradient - expected[name]).abs().max() / expected[name].abs().max())
            for name, gradient in own.items()
        )
        for label, own in gradients.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_step(benchmark: BenchmarkFixture, case: str) -> None:
    """pytest-benchmark reports the step of the native kernels. The table has all modules."""
    benchmark.group = case
    _, batch, size, rounds = CASES[case]
    rounds = min(rounds, MOST_ROUNDS)
    network = network_of(case)
    errors = gradient_errors(network)
    compared = modules(network)
    if os.environ.get("ANETC_BENCH_COMPILED") == "1":
        compared["compiled"] = torch.compile(copy.deepcopy(compared["reference"]))
    clip = Clip.drawn(network, batch, FRAMES, size, torch.float32)
    for module in compared.values():
        clip.step(module)
    turns = [
        {label: clip.seconds(module) for label, module in compared.items()} for _ in range(rounds)
    ]
    seconds = {label: [turn[label] for turn in turns] for label in compared}
    medians = {label: statistics.median(times) for label, times in seconds.items()}
    added = {label: clip.added(module) for label, module in compared.items()}
    persistent = clip.persistent_bytes(compared["reference"])
    fastest = "native" if "native" in compared else "steps"
    for label in compared:
        ratios = {
            "time": medians[label] / medians["reference"],
            "memory": (persistent + added[label]) / (persistent + added["reference"]),
            "added": added[label] / added["reference"],
            "gradients": errors.get(label, float("nan")),
        }
        numbers = [f"{ratios[key]:.3f}" for key in ("memory", "added")]
        peak = f"{(persistent + added[label]) / 2**20:.0f}"
        times = f"{1e3 * medians[label]:.0f}", f"{ratios['time']:.3f}"
        _table.append((case, label, *times, peak, *numbers, f"{ratios['gradients']:.1e}"))
        if label == fastest:
            benchmark.extra_info.update(ratios)
    replay(benchmark, seconds[fastest])
