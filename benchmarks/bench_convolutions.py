"""Single convolutions: the measurements behind choices of the passes and of `PlanModule`.

    python -m pytest benchmarks/bench_convolutions.py -o python_files='bench_*.py' -o addopts=

Each case runs two ways in turns: what plans do, and what they do not do, or do elsewhere only. One
thread, CPU seconds, the least of `ROUNDS`. `ratio` is the second way's time by the first one's.

joined   convolutions of one tensor as one, by their channels: apart, joined (`join_convs`)
block    a block's first 1x1 and its projection, at stride 1: apart, joined
product  a 3x3 on a small map: the library's convolution, one product of matrices (`convolution`)
fresh    filling a tensor: one that was just made, one that is there (`spares`)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from anetc.engines.inference import convolution
from anetc.engines.inference.convolution import Convolution
from anetc.plan.plan import Op, call
from benchmarks.tables import print_table, replay

ROUNDS = 15
FRAMES = 16
Way = Callable[[], object]

_table: list[tuple[str, ...]] = [("case", "first way", "ms", "second way", "ms", "ratio")]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


def conv(x: Tensor, channels: int, kernel: int, stride: int = 1) -> Way:
    """A convolution of x (B, C, H, W) with random weights, packed for it."""
    generator = torch.Generator().manual_seed(0)
    state = {"w": torch.randn(channels, x.shape[1], 1, kernel, kernel, generator=generator)}
    options: dict[str, Any] = {"kernel": f"1x{kernel}x{kernel}", "stride": stride}
    op = Op("a", "conv", ("x",), (channels,), options, {"weight": (call("w"),)})
    step = Convolution.of(op, state, torch.float32, in_place=False)
    return lambda: step.run(x, FRAMES)


def frames(channels: int, side: int) -> Tensor:
    """Random frames, channels last."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(FRAMES, channels, side, side, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def compare(
    benchmark: BenchmarkFixture, case: str, first: tuple[str, Way], second: tuple[str, Way]
) -> None:
    times: list[list[float]] = [[], []]
    for number in range(1 + ROUNDS):
        for (_, way), found in zip((first, second), times):
            start = time.thread_time()
            way()
            if number:
                found.append(time.thread_time() - start)
    least = [min(found) for found in times]
    names = first[0], second[0]
    cells = [cell for name, s in zip(names, least) for cell in (name, f"{1000 * s:.3f}")]
    _table.append((case, *cells, f"{least[1] / least[0]:.2f}"))
    benchmark.extra_info["ratio"] = round(least[1] / least[0], 3)
    replay(benchmark, times[0])


@pytest.mark.parametrize("channels", [4, 8, 16, 32])
@pytest.mark.parametrize("source", [3, 2], ids=["rgb", "flow"])
@torch.inference_mode()
def test_joined(benchmark: BenchmarkFixture, source: int, channels: int) -> None:
    """Two stems' 7x7 on one input of 112 x 112."""
    x = frames(source, 112)
    ways = [conv(x, channels, 7, 2) for _ in range(2)]
    both = conv(x, 2 * channels, 7, 2)
    compare(
        benchmark,
        f"joined {source} -> 2 x {channels}",
        ("apart", lambda: [way() for way in ways]),
        ("joined", both),
    )


@torch.inference_mode()
def test_block(benchmark: BenchmarkFixture) -> None:
    """Of Table 4's n5: 32 channels to 64 and to 256, on 28 x 28."""
    x = frames(32, 28)
    first, projection = conv(x, 64, 1), conv(x, 256, 1)
    compare(
        benchmark,
        "block 32 -> 64 and 256",
        ("apart", lambda: (first(), projection())),
        ("joined", conv(x, 320, 1)),
    )


@pytest.mark.parametrize(
    ("channels", "side", "stride"), [(512, 4, 1), (512, 7, 2), (256, 7, 1), (256, 4, 1)]
)
@torch.inference_mode()
def test_product(
    benchmark: BenchmarkFixture,
    channels: int,
    side: int,
    stride: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 3x3 on small maps."""
    x = frames(channels, side)
    library, product = conv(x, channels, 3, stride), conv(x, channels, 3, stride)
    monkeypatch.setattr(convolution, "GEMM_CELLS", side * side)
    chosen = {"product": False}
    monkeypatch.setattr(convolution, "small_maps_use_gemm", lambda: chosen["product"])

    def multiply() -> object:
        chosen["product"] = True
        result = product()
        chosen["product"] = False
        return result

    case = f"product {channels} on {side} x {side}, stride {stride}"
    compare(benchmark, case, ("convolution", library), ("product", multiply))


@pytest.mark.parametrize("mebibytes", [12, 49, 98])
def test_fresh(benchmark: BenchmarkFixture, mebibytes: int) -> None:
    """A tensor of so many MiB."""
    there = torch.empty(mebibytes << 18)
    compare(
        benchmark,
        f"fresh {mebibytes} MiB",
        ("fresh", lambda: torch.empty(mebibytes << 18).fill_(1.0)),
        ("there", lambda: there.fill_(1.0)),
    )
