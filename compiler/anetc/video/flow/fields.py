"""Quantised optical flow of a video's whole frames, from which the flow of clips is cut.

Flow is computed from whole frames, which are resized but neither cropped nor mirrored. It is
quantised to int8: a displacement of d px along an axis becomes round(127 d / 20), and the limit is
+-20 px (semantics 7). So the flow of a video is computed once. The flow of a clip is cropped like
its pixels; mirroring negates u. Flow that is computed during training is quantised too, so it is
bit-identical to cached flow.

Field k of a video is the flow from frame k to frame k + 1. The last field repeats the one before;
so does the last field of a clip, which has no frame after its last one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T", np.int8, np.float32)
Fill = Literal["loop", "last"]

STEPS = 127
"""Quantised value of the largest displacement; one step is 20 / 127 = 0.16 px."""


@attrs.define
class FlowClock:
    """Seconds that `whole_flow` took."""

    seconds: float = 0.0


_clock: ContextVar[FlowClock | None] = ContextVar("flow_clock", default=None)


@contextmanager
def timed_flow() -> Iterator[FlowClock]:
    """Yield a clock of the flow that is computed in the block, in this thread."""
    clock = FlowClock()
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


def whole_flow(pixels: NDArray[np.uint8], device: str = "cpu") -> NDArray[np.int8]:
    """Compute the fields int8 (T, H, W, 2), u and v, of frames uint8 RGB (T, H, W, 3)."""
    began = time.perf_counter()
    import torch

    from anetc.video.flow.clip_flow import clip_flow

    clip = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)))[None].to(device)
    fields: NDArray[np.int8] = quantise(clip_flow(clip))[0]
    if (clock := _clock.get()) is not None:
        clock.seconds += time.perf_counter() - began
    return fields


def quantise(flow: torch.Tensor) -> NDArray[np.int8]:
    """Quantise flow (N, 2, T, H, W) in [-1, 1] to int8 (N, T, H, W, 2)."""
    import torch

    steps = (flow * STEPS).round().to(torch.int8)
    fields: NDArray[np.int8] = steps.permute(0, 2, 3, 4, 1).contiguous().cpu().numpy()
    return fields


def fill_flow(fields: NDArray[_T], frames: int, start: int = 0, how: Fill = "loop") -> NDArray[_T]:
    """Extend the fields (T, H, W, 2) of a video to `frames` fields from `start`, as `clips.fill`.

    Where a video is repeated, there is no motion from its last frame to its first: the last field
    repeats the one before. Held frames and a single frame have no motion.
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
    """Return the fields (T, H, W, 2) of the frames mirrored left to right."""
    mirrored = fields[:, :, ::-1].copy()
    np.negative(mirrored[..., 0], out=mirrored[..., 0])
    return mirrored


def dequantise(fields: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the flow input of a network: float32 in [-1, 1], where 1 is 20 px."""
    return fields.astype(np.float32) / np.float32(STEPS)
