"""The optical flow of a video's whole frames, in bytes: what a clip's flow is cut from.

Flow is computed from whole frames, resized but neither cropped nor mirrored, and kept as int8: a
displacement of d px along an axis is round(127 d / 20), and +-20 px the most there is (semantics
7). So it can be computed once for a video, and a crop is of the flow as of the pixels; mirrored, u
changes its sign. What is computed while training goes through the same bytes: the numbers are those
of the cache, to the last bit.

Field k of a video leads from its frame k to frame k + 1; its last field repeats the one before, and
so does the last field of a clip, which does not look beyond its last frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T", np.int8, np.float32)
Fill = Literal["loop", "last"]

STEPS = 127
"""What the largest displacement becomes: a step is 20 / 127 = 0.16 px."""


def whole_flow(pixels: NDArray[np.uint8], device: str = "cpu") -> NDArray[np.int8]:
    """The fields int8 (T, H, W, 2), u and v, of consecutive frames uint8 RGB (T, H, W, 3)."""
    import torch

    from anetc.video.flow.clip_flow import clip_flow

    clip = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)))[None].to(device)
    fields: NDArray[np.int8] = quantise(clip_flow(clip))[0]
    return fields


def quantise(flow: torch.Tensor) -> NDArray[np.int8]:
    """Flow (N, 2, T, H, W) in [-1, 1] as int8 (N, T, H, W, 2)."""
    import torch

    steps = (flow * STEPS).round().to(torch.int8)
    fields: NDArray[np.int8] = steps.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()
    return fields


def fill_flow(fields: NDArray[_T], frames: int, start: int = 0, how: Fill = "loop") -> NDArray[_T]:
    """Bring the fields (T, H, W, 2) of a whole video to `frames` from `start`, as `clips.fill`.

    Where a video starts anew there is no motion from its last frame to its first: the last field
    repeats the one before. Frames that are held do not move, nor does a single frame.
    """
    last = len(fields) - 1
    places = start + np.arange(frames)
    if frames > len(fields):
        filled = fields[places % (last + 1) if how == "loop" else np.minimum(places, last)]
        if how == "last":
            filled[places >= last] = 0
        return filled
    filled = fields[places]
    filled[-1] = filled[-2] if frames > 1 else 0
    return filled


def mirror_flow(fields: NDArray[_T]) -> NDArray[_T]:
    """The fields (T, H, W, 2) of frames mirrored left to right."""
    turned = fields[:, :, ::-1].copy()
    np.negative(turned[..., 0], out=turned[..., 0])
    return turned


def dequantise(fields: NDArray[np.int8]) -> NDArray[np.float32]:
    """What a network is shown: float32 in [-1, 1], where 1 is 20 px."""
    return fields.astype(np.float32) / np.float32(STEPS)
