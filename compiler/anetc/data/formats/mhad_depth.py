"""Convert the depth of a person, in millimetres, to a small grey clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAMES = 16
SIZE = 64
STEP = 4
"""Frames of the recording per frame of the clip: 30 frames a second become 7.5."""
MILLIMETRES = 8
"""Depth per grey level; the length of an arm is about 80 levels."""
MARGIN = 0.05
"""Free space around the person on each side, as a fraction of the square's side."""


def grey_clip(depth: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the clip uint8 (16, 64, 64) of a recording (H, W, frames) in mm; 0 is background.

    The person's median depth becomes 128, nearer parts are brighter, and the background is black.
    One square contains the person in all frames of the clip. A recording that is shorter than the
    clip is extended by its first and last frame. Raises ValueError for a recording without a
    person.
    """
    clip = depth[:, :, _frame_numbers(depth.shape[2])].transpose(2, 0, 1)
    person = clip > 0
    if not person.any():
        raise ValueError("there is no person in it")
    middle = float(np.median(clip[person]))
    grey = np.where(person, np.clip(128 + (middle - clip) / MILLIMETRES, 1, 255), 0)
    return np.rint(_resized(_square(grey, np.asarray(person.any(axis=0))))).astype(np.uint8)


def _frame_numbers(count: int) -> NDArray[np.int64]:
    """Return the frame numbers of the clip, in the middle of the recording."""
    first = (count - 1 - STEP * (FRAMES - 1)) // 2
    return np.clip(first + STEP * np.arange(FRAMES), 0, count - 1)


def _square(frames: NDArray[np.float64], person: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Crop frames (T, H, W) to a square around the person, (H, W); black outside the frames."""
    rows, columns = (np.flatnonzero(person.any(axis=axis)) for axis in (1, 0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = round(extent * (1 + 2 * MARGIN))
    top = (rows[0] + rows[-1] + 1 - side) // 2
    left = (columns[0] + columns[-1] + 1 - side) // 2
    padded = np.pad(frames, ((0, 0), (side, side), (side, side)))
    return padded[:, top + side : top + 2 * side, left + side : left + 2 * side]


def _resized(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resize squares (T, S, S) to SIZE x SIZE; each pixel is the mean of the area it covers."""
    weights = _areas(frames.shape[1])
    resized: NDArray[np.float64] = weights @ frames @ weights.T
    return resized


def _areas(side: int) -> NDArray[np.float64]:
    """Return the weights (SIZE, side) of the source pixels in each new pixel; rows sum to 1."""
    edges = np.arange(SIZE + 1) * side / SIZE
    pixels = np.arange(side)
    upper = np.minimum(edges[1:, None], pixels + 1)
    lower = np.maximum(edges[:-1, None], pixels)
    areas: NDArray[np.float64] = np.clip(upper - lower, 0, None) * SIZE / side
    return areas
