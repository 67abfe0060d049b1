"""Inference by the plan beside plain PyTorch and what torch.compile makes of it, in one process.

    python -m pytest benchmarks/bench_inference.py -o python_files='bench_*.py' -o addopts= \
        -k 'test_plan and assemblenet and 16x112 and batch1' --benchmark-columns=median

The bar (issue 3), each as `extra_info` of the line it belongs to, and as a table at the end:

    of plain     plan's time by plain eager's: at most 0.55
    of frozen    by that of torch.compile of plain, weights frozen: at most 0.92
    of ceiling   of a large convolution's GFLOP/s in the same type: at least 0.88
    of float32   bfloat16's time by float32's: at most 0.5
    memory       peak of a pass by the plain module's: at most 0.7

One thread. Rounds take turns between what is compared, and with the ceiling, so that a slow minute
falls on all; medians of the thread's CPU seconds are compared. Rounds are bounded by `SECONDS` per
case: one alone for four clips of 32 frames of 224 x 224. The frozen module, which takes up to a
minute to compile, is a case of its own. Nothing is written.
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
FEWEST, MOST = 1, 11
PLAIN_SPEED = 60e9
"""Operations a second by which the number of rounds is chosen; nothing is reported of it."""

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
    """All backends in turn, as many rounds as the time allows."""
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    frames, size = CLIPS[clip]
    operations = 2 * batch * cost(network, frames=frames, size=size).multiply_adds
    round_seconds = len(backends) * operations / PLAIN_SPEED
    repeats = min(max(int(SECONDS / round_seconds), FEWEST), MOST)
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
    """Give pytest-benchmark the times of one backend, and the ratios of it; fill the table."""
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
    """Every network, clip and batch; the identifier says all three, for `-k`."""
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
    """Plain eager, and the plan in float32 and bfloat16."""
    benchmark.group = case = f"{network} {clip} batch {batch}"
    names = ("plain", "plan", *(("plan-bf16",) if has_bfloat16() else ()))
    found = measure(network, clip, batch, names)
    report(benchmark, case, found, "plan")
    if has_bfloat16():
        _, plan, half = found.results
        benchmark.extra_info["bfloat16 of float32"] = round(half.median / plan.median, 3)


@cases
def test_frozen(benchmark: BenchmarkFixture, network: str, clip: str, batch: int) -> None:
    """torch.compile of the plain module with frozen weights, and the plan beside it."""
    torch._dynamo.reset()
    benchmark.group = case = f"{network} {clip} batch {batch}, compiled"
    found = measure(network, clip, batch, ("frozen", "plan"))
    report(benchmark, case, found, "plan")
    benchmark.extra_info["frozen compiled in s"] = round(found.results[0].prepare_seconds, 1)


@pytest.mark.parametrize("batch", [pytest.param(n, id=f"batch{n}") for n in BATCHES])
@pytest.mark.parametrize("clip", list(CLIPS))
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.anet")), ids=lambda path: path.stem)
def test_no_example_is_slower_than_plain(
    benchmark: BenchmarkFixture, path: Path, clip: str, batch: int
) -> None:
    """The bar: plan's time by plain's is at most 1."""
    benchmark.group = case = f"{path.stem} {clip} batch {batch}"
    found = measure(path.stem, clip, batch, ("plain", "plan"))
    assert report(benchmark, case, found, "plan")["of plain"] <= 1
