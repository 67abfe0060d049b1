"""Compare inference by the plan with the reference module and with torch.compile.

    python -m pytest benchmarks/bench_inference.py -o python_files='bench_*.py' -o addopts= \
        -k 'test_plan and assemblenet and 16x112 and batch1' --benchmark-columns=median

The goals (issue 3) are in `extra_info` of each benchmark, and in a table at the end:

    of plain     time of the plan, relative to the eager reference module: at most 0.55
    of frozen    relative to torch.compile of that module with frozen weights: at most 0.92
    of ceiling   GFLOP/s, relative to a large convolution in the same type: at least 0.88
    of float32   time in bfloat16, relative to float32: at most 0.5
    memory       peak memory of a forward pass, relative to the reference module: at most 0.7

All backends and the ceiling run on one thread, in turns in each round, so that a slow period
affects all of them. The medians of the thread's CPU seconds are compared. `SECONDS` limits the
rounds of a case; there is one round for four clips of 32 frames of 224 x 224. The frozen module
takes up to a minute to compile and has its own benchmark. No files are written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import anetdsl
from anetc.bench.measure import bench
from anetc.bench.results import BackendResult, Bench
from anetdsl.cost import cost
from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NETWORKS = ("assemblenet", "asn50")
CLIPS = {"16x112": (16, (112, 112)), "32x224": (32, (224, 224))}
BATCHES = (1, 4)
SECONDS = 20.0
MIN_ROUNDS, MAX_ROUNDS = 1, 11
PLAIN_SPEED = 60e9
"""Assumed operations per second of the reference module, to choose the number of rounds."""

Row = tuple[str, ...]
_table: list[Row] = [
    (
        "case",
        "backend",
        "ms",
        "of first",
        "GFLOP/s",
        "of ceiling",
        "peak MiB",
        "of first's",
        "error",
    )
]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if len(_table) > 1:
        print_table(request, _table)


def measure(name: str, clip: str, batch: int, backends: tuple[str, ...]) -> Bench:
    """Measure all backends in turns, for as many rounds as `SECONDS` allows."""
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    frames, size = CLIPS[clip]
    operations = 2 * batch * cost(network, frames=frames, size=size).multiply_adds
    round_seconds = len(backends) * operations / PLAIN_SPEED
    repeats = min(max(int(SECONDS / round_seconds), MIN_ROUNDS), MAX_ROUNDS)
    return bench(
        network,
        frames=frames,
        size=size,
        batch=batch,
        backends=backends,
        repeats=repeats,
        threads=1,
        clock=time.thread_time,
    )


def report(benchmark: BenchmarkFixture, case: str, found: Bench, which: str) -> dict[str, Any]:
    """Report the times of one backend to pytest-benchmark, fill the table, and return ratios."""
    first = found.results[0]
    for result in found.results:
        _table.append(_row(case, result, first))
    chosen = next(result for result in found.results if result.backend == which)
    replay(benchmark, chosen.seconds)
    ratios = {
        f"of {first.backend}": chosen.median / first.median,
        "of ceiling": chosen.gflops / chosen.ceiling_gflops,
        f"memory of {first.backend}": chosen.peak_bytes / first.peak_bytes,
        "ceiling GFLOP/s": chosen.ceiling_gflops,
        "copy GB/s": found.copy_bytes_per_second / 1e9,
    }
    benchmark.extra_info.update({key: round(value, 3) for key, value in ratios.items()})
    return ratios


def _row(case: str, result: BackendResult, first: BackendResult) -> Row:
    return (
        case,
        result.backend,
        f"{1000 * result.median:.1f}",
        f"{result.median / first.median:.3f}",
        f"{result.gflops:.1f}",
        f"{result.gflops / result.ceiling_gflops:.3f}",
        f"{result.peak_bytes / 2**20:.1f}",
        f"{result.peak_bytes / first.peak_bytes:.3f}",
        "" if result.error is None else f"{result.error:.1e}",
    )


def cases(function: Any) -> Any:
    """Parametrise a benchmark with every network, clip and batch size; `-k` selects by name."""
    for name, values in (
        ("batch", [pytest.param(n, id=f"batch{n}") for n in BATCHES]),
        ("clip", list(CLIPS)),
        ("network", list(NETWORKS)),
    ):
        function = pytest.mark.parametrize(name, values)(function)
    return function


def has_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cases
def test_plan(benchmark: BenchmarkFixture, network: str, clip: str, batch: int) -> None:
    """Compare the reference module with the plan in float32 and bfloat16."""
    benchmark.group = case = f"{network} {clip} batch {batch}"
    names = ("plain", "plan", *(("plan-bf16",) if has_bfloat16() else ()))
    found = measure(network, clip, batch, names)
    report(benchmark, case, found, "plan")
    if has_bfloat16():
        _, plan, half = found.results
        benchmark.extra_info["bfloat16 of float32"] = round(half.median / plan.median, 3)


@cases
def test_frozen(benchmark: BenchmarkFixture, network: str, clip: str, batch: int) -> None:
    """Compare torch.compile of the reference module, with frozen weights, with the plan."""
    torch._dynamo.reset()
    benchmark.group = case = f"{network} {clip} batch {batch}, compiled"
    found = measure(network, clip, batch, ("frozen", "plan"))
    report(benchmark, case, found, "plan")
    benchmark.extra_info["frozen compiled in s"] = round(found.results[0].prepare_seconds, 1)


@pytest.mark.parametrize("batch", [pytest.param(n, id=f"batch{n}") for n in BATCHES])
@pytest.mark.parametrize("clip", list(CLIPS))
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.anet")), ids=lambda path: path.stem)
def test_no_example_is_slower_than_the_reference(
    benchmark: BenchmarkFixture, path: Path, clip: str, batch: int
) -> None:
    """The time of the plan, relative to the reference module, is at most 1."""
    benchmark.group = case = f"{path.stem} {clip} batch {batch}"
    found = measure(path.stem, clip, batch, ("plain", "plan"))
    assert report(benchmark, case, found, "plan")["of plain"] <= 1
