"""The flow input of a network: TV-L1 optical flow of image pairs and of clips (semantics 7).

The flow of each pair is computed by batched tensor operations on the device of the frames. It does
not depend on the other pairs of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anetc.video.flow.tvl1 import TVL1, solve

__all__ = ["FLOW_LIMIT", "TVL1", "clip_flow", "tvl1"]

DEFAULTS = TVL1()

FLOW_LIMIT = 20.0
"""Largest displacement along an axis, in px; it becomes 1 in the flow input."""

BT601 = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma."""

CPU_CHUNK = 1 << 16
"""Number of pixels that a CPU thread computes at a time; about as many as fit its cache."""

DEVICE_CHUNK = 1 << 23
"""Number of pixels that another device computes at a time."""


@torch.no_grad()
def tvl1(
    frames0: Tensor,
    frames1: Tensor,
    params: TVL1 = DEFAULTS,
    *,
    chunk_pixels: int | None = None,
) -> Tensor:
    """Compute the TV-L1 flow (B, 2, H, W) from frames0 to frames1, intensities 0..255 (B, H, W).

    flow[:, 0] is u, along x, and flow[:, 1] v, along y, both in px and float32, such that
    frames0(x) = frames1(x + flow(x)). Frames are uint8 or floating point and converted to float32.
    They may have any size, down to one pixel.

    At most `chunk_pixels` pixels (but at least one pair) are computed at a time, with about 240
    bytes each (570 with a median of 5). The default is 64 Ki per thread on a CPU and 8 Mi on
    another device. The flow does not depend on it.

    Raises ValueError for frames of different shapes or devices, frames of another shape or dtype
    than above, and a chunk_pixels below 1.
    """
    _check_frames(frames0, frames1)
    batch, height, width = frames0.shape
    pairs = _pairs_per_chunk(frames0, chunk_pixels)
    flow = torch.empty(batch, 2, height, width, dtype=torch.float32, device=frames0.device)
    for start in range(0, batch, pairs):
        chunk = slice(start, start + pairs)
        flow[chunk] = solve(
            frames0[chunk, None].to(torch.float32), frames1[chunk, None].to(torch.float32), params
        )
    return flow


@torch.no_grad()
def clip_flow(
    clip: Tensor,
    params: TVL1 = DEFAULTS,
    *,
    chunk_pixels: int | None = None,
) -> Tensor:
    """Compute the flow input (N, 2, T, H, W), float32 in [-1, 1], of RGB clips (N, 3, T, H, W).

    Clips hold 0..255, as uint8 or floating point (not scaled to 0..1, not normalised). Frames are
    converted to grey by BT.601. Flow t is the flow from frame t to frame t + 1; the last one
    repeats the one before; a clip of one frame has no motion. Displacements are clipped to +-20 px
    along each axis and divided by 20. `chunk_pixels` is passed to `tvl1`; besides its chunk, frames
    and flows take about 28 bytes per pixel of the clips.

    Raises ValueError for a clip of another shape or dtype.
    """
    _check_clip(clip)
    count, _, length, height, width = clip.shape
    if length == 1:
        return torch.zeros(count, 2, 1, height, width, dtype=torch.float32, device=clip.device)
    grey = _grey(clip)
    pairs = tvl1(
        grey[:, :-1].flatten(0, 1), grey[:, 1:].flatten(0, 1), params, chunk_pixels=chunk_pixels
    )
    pairs.clamp_(-FLOW_LIMIT, FLOW_LIMIT).div_(FLOW_LIMIT)
    flow = pairs.reshape(count, length - 1, 2, height, width).transpose(1, 2)
    return torch.cat([flow, flow[:, :, -1:]], dim=2)


def _grey(clip: Tensor) -> Tensor:
    """Return the luma (N, T, H, W), float32, of RGB clips (N, 3, T, H, W)."""
    red, green, blue = (clip[:, channel].to(torch.float32) for channel in range(3))
    return red.mul_(BT601[0]).add_(green.mul_(BT601[1])).add_(blue.mul_(BT601[2]))


def _pairs_per_chunk(frames: Tensor, chunk_pixels: int | None) -> int:
    if chunk_pixels is None:
        on_cpu = frames.device.type == "cpu"
        chunk_pixels = CPU_CHUNK * torch.get_num_threads() if on_cpu else DEVICE_CHUNK
    elif chunk_pixels < 1:
        raise ValueError(f"chunk_pixels must be at least 1, got {chunk_pixels}")
    return max(1, chunk_pixels // (frames.shape[1] * frames.shape[2]))


def _check_frames(frames0: Tensor, frames1: Tensor) -> None:
    for name, frames in (("frames0", frames0), ("frames1", frames1)):
        if frames.ndim != 3 or 0 in frames.shape[1:]:
            raise ValueError(
                f"{name} must be of shape (B, H, W) with pixels in it, got {tuple(frames.shape)}"
            )
        _check_dtype(name, frames)
    if frames0.shape != frames1.shape:
        raise ValueError(
            "frames0 and frames1 must be of one shape, "
            f"got {tuple(frames0.shape)} and {tuple(frames1.shape)}"
        )
    if frames0.device != frames1.device:
        raise ValueError(
            f"frames0 and frames1 must be on one device, got {frames0.device} and {frames1.device}"
        )


def _check_clip(clip: Tensor) -> None:
    if clip.ndim != 5 or clip.shape[1] != 3 or 0 in clip.shape[2:]:
        raise ValueError(
            "a clip must be RGB of shape (N, 3, T, H, W) with frames and pixels in it, "
            f"got {tuple(clip.shape)}"
        )
    _check_dtype("a clip", clip)


def _check_dtype(name: str, values: Tensor) -> None:
    if values.dtype != torch.uint8 and not values.dtype.is_floating_point:
        raise ValueError(f"{name} must hold uint8 or floating-point values, got {values.dtype}")
