"""Augmentation of training clips: random resized crops and colour jitter. Both are off by default.

The frames of a clip change alike. All random numbers come from one seed per clip, which is drawn
from (seed, epoch, sample) like the place of the clip. Optical flow follows the geometry: it is cut
and resized like the pixels, and displacements are scaled. Colour jitter does not change it.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from anetdsl.settings_reader import InvalidSetting, between

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T", np.uint8, np.int8, np.float32)
_Pair = tuple[float, float]
_TRIES = 10
"""Tries to draw a region that fits into the frame, before the largest central one is taken."""
_LARGEST = {"i": 127.0, "f": 1.0}
"""Largest value of quantised flow (int8) and of flow (float32)."""

_GREY = np.array([0.299, 0.587, 0.114])
# RGB to luma and chroma (YIQ): a change of hue turns the plane of I and Q.
_YIQ = np.array([_GREY, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


@attrs.frozen
class Augmentation:
    """Random changes of training clips. The defaults change nothing."""

    crop_area: _Pair | None = attrs.field(default=None, validator=between(0, 1))
    """Random resized crop: least and largest area of the region, as fractions of the frame's."""
    crop_aspect: _Pair = (3 / 4, 4 / 3)
    """Least and largest width / height of the region, relative to that of the clip."""
    brightness: float = attrs.field(default=0.0, validator=between(0, 1))
    """Colours are multiplied by a factor from 1 - b to 1 + b."""
    contrast: float = attrs.field(default=0.0, validator=between(0, 1))
    """Differences from the clip's mean grey are multiplied by a factor from 1 - c to 1 + c."""
    saturation: float = attrs.field(default=0.0, validator=between(0, 1))
    """Differences from the pixel's grey are multiplied by a factor from 1 - s to 1 + s."""
    hue: float = attrs.field(default=0.0, validator=between(0, 0.5))
    """Colours are turned by up to this fraction of the colour circle, in both directions."""

    def __attrs_post_init__(self) -> None:
        for name in ("crop_area", "crop_aspect"):
            bounds = getattr(self, name)
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                message = f"`{name}` must be two numbers above 0, the lower one first"
                raise InvalidSetting(name, message)

    @property
    def is_on(self) -> bool:
        """True if anything changes."""
        return self.crop_area is not None or self.changes_colours

    @property
    def changes_colours(self) -> bool:
        """True for colour jitter."""
        return bool(self.brightness or self.contrast or self.saturation or self.hue)


OFF = Augmentation()


@attrs.frozen
class Region:
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


def draw_region(
    augmentation: Augmentation, seed: int, frame: tuple[int, int], size: tuple[int, int]
) -> Region:
    """Draw the region of a `frame` (height, width) that becomes a clip of `size`.

    The area is uniform, the logarithm of the aspect too. Where ten draws do not fit, the result is
    the largest central region with an aspect in the range. `crop_area` must not be None.
    """
    assert augmentation.crop_area is not None
    rng = random.Random(seed)
    height, width = frame
    square = size[1] / size[0]
    low, high = augmentation.crop_aspect
    for _ in range(_TRIES):
        area = _uniform(rng, *augmentation.crop_area) * height * width
        aspect = math.exp(_uniform(rng, math.log(low), math.log(high))) * square
        down, across = rng.random(), rng.random()
        rows, columns = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
            return Region(top, left, rows, columns)
    aspect = min(max(width / height, low * square), high * square)
    rows = max(1, min(height, round(width / aspect)))
    columns = max(1, min(width, round(height * aspect)))
    return Region((height - rows) // 2, (width - columns) // 2, rows, columns)


def crop_and_resize(
    pixels: NDArray[np.uint8], region: Region, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return a region of uint8 frames (T, H, W, C), resized to `size`: bilinear, antialiased."""
    cut = _inside(pixels, region)
    if cut.shape[1:3] == size:
        return cut
    resized = _resize(cut.astype(np.float32), size).round()
    return resized.clip(0, 255).astype(np.uint8)


def crop_and_resize_flow(fields: NDArray[_T], region: Region, size: tuple[int, int]) -> NDArray[_T]:
    """Return a region of flow (T, H, W, 2), resized to `size`; displacements grow with the frame.

    Displacements beyond the limit of the flow's type (semantics 7) are cut.
    """
    cut = _inside(fields, region)
    if cut.shape[1:3] == size:
        return cut
    growth = np.array([size[1] / region.width, size[0] / region.height], np.float32)
    resized = _resize(cut.astype(np.float32), size) * growth
    largest = _LARGEST[fields.dtype.kind]
    if fields.dtype.kind == "i":
        resized = resized.round()
    return resized.clip(-largest, largest).astype(fields.dtype)


def jitter(augmentation: Augmentation, seed: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change brightness, contrast, saturation and hue of a clip uint8 (T, H, W, 3), in this order.

    All of it is one affine map of the colours, the same for all pixels. The result is rounded and
    cut to 0..255 once.
    """
    matrix, offset = colour_map(augmentation, seed, pixels.mean((0, 1, 2), dtype=np.float64))
    flat = pixels.reshape(-1, 3).astype(np.float32)
    changed = flat @ matrix.T.astype(np.float32) + offset.astype(np.float32)
    return changed.round().clip(0, 255).astype(np.uint8).reshape(pixels.shape)


def colour_map(
    augmentation: Augmentation, seed: int, mean: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix (3, 3) and offset (3,) of the map of colours; `mean` (3,) is the clip's."""
    # Another generator than that of the region: to turn one on does not change the other.
    rng = random.Random(seed + 1)
    factors = [
        1 + size * _uniform(rng, -1, 1)
        for size in (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    ]
    brightness, contrast, saturation = factors
    matrix = np.eye(3) * brightness * contrast
    offset = np.full(3, (1 - contrast) * brightness * float(_GREY @ mean))
    desaturate = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _GREY)
    angle = 2 * math.pi * augmentation.hue * _uniform(rng, -1, 1)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    colours = np.linalg.inv(_YIQ) @ turn @ _YIQ @ desaturate
    return colours @ matrix, colours @ offset


def _uniform(rng: random.Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def _inside(values: NDArray[_T], region: Region) -> NDArray[_T]:
    rows = slice(region.top, region.top + region.height)
    columns = slice(region.left, region.left + region.width)
    return values[:, rows, columns]


def _resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize (T, H, W, C), each frame alone."""
    import torch
    from torch.nn import functional

    frames: torch.Tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 1)))
    resized = functional.interpolate(frames, size=size, mode="bilinear", antialias=True)
    return np.moveaxis(resized.numpy(), 1, -1)
