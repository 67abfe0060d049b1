"""TV-L1 flow: accuracy against OpenCV, independence of pairs, clipping, scaling and errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from anetc.video.flow.clip_flow import FLOW_LIMIT, TVL1, clip_flow, tvl1

KNOWN_MOTION = [
    "syn_astronaut_112",
    "syn_astronaut_224",
    "syn_grass_112",
    "syn_grass_224",
    "motorcycle_s8",
    "motorcycle_s4",
    "aloe_s8",
]
VIDEO = [
    "real_bikes120_112",
    "real_bikes120_224",
    "real_vtest100_112",
    "real_vtest100_224",
    "real_carphone_pristine60_112",
    "real_carphone_pristine60_224",
    "rubberwhale",
]
FEW = TVL1(warps=2, iterations=5)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: threads that share a core with other workers mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def golden_pairs(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "golden" / "flow" / "tvl1.npz") as archive:
        return dict(archive)


def golden_flow(pairs: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return the flow (H, W, 2) of a golden pair."""
    frames0, frames1 = (torch.from_numpy(pairs[f"{name}_{frame}"])[None] for frame in ("I0", "I1"))
    return tvl1(frames0, frames1)[0].permute(1, 2, 0).numpy()


def distances(flow0: np.ndarray, flow1: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.linalg.norm(flow0 - flow1, axis=-1)
    return lengths


def texture(height: int, width: int, seed: int = 0, cell: int = 4) -> Tensor:
    """Return band-limited noise (height, width) in 0..255 with details of about `cell` px."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 1, height // cell + 2, width // cell + 2, generator=generator) * 255
    size = (noise.shape[2] * cell, noise.shape[3] * cell)
    smooth = functional.interpolate(noise, size=size, mode="bicubic").clamp(0, 255)
    return smooth[0, 0, :height, :width]


def shifted_pair(size: int, u: int, v: int, cell: int = 4) -> tuple[Tensor, Tensor]:
    """Return frames (1, size, size) of a texture that moves by (u, v) px."""
    margin = max(abs(u), abs(v))
    scene = texture(size + 2 * margin, size + 2 * margin, seed=7, cell=cell)
    at = slice(margin, margin + size)
    return (
        scene[at, at][None],
        scene[margin - v : margin - v + size, margin - u : margin - u + size][None],
    )


@pytest.mark.parametrize("name", KNOWN_MOTION)
def test_end_point_error_is_below_opencvs(name: str, golden_pairs: dict[str, np.ndarray]) -> None:
    """For each pair with known motion, small and large."""
    truth = golden_pairs[f"{name}_gt"]
    if name.startswith("syn_"):
        scored = np.zeros(truth.shape[:2], dtype=bool)
        scored[8:-8, 8:-8] = True
    else:
        scored = golden_pairs[f"{name}_valid"]
    ours = distances(golden_flow(golden_pairs, name), truth)[scored].mean()
    opencv = distances(golden_pairs[f"{name}_opencv"], truth)[scored].mean()
    assert ours < 0.95 * opencv


@pytest.mark.parametrize("name", VIDEO)
def test_agrees_with_the_references_on_video(
    name: str, golden_pairs: dict[str, np.ndarray]
) -> None:
    """For unknown motion, the flow is closer to OpenCV's than that of scikit-image."""
    opencv, skimage = golden_pairs[f"{name}_opencv"], golden_pairs[f"{name}_skimage"]
    ours = golden_flow(golden_pairs, name)
    assert distances(ours, opencv).mean() < distances(skimage, opencv).mean()


@pytest.mark.parametrize(
    ("u", "v", "cell"), [(1, 0, 4), (0, -2, 4), (-3, 2, 4), (12, -7, 16), (-24, 0, 32)]
)
def test_recovers_a_translation(u: int, v: int, cell: int) -> None:
    """frames0(x) = frames1(x + flow), with u along x and v along y, also over large distances."""
    flow = tvl1(*shifted_pair(96, u, v, cell))[0, :, 28:-28, 28:-28]
    error = torch.hypot(flow[0] - u, flow[1] - v)
    assert error.mean() < 0.05


def test_a_still_scene_does_not_move() -> None:
    """Up to the rounding of the sampling grid."""
    frame = texture(61, 47)[None]
    assert tvl1(frame, frame).abs().max() < 1e-3


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (128.0, 128.0), (0.0, 255.0)])
def test_without_texture_nothing_moves(before: float, after: float) -> None:
    """For constant images, also of different brightness, the flow is zero up to rounding."""
    shape = (1, 40, 33)
    flow = tvl1(torch.full(shape, before), torch.full(shape, after))
    torch.testing.assert_close(flow, torch.zeros(1, 2, 40, 33), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(37, 53), (64, 64)])
def test_a_pair_does_not_depend_on_its_batch(size: tuple[int, int]) -> None:
    """The flow is bit-identical for all neighbours, batch sizes and chunks."""
    frames0 = torch.stack([texture(*size, seed=seed) * (seed + 1) / 5 for seed in range(5)])
    frames1 = frames0.roll((1, 2), dims=(1, 2))
    alone = torch.cat([tvl1(frames0[i, None], frames1[i, None], FEW) for i in range(5)])
    assert torch.equal(tvl1(frames0, frames1, FEW), alone)
    assert torch.equal(tvl1(frames0.flip(0), frames1.flip(0), FEW), alone.flip(0))
    for chunk_pixels in (1, 2 * size[0] * size[1], 10**9):
        assert torch.equal(tvl1(frames0, frames1, FEW, chunk_pixels=chunk_pixels), alone)


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 9), (9, 1), (1, 1), (2, 300), (17, 16)])
def test_any_size_works(size: tuple[int, int]) -> None:
    """Down to one pixel, with a median wider than the image."""
    frames0 = texture(*size)[None]
    frames1 = texture(*size, seed=1)[None]
    flow = tvl1(frames0, frames1, TVL1(median=5))
    assert flow.shape == (1, 2, *size)
    assert flow.isfinite().all()


def test_a_tiny_image_has_flow() -> None:
    """An image of 8 x 8 px needs no pyramid."""
    flow = tvl1(*shifted_pair(8, 1, 0))
    assert flow[0, 0].mean() > 0.5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float64])
def test_dtypes_give_float32(dtype: torch.dtype) -> None:
    """The same intensities in another dtype give the same flow."""
    frames0, frames1 = (frame.round() for frame in shifted_pair(24, 1, 1))
    flow = tvl1(frames0.to(dtype), frames1.to(dtype), FEW)
    assert flow.dtype == torch.float32
    assert torch.equal(flow, tvl1(frames0, frames1, FEW))


def test_no_gradients_are_kept_and_inputs_do_not_change() -> None:
    """Flow is an input of the network, not a layer."""
    frames0, frames1 = shifted_pair(24, 1, 1)
    frames0, frames1 = frames0.clone().requires_grad_(), frames1.clone()
    before = frames0.detach().clone(), frames1.clone()
    assert not tvl1(frames0, frames1, FEW).requires_grad
    assert torch.equal(frames0.detach(), before[0])
    assert torch.equal(frames1, before[1])


def test_an_empty_batch_is_an_empty_flow() -> None:
    """It has the right shape."""
    assert tvl1(torch.zeros(0, 8, 9), torch.zeros(0, 8, 9)).shape == (0, 2, 8, 9)
    assert clip_flow(torch.zeros(0, 3, 4, 8, 9)).shape == (0, 2, 4, 8, 9)


def moving_clip(length: int, u: int, v: int, size: int = 48, cell: int = 4) -> Tensor:
    """Return a grey uint8 clip (3, length, size, size) that moves by (u, v) px per frame."""
    reach = max(abs(u), abs(v)) * (length - 1)
    scene = texture(size + 2 * reach, size + 2 * reach, seed=3, cell=cell)
    origins = [(reach - t * v, reach - t * u) for t in range(length)]
    frames = torch.stack([scene[y : y + size, x : x + size] for y, x in origins])
    return frames.round().to(torch.uint8).expand(3, -1, -1, -1)


def test_clip_flow_is_pairwise_flow_over_twenty_with_the_last_repeated() -> None:
    """T frames give T fields."""
    clip = moving_clip(4, 2, -1)
    flow = clip_flow(clip[None])
    assert flow.shape == (1, 2, 4, 48, 48)
    grey = clip[0].float()
    pairs = tvl1(grey[:-1], grey[1:]) / FLOW_LIMIT
    torch.testing.assert_close(flow[0, :, :-1], pairs.transpose(0, 1), rtol=0, atol=1e-4)
    assert torch.equal(flow[:, :, -1], flow[:, :, -2])
    assert flow[0, 0, :, 8:-8, 8:-8].mean() == pytest.approx(2 / FLOW_LIMIT, abs=0.002)
    assert flow[0, 1, :, 8:-8, 8:-8].mean() == pytest.approx(-1 / FLOW_LIMIT, abs=0.002)


def test_clip_flow_is_clipped() -> None:
    """Motion of more than 20 px becomes exactly 1."""
    flow = clip_flow(moving_clip(2, 28, 0, size=96, cell=32)[None])
    assert flow.min() >= -1
    assert flow.max() == 1
    assert (flow[0, 0, :, 24:-24, 24:-40] == 1).float().mean() > 0.9


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    """Its flow is bit-identical next to a clip with far larger motion."""
    clip, other = moving_clip(3, 1, 0), moving_clip(3, 9, 5, cell=16)
    alone = clip_flow(clip[None], FEW)
    assert torch.equal(clip_flow(torch.stack([other, clip]), FEW)[1:], alone)


def test_clip_of_one_frame_has_no_motion() -> None:
    """The flow is zero, with the shape of the clip."""
    assert torch.equal(clip_flow(moving_clip(1, 0, 0)[None]), torch.zeros(1, 2, 1, 48, 48))


def test_grey_is_luma() -> None:
    """Colours with the same grey by BT.601 give the same flow."""
    grey = moving_clip(2, 1, 0).float()[None]
    offset = torch.tensor([0.587, -0.299, 0.0]).view(1, 3, 1, 1, 1) * 40
    torch.testing.assert_close(
        clip_flow(grey + offset, FEW), clip_flow(grey, FEW), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize(
    ("frames0", "frames1", "message"),
    [
        (torch.zeros(4, 5), torch.zeros(4, 5), r"frames0 must be of shape \(B, H, W\).*\(4, 5\)"),
        (torch.zeros(1, 4, 5), torch.zeros(1, 1, 4, 5), r"frames1 must be of shape \(B, H, W\)"),
        (torch.zeros(1, 0, 5), torch.zeros(1, 0, 5), "with pixels in it"),
        (torch.zeros(1, 4, 5), torch.zeros(1, 5, 4), r"one shape, got \(1, 4, 5\) and \(1, 5, 4\)"),
        (torch.zeros(2, 4, 5), torch.zeros(1, 4, 5), "one shape"),
        (torch.zeros(1, 4, 5).int(), torch.zeros(1, 4, 5).int(), "uint8 or floating-point"),
        (torch.zeros(1, 4, 5), torch.zeros(1, 4, 5, device="meta"), "one device"),
    ],
)
def test_bad_frames_are_named(frames0: Tensor, frames1: Tensor, message: str) -> None:
    """By shape, size, agreement, dtype and device."""
    with pytest.raises(ValueError, match=message):
        tvl1(frames0, frames1)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (torch.zeros(3, 4, 8, 8), r"\(N, 3, T, H, W\).*got \(3, 4, 8, 8\)"),
        (torch.zeros(1, 4, 3, 8, 8), r"\(N, 3, T, H, W\).*got \(1, 4, 3, 8, 8\)"),
        (torch.zeros(1, 3, 0, 8, 8), "frames and pixels"),
        (torch.zeros(1, 3, 2, 8, 8).bool(), "uint8 or floating-point values, got torch.bool"),
    ],
)
def test_bad_clips_are_named(clip: Tensor, message: str) -> None:
    """By rank, channels, emptiness and dtype."""
    with pytest.raises(ValueError, match=message):
        clip_flow(clip)


def test_an_empty_chunk_is_an_error() -> None:
    """A chunk needs at least one pixel."""
    with pytest.raises(ValueError, match="chunk_pixels must be at least 1, got 0"):
        tvl1(torch.zeros(1, 4, 5), torch.zeros(1, 4, 5), chunk_pixels=0)


def test_parameters_are_hashable_values() -> None:
    """Equal parameters are equal keys of a cache."""
    assert TVL1() == TVL1(attachment=0.15)
    assert len({TVL1(), TVL1(), TVL1(warps=3)}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TVL1().warps = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attachment", 0.0),
        ("tightness", -1.0),
        ("step", 0.3),
        ("scale", 1.0),
        ("smallest", 1),
        ("warps", 0),
        ("iterations", 0),
        ("median", 4),
        ("median", -1),
    ],
)
def test_parameters_out_of_range_are_named(name: str, value: float) -> None:
    """The error has the name of the parameter."""
    with pytest.raises(ValueError, match=name):
        TVL1(**{name: value})  # type: ignore[arg-type]
