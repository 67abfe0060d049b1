"""Measure the TV-L1 flow of one pair on one thread (ours, scikit-image, OpenCV), and of batches.

    python -m pytest benchmarks/bench_flow.py -o addopts= --benchmark-group-by=group

The pairs are synthetic (noise of several octaves, warped by a smooth flow of at most 3 px). So the
JSON report has in `extra_info` the mean end-point error in px, without a border of 8 px. All three
run with their defaults. OpenCV's time depends on the images, because it stops when it converges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from anetc.video.flow.clip_flow import tvl1

SIZES = (112, 224)
BATCH = 16
PEAK = 3.0
BORDER = 8

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def octave(size: int, cells: int, channels: int, seed: int) -> Tensor:
    """Return smooth noise (1, channels, size, size) in -1..1, about `cells` details per axis."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, channels, cells, cells, generator=generator) * 2 - 1
    return functional.interpolate(noise, size=(size, size), mode="bicubic", align_corners=True)


def known_motion(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two uint8 images (size, size) and the flow (size, size, 2) between them, in px."""
    octaves = range(2, int(math.log2(size)))
    image = sum(octave(size, 2**k, 1, seed + k) * 2.0 ** (-0.7 * k) for k in octaves)
    assert isinstance(image, Tensor)
    image = (image - image.min()) / (image.max() - image.min()) * 255
    flow = octave(size, 4, 2, seed)
    flow *= PEAK / flow.abs().max()

    x = torch.arange(size, dtype=torch.float32)
    target = torch.stack([flow[0, 0] + x, flow[0, 1] + x[:, None]], dim=-1)
    grid = (2 * target[None] + 1) / size - 1
    warped = functional.grid_sample(
        image, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    frame0, frame1 = (
        frame[0, 0].clamp(0, 255).round().to(torch.uint8).numpy() for frame in (warped, image)
    )
    return frame0, frame1, flow[0].permute(1, 2, 0).numpy()


def ours() -> Flow:
    def flow(frame0: np.ndarray, frame1: np.ndarray) -> np.ndarray:
        result = tvl1(torch.from_numpy(frame0)[None], torch.from_numpy(frame1)[None])
        return result[0].permute(1, 2, 0).numpy()

    return flow


def scikit_image() -> Flow:
    registration = pytest.importorskip("skimage.registration", reason="scikit-image is missing")

    def flow(frame0: np.ndarray, frame1: np.ndarray) -> np.ndarray:
        v, u = registration.optical_flow_tvl1(frame0, frame1)
        return np.stack([u, v], axis=-1)

    return flow


def opencv() -> Flow:
    cv2: Any = pytest.importorskip("cv2", reason="opencv-contrib-python is missing")
    if not hasattr(cv2, "optflow"):
        pytest.skip("this OpenCV has no contrib modules")
    cv2.setNumThreads(1)
    solver = cv2.optflow.DualTVL1OpticalFlow_create()

    def flow(frame0: np.ndarray, frame1: np.ndarray) -> np.ndarray:
        result: np.ndarray = solver.calc(frame0, frame1, None)
        return result

    return flow


def end_point_error(flow: np.ndarray, truth: np.ndarray) -> float:
    inner = slice(BORDER, -BORDER)
    return float(np.linalg.norm((flow - truth)[inner, inner], axis=-1).mean())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [ours, opencv, scikit_image])
def test_pair(benchmark: Any, make: Callable[[], Flow], size: int) -> None:
    """Measure one pair at a time."""
    benchmark.group = f"one pair, {size} px"
    compute = make()
    frame0, frame1, truth = known_motion(size)
    flow = benchmark.pedantic(compute, (frame0, frame1), rounds=7, warmup_rounds=1)
    benchmark.extra_info["end_point_error_px"] = round(end_point_error(flow, truth), 4)


@pytest.mark.parametrize("size", SIZES)
def test_batch(benchmark: Any, size: int) -> None:
    """Measure sixteen pairs in one call."""
    benchmark.group = f"{BATCH} pairs, {size} px"
    pairs = [known_motion(size, seed=100 * i) for i in range(BATCH)]
    frames0, frames1 = (torch.from_numpy(np.stack(frames)) for frames in list(zip(*pairs))[:2])
    flows = benchmark.pedantic(tvl1, (frames0, frames1), rounds=3, warmup_rounds=1)
    errors = [
        end_point_error(flow.permute(1, 2, 0).numpy(), truth)
        for flow, (_, _, truth) in zip(flows, pairs)
    ]
    benchmark.extra_info["end_point_error_px"] = round(sum(errors) / BATCH, 4)
    benchmark.extra_info["pairs_per_second"] = round(BATCH / benchmark.stats.stats.median, 1)
