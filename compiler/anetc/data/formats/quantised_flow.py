"""Optical flow of clips, quantised to eighths of a pixel: `flow8` in archives of `arrays`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anetc.video.flow.tvl1 import TVL1

STEPS_PER_PIXEL = 8
_BLOCK = 64
"""Number of clips that are computed at a time."""


def compute_flow8(clips: NDArray[np.uint8], params: TVL1 | None = None) -> NDArray[np.int8]:
    """Return the TV-L1 flow int8 (N, T, 2, H, W) of clips (N, T, H, W) grey or (N, T, H, W, 3).

    Channels are u and v in eighths of a pixel, at most 15.875 px. The last field repeats the one
    before (semantics 7).
    """
    import torch

    from anetc.video.flow.clip_flow import DEFAULTS, FLOW_LIMIT, clip_flow

    count, frames, height, width = clips.shape[:4]
    flow8 = np.empty((count, frames, 2, height, width), np.int8)
    with _one_thread():
        for start in range(0, count, _BLOCK):
            block = clips[start : start + _BLOCK]
            rgb = np.repeat(block[..., None], 3, -1) if block.ndim == 4 else block
            pixels = torch.from_numpy(np.ascontiguousarray(rgb.transpose(0, 4, 1, 2, 3)))
            flow = clip_flow(pixels, DEFAULTS if params is None else params)
            steps = flow.mul_(FLOW_LIMIT * STEPS_PER_PIXEL).round_().clamp_(-127, 127)
            flow8[start : start + _BLOCK] = steps.transpose(1, 2).to(torch.int8).numpy()
    return flow8


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: in the short operations on small pictures more threads would only wait."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
