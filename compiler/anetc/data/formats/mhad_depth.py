"""From the depth of a person, in millimetres, to a small grey clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAMES = 16
SIZE = 64
STEP = 4
"""Frames of the recording from one frame of the clip to the next: 30 a second become 7.5."""
MILLIMETRES = 8
"""Depth that makes one step of grey: arm's length is about 80 of them."""
MARGIN = 0.05
"""Free space around the person, as a part of the square's side, on each side."""


def grey_clip(depth: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The clip uint8 (16, 64, 64) of a recording (H, W, frames) in mm, 0 where nobody is.

    A person's median depth becomes 128, what is nearer is brighter, the rest is black. The square
    stays where it is and holds the person in every frame of the clip. A recording shorter than the
    clip is held on its first and its last frame. Raises ValueError where there is nobody.
    """
    clip = depth[:, :, _places(depth.shape[2])].transpose(2, 0, 1)
    seen = clip > 0
    if not seen.any():
        raise ValueError("there is nobody in it")
    middle = float(np.median(clip[seen]))
    grey = np.where(seen, np.clip(128 + (middle - clip) / MILLIMETRES, 1, 255), 0)
    person = np.asarray(seen.any(axis=0))
    return np.rint(_resized(_square(grey, person))).astype(np.uint8)


def _places(count: int) -> NDArray[np.int64]:
    """The frames of the clip: from the middle of a recording."""
    first = (count - 1 - STEP * (FRAMES - 1)) // 2
    return np.clip(first + STEP * np.arange(FRAMES), 0, count - 1)


def _square(frames: NDArray[np.float64], person: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Cut frames (T, H, W) to a square around where the person is, (H, W); black beyond them."""
    rows, columns = (np.flatnonzero(person.any(axis=axis)) for axis in (1, 0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = round(extent * (1 + 2 * MARGIN))
    top = (rows[0] + rows[-1] + 1 - side) // 2
    left = (columns[0] + columns[-1] + 1 - side) // 2
    padded = np.pad(frames, ((0, 0), (side, side), (side, side)))
    return padded[:, top + side : top + 2 * side, left + side : left + 2 * side]


def _resized(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squares (T, S, S) at SIZE x SIZE, each pixel the mean of the area that it stands for."""
    weights = _areas(frames.shape[1])
    resized: NDArray[np.float64] = weights @ frames @ weights.T
    return resized


def _areas(side: int) -> NDArray[np.float64]:
    """How much each of `side` pixels gives to each of SIZE: (SIZE, side), rows of sum 1."""
    edges = np.arange(SIZE + 1) * side / SIZE
    pixels = np.arange(side)
    upper = np.minimum(edges[1:, None], pixels + 1)
    lower = np.maximum(edges[:-1, None], pixels)
    areas: NDArray[np.float64] = np.clip(upper - lower, 0, None) * SIZE / side
    return areas
