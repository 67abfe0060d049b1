"""Measure the native kernels of a training step, by kind of operation, against the machine's limit.

    python -m pytest benchmarks/bench_kernels.py -o python_files='bench_*.py' -o addopts=

Each instruction of the programs of a step runs by itself and is timed in CPU seconds of one thread.
The table lists, for each kind, the calls and milliseconds of a step and, for convolutions, billions
of floating-point operations per second, also as a share of the ceiling (`anetc.bench.ceiling`). The
operations that a kernel leaves out at the edges of maps count, so that a share may be above 1. The
last lines are the kernels together, and the whole step with Python, autograd and the loss. ROUNDS
in the environment is the largest number of rounds.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator

import attrs
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from anetc import build_network
from anetc.bench.ceiling import Ceiling
from anetc.engines.training import TrainingModule, native_nodes
from anetc.engines.training.native_program import INSTRUCTION_SIZE, OPERATIONS
from anetc.native.library import NoNativeKernels, library
from benchmarks.bench_training import FRAMES, MOST_ROUNDS, Clip, network_of
from benchmarks.tables import print_table, replay

CASES = {"search trial 16x32 batch16": (16, 32, 9), "assemblenet 16x112 batch1": (1, 112, 3)}
"""Batch size, height and width, and number of rounds."""
_FIRST_ARGUMENT = 13
_CONVOLUTIONS = ("convolve", "input_gradient", "weight_gradient")

_table: list[tuple[str, ...]] = [("case", "operation", "calls", "ms", "GFLOP/s", "of ceiling")]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


@attrs.define
class Times:
    """Runs instructions one by one; sums of times and operations by kind."""

    run: Callable[..., None]
    seconds: Counter[str] = attrs.Factory(Counter)
    calls: Counter[str] = attrs.Factory(Counter)
    operations: Counter[str] = attrs.Factory(Counter)

    def __call__(self, program: int, count: int, buffers: int, settings: int, threads: int) -> None:
        """Run a program as `NativeLibrary.run_float` does; `program` is an address."""
        for number in range(count):
            own = program + number * INSTRUCTION_SIZE * 8
            row = _instruction(own)
            start = time.thread_time()
            self.run(own, 1, buffers, settings, threads)
            took = time.thread_time() - start
            kind, work = _kind(row)
            self.seconds[kind] += took
            self.calls[kind] += 1
            self.operations[kind] += work


def _instruction(address: int) -> list[int]:
    return list((ctypes.c_int64 * INSTRUCTION_SIZE).from_address(address))


def _kind(row: list[int]) -> tuple[str, int]:
    """Return the name of an instruction's kind, and its floating-point operations."""
    name = OPERATIONS[row[0]]
    if name not in _CONVOLUTIONS:
        return name, 0
    batch, n1, n2, into, out, k1, k2, s1, s2 = row[_FIRST_ARGUMENT : _FIRST_ARGUMENT + 9]
    kernel = f"{k1}x{k2}" if k2 == k1 else f"{k1}x1 over time"
    stride = f", stride {s1}" if s1 > 1 else ""
    cells = batch * -(-n1 // s1) * -(-n2 // s2)
    return f"{name} {kernel}{stride}", 2 * cells * into * out * k1 * k2


def timed(module: nn.Module, step: Callable[[], object]) -> Times:
    """Return the times of the instructions of a step."""
    compiled = library()
    times = Times(compiled.run_float)
    nodes = [node for plan in module._native.values() for node in plan.values()]  # type: ignore[operator, union-attr]
    for node in nodes:
        assert isinstance(node, native_nodes.NativeNode)
        node.library = attrs.evolve(compiled, run_float=times)
    step()
    for node in nodes:
        node.library = compiled
    return times


@pytest.mark.parametrize("case", CASES)
def test_kernels(benchmark: BenchmarkFixture, case: str) -> None:
    """pytest-benchmark reports the whole step. The table has the kinds of operations."""
    try:
        library()
    except NoNativeKernels as reason:
        pytest.skip(str(reason))
    batch, size, rounds = CASES[case]
    rounds = min(rounds, MOST_ROUNDS)
    network = network_of(case)
    module = TrainingModule(build_network(network))
    clip = Clip.drawn(network, batch, FRAMES, size, torch.float32)
    clip.step(module)
    ceiling = Ceiling.of(torch.float32)
    limit = statistics.median(ceiling.gflops(time.thread_time) for _ in range(7))
    whole = [clip.seconds(module) for _ in range(rounds)]
    turns = [timed(module, lambda: clip.step(module)) for _ in range(rounds)]
    kinds = {kind: [turn.seconds[kind] for turn in turns] for kind in turns[0].seconds}
    medians = {kind: statistics.median(seconds) for kind, seconds in kinds.items()}
    for kind, seconds in sorted(medians.items(), key=lambda item: -item[1]):
        gflops = turns[0].operations[kind] / seconds / 1e9
        shares = (f"{gflops:.0f}", f"{gflops / limit:.2f}") if gflops else ("", "")
        _table.append((case, kind, str(turns[0].calls[kind]), f"{1e3 * seconds:.1f}", *shares))
    total, step = sum(medians.values()), statistics.median(whole)
    work = sum(turns[0].operations.values())
    for label, seconds in (("kernels together", total), ("whole step", step)):
        gflops = work / seconds / 1e9
        numbers = (f"{1e3 * seconds:.1f}", f"{gflops:.0f}", f"{gflops / limit:.2f}")
        _table.append((case, label, "", *numbers))
    benchmark.extra_info.update({"ceiling GFLOP/s": limit, "kernels ms": 1e3 * total})
    replay(benchmark, whole)
