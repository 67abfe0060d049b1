"""Measure single convolutions, for decisions in the passes and in `PlanModule`.

    python -m pytest benchmarks/bench_convolutions.py -o python_files='bench_*.py' -o addopts=

Each case runs two variants in turns, on one thread. The result is the minimum of the CPU seconds of
`ROUNDS` rounds. `ratio` is the time of the second variant divided by the time of the first.

joined   two convolutions of one tensor: separate, joined (`join_convs`)
block    first 1x1 convolution and projection of a block, with stride 1: separate, joined
gemm     3x3 convolution of a small map: the library, a matrix product (`convolution`)
buffer   filling a tensor: a new one, an existing one (`buffer_pool`)
groups   a residual module, in place: all frames at once, groups of frames
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
Variant = Callable[[], object]

_table: list[tuple[str, ...]] = [("case", "first", "ms", "second", "ms", "ratio")]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


def conv(x: Tensor, channels: int, kernel: int, stride: int = 1) -> Variant:
    """Return a convolution of x (B, C, H, W) with random weights."""
    generator = torch.Generator().manual_seed(0)
    state = {"w": torch.randn(channels, x.shape[1], 1, kernel, kernel, generator=generator)}
    options: dict[str, Any] = {"kernel": f"1x{kernel}x{kernel}", "stride": stride}
    op = Op("a", "conv", ("x",), (channels,), options, {"weight": (call("w"),)})
    step = Convolution.of(op, state, torch.float32, in_place=False)
    return lambda: step.run(x, FRAMES)


def frames(channels: int, side: int) -> Tensor:
    """Return random frames (B, C, H, W), channels last."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(FRAMES, channels, side, side, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def compare(
    benchmark: BenchmarkFixture, case: str, first: tuple[str, Variant], second: tuple[str, Variant]
) -> None:
    """Run two variants in turns, and report their times and ratio."""
    times: list[list[float]] = [[], []]
    for number in range(1 + ROUNDS):
        for (_, run), seconds in zip((first, second), times):
            start = time.thread_time()
            run()
            if number:
                seconds.append(time.thread_time() - start)
    minima = [min(seconds) for seconds in times]
    names = first[0], second[0]
    cells = [cell for name, s in zip(names, minima) for cell in (name, f"{1000 * s:.3f}")]
    _table.append((case, *cells, f"{minima[1] / minima[0]:.2f}"))
    benchmark.extra_info["ratio"] = round(minima[1] / minima[0], 3)
    replay(benchmark, times[0])


@pytest.mark.parametrize("channels", [4, 8, 16, 32])
@pytest.mark.parametrize("source", [3, 2], ids=["rgb", "flow"])
@torch.inference_mode()
def test_joined(benchmark: BenchmarkFixture, source: int, channels: int) -> None:
    """Compare the 7x7 convolutions of two stems on one input of 112 x 112."""
    x = frames(source, 112)
    convs = [conv(x, channels, 7, 2) for _ in range(2)]
    both = conv(x, 2 * channels, 7, 2)
    compare(
        benchmark,
        f"joined {source} -> 2 x {channels}",
        ("separate", lambda: [run() for run in convs]),
        ("joined", both),
    )


@torch.inference_mode()
def test_block(benchmark: BenchmarkFixture) -> None:
    """Compare the convolutions of Table 4's n5: 32 channels to 64 and to 256, on 28 x 28."""
    x = frames(32, 28)
    first, projection = conv(x, 64, 1), conv(x, 256, 1)
    compare(
        benchmark,
        "block 32 -> 64 and 256",
        ("separate", lambda: (first(), projection())),
        ("joined", conv(x, 320, 1)),
    )


@pytest.mark.parametrize(
    ("channels", "side", "stride"), [(512, 4, 1), (512, 7, 2), (256, 7, 1), (256, 4, 1)]
)
@torch.inference_mode()
def test_gemm(
    benchmark: BenchmarkFixture,
    channels: int,
    side: int,
    stride: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Compare a 3x3 convolution of a small map with a matrix product."""
    x = frames(channels, side)
    library, gemm = conv(x, channels, 3, stride), conv(x, channels, 3, stride)
    monkeypatch.setattr(convolution, "GEMM_CELLS", side * side)
    uses_gemm = False
    monkeypatch.setattr(convolution, "small_maps_use_gemm", lambda: uses_gemm)

    def multiply() -> object:
        nonlocal uses_gemm
        uses_gemm = True
        result = gemm()
        uses_gemm = False
        return result

    case = f"gemm {channels} on {side} x {side}, stride {stride}"
    compare(benchmark, case, ("library", library), ("gemm", multiply))


@pytest.mark.parametrize("group", [1, 2, 4, 8])
@pytest.mark.parametrize(("count", "side"), [(32, 56), (16, 28)])
@torch.inference_mode()
def test_groups(benchmark: BenchmarkFixture, count: int, side: int, group: int) -> None:
    """Compare a residual module of level 1 on all frames with the same on groups of frames.

    The last convolution adds to the input in place, so that a group needs no copy. The tensors
    between the convolutions of a group have 1.6 MB per frame of 56 x 56.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 256, side, side, generator=generator)
    x = x.contiguous(memory_format=torch.channels_last)
    state = {
        "conv1": torch.randn(64, 256, 1, 1, 1, generator=generator) * 0.02,
        "conv2": torch.randn(64, 64, 1, 3, 3, generator=generator) * 0.02,
        "conv3": torch.randn(256, 64, 1, 1, 1, generator=generator) * 0.02,
    }

    def module(size: int) -> Variant:
        ops = [
            Op(
                name,
                "conv",
                ("x",) if name != "conv3" else ("x", "y"),
                (len(weight),),
                {"kernel": "1x3x3" if name == "conv2" else "1x1x1", "stride": 1, "relu": True},
                {"weight": (call(name),)},
            )
            for name, weight in state.items()
        ]
        one, two, three = (
            Convolution.of(op, state, torch.float32, in_place=op.name == "conv3") for op in ops
        )

        def run() -> None:
            for first in range(0, count, size):
                part = x[first : first + size]
                three.run(two.run(one.run(part, size), size), size, summand=part)

        return run

    compare(
        benchmark,
        f"groups of {group} of {count} frames of {side} x {side}",
        ("all frames", module(count)),
        ("groups", module(group)),
    )


@pytest.mark.parametrize("mebibytes", [12, 49, 98])
def test_buffer(benchmark: BenchmarkFixture, mebibytes: int) -> None:
    """Compare filling a new tensor of this size with filling an existing one."""
    existing = torch.empty(mebibytes << 18)
    compare(
        benchmark,
        f"buffer {mebibytes} MiB",
        ("new", lambda: torch.empty(mebibytes << 18).fill_(1.0)),
        ("existing", lambda: existing.fill_(1.0)),
    )
