"""Measure the gain of each pass: the plan with all passes, and with all passes but one.

    python -m pytest benchmarks/bench_passes.py -o python_files='bench_*.py' -o addopts= \
        -k 'assemblenet and 16x112' --benchmark-columns=min

All plans run on one thread, in turns, in each of `ROUNDS` rounds. The result is the minimum of the
thread's CPU seconds, because other work on the machine can only add time. The table shows time and
peak memory without a pass, divided by those with all passes; docs/passes.md has the figures. Batch
normalisations that are not folded are computed by PyTorch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.bench.allocation import allocated
from anetc.engines.constants import BN_EPSILON
from anetc.engines.inference.buffer_pool import BufferPool
from anetc.engines.inference.plan_module import PlanModule
from anetc.plan.lower import lower
from anetc.plan.passes import INFERENCE, optimise
from anetc.plan.plan import Op
from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NETWORKS = ("assemblenet", "asn50", "small_assemblenet")
CLIPS = {"16x112": (16, (112, 112)), "32x224": (32, (224, 224))}
ROUNDS = 12

_table: list[tuple[str, ...]] = [
    ("network", "clip", "left out", "operations", "CPU s", "of all", "peak MiB", "of all's")
]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


class WithNorms(PlanModule):
    """A PlanModule that can also run the operation `norm`."""

    def __init__(self, plan: Any, state: Any) -> None:
        super().__init__(plan, state)
        self.state = state

    def _run(self, op: Op, values: dict[str, Tensor], frames: int, buffers: BufferPool) -> Tensor:
        if op.kind != "norm":
            return super()._run(op, values, frames, buffers)
        name = op.exprs["weight"][0].head
        parts = ("running_mean", "running_var", "weight", "bias")
        statistics = [self.state[f"{name}.{part}"] for part in parts]
        result = functional.batch_norm(values[op.args[0]], *statistics, eps=BN_EPSILON)
        return result.relu_() if op.relu else result


@pytest.mark.parametrize("clip", list(CLIPS))
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_without_each_pass(benchmark: BenchmarkFixture, name: str, clip: str) -> None:
    """Compare all passes with all passes but one, in turns."""
    benchmark.group = f"{name} {clip}, all passes"
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    frames, size = CLIPS[clip]
    state = build_network(network).eval().state_dict()
    generator = torch.Generator().manual_seed(0)
    inputs = {
        value.name: torch.randn(1, value.channels, frames, *size, generator=generator)
        for value in network.inputs
    }
    lowered = lower(network, frames=frames, size=size)
    plans = {"": optimise(lowered)}
    for step in INFERENCE:
        passes = tuple(other for other in INFERENCE if other is not step)
        plans[step.__name__] = optimise(lowered, passes)
    plans["all of them"] = lowered
    # A plan that is equal without the pass is not measured, because the difference would be noise.
    changed = {left: plan for left, plan in plans.items() if not left or plan != plans[""]}
    modules = {left: WithNorms(plan, state) for left, plan in changed.items()}
    times: dict[str, list[float]] = {left: [] for left in modules}
    order = list(modules.items())
    for number in range(1 + ROUNDS):
        # The order changes, because memory and cache depend on the plan that ran before.
        order = order[1:] + order[:1] if number % 2 else order[::-1]
        for left, module in order:
            start = time.thread_time()
            module(inputs)
            if number:
                times[left].append(time.thread_time() - start)
    peaks = {left: allocated(partial(module, inputs)).peak for left, module in modules.items()}
    for left, plan in plans.items():
        if left not in modules:
            _table.append((name, clip, left, str(len(plan.ops)), "", "the same plan", "", ""))
            continue
        seconds, peak = min(times[left]), peaks[left]
        row = (
            f"{seconds:.4f}",
            f"{seconds / min(times['']):.3f}",
            f"{peak / 2**20:.1f}",
            f"{peak / peaks['']:.3f}",
        )
        _table.append((name, clip, left or "nothing", str(len(plan.ops)), *row))
        if left:
            benchmark.extra_info[f"without {left}"] = float(row[1])
    replay(benchmark, times[""])
