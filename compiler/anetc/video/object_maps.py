"""Object maps of frames, for inputs with `kind=object`: their forms, and their part in a clip.

Maps are in one of two forms, where a map may have any size, as it covers the whole frame:

- *classes*, whole numbers (T, h, w): the class of each pixel, from 0. The largest number of an
  unsigned type (255 in 8 bits), and -1 in a signed type, is a pixel of no class.
- *scores*, uint8 (T, h, w, K): a score of each of K classes, where 255 is a score of 1.

Clips and batches keep the form, which takes a K-th of the memory of one-hot channels. Channels are
made from it last (`anetc.data.batches.loader.named_inputs`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from anetc.video.augment import Region
from anetdsl.errors import CannotRun

_T = TypeVar("_T", bound=np.generic)

ObjectMaps = NDArray[np.uint8 | np.int16]
"""Scores (uint8), or classes for a network: uint8 with 255 for no class if the network has at most
255 classes of objects, else int16 with -1."""

_MOST_IN_BYTES = 255
"""Most classes that are stored as bytes, next to the byte of no class."""
FORMS = (
    "whole numbers (T, H, W), the class of each pixel, or uint8 (T, H, W, classes), scores from 0 "
    "to 255"
)


def check_form(maps: NDArray[Any]) -> None:
    """Raise ValueError if an array is neither classes (T, h, w) nor scores (T, h, w, K)."""
    is_classes = maps.ndim == 3 and maps.dtype.kind in "iub"
    is_scores = maps.ndim == 4 and maps.dtype == np.uint8
    if not (is_classes or is_scores) or 0 in maps.shape:
        raise ValueError(f"maps must be {FORMS}; they are {maps.dtype} {maps.shape}")
    if is_classes and maps.dtype.kind == "i" and int(maps.min()) < -1:
        raise ValueError(f"maps hold the class {int(maps.min())}; classes are numbers from 0")


def count_classes(maps: NDArray[Any]) -> int:
    """Return the number of classes of maps: of scores K, else the largest class and 1."""
    if maps.ndim == 4:
        return int(maps.shape[3])
    missing = maps == _no_class(maps.dtype)
    return 0 if missing.all() else int(maps.max(initial=0, where=~missing)) + 1


def maps_for_network(maps: NDArray[Any], channels: int, place: str) -> ObjectMaps:
    """Return maps in the form of samples, for an object input with this number of channels.

    `place` names the maps in messages. Raises CannotRun if the network does not have their classes,
    and the errors of `check_form`.
    """
    check_form(maps)
    are_scores = maps.ndim == 4
    if (problem := misfit(count_classes(maps), channels, are_scores=are_scores)) is not None:
        raise CannotRun(f"{place}: {problem}")
    if are_scores:
        return maps
    missing = maps == _no_class(maps.dtype)
    few = channels <= _MOST_IN_BYTES
    wanted: ObjectMaps = maps.astype(np.uint8 if few else np.int16, copy=False)
    if wanted.dtype != maps.dtype and missing.any():
        wanted[missing] = 255 if few else -1
    return wanted


def misfit(found: int, channels: int, *, are_scores: bool) -> str | None:
    """Return why maps of `found` classes do not fit an object input, and what to do; or None."""
    network = f"but the object input of the network has {channels} channels"
    if are_scores and found != channels:
        return (
            f"the object maps hold scores of {found} classes, {network}; write channels={found} in "
            "its `input`"
        )
    if found > channels:
        return (
            f"the object maps hold the class {found - 1}, {network}, for the classes 0 to "
            f"{channels - 1}; write channels={found} (or more) in its `input`, or make maps of "
            "fewer classes"
        )
    return None


def nearest_part(
    maps: NDArray[_T],
    region: Region,
    size: tuple[int, int],
    extent: tuple[float, float],
    flipped: bool,
) -> NDArray[_T]:
    """Return a region of the frames, in maps (T, h, w, ...), as (T, *size, ...) and contiguous.

    Each pixel is the nearest one of the map, so that no class or score arises that the map does not
    hold.

    Args:
        maps: Maps of whole frames.
        region: Region of the frame.
        size: Height and width of the result.
        extent: Height and width of the area that the maps cover, in pixels of the frame.
        flipped: Mirror the result left to right.
    """
    rows = _nearest(maps.shape[1], extent[0], region.top, region.height, size[0])
    columns = _nearest(maps.shape[2], extent[1], region.left, region.width, size[1])
    if flipped:
        columns = columns[::-1]
    return np.ascontiguousarray(maps[:, rows[:, None], columns])


def _nearest(stored: int, extent: float, start: int, length: int, wanted: int) -> NDArray[np.int64]:
    """Return the stored row of each wanted one; `start` and `length` are rows of the frame."""
    centres = start + (np.arange(wanted) + 0.5) * (length / wanted)
    rows: NDArray[np.int64] = (centres * (stored / extent)).astype(np.int64)
    return rows.clip(0, stored - 1)


def _no_class(dtype: np.dtype[Any]) -> int:
    """Return the number of a pixel of no class."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else -1
