"""Draw the clips of the data set `motion`, in integers, so that every machine draws the same.

A handwritten digit with the texture of one photograph swings over a drifting piece of another.
Positions are in 64ths of a pixel, sines come from a table, and images are interpolated with integer
weights. Random numbers are those of Python's `random()`, which are the same in every version.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from importlib import resources
from typing import TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.motion.levels import Level
from anetc.data.values import Split

Ints = NDArray[np.int32]
T = TypeVar("T")

UNIT = 64
"""Positions per pixel."""
TURN = 1024
"""Phases per full turn."""
SINES = [round(math.sin(2 * math.pi * k / TURN) * 16384) for k in range(TURN)]
"""Sines, scaled by 16384. None is within 1e-5 of a half, so every library rounds them alike."""
PI_E4 = 31416

PHOTOS: dict[Split, tuple[str, ...]] = {
    "train": ("astronaut", "brick", "coffee"),
    "validation": ("chelsea", "gravel"),
    "test": ("grass", "rocket"),
}
DIGIT_SHARES: dict[Split, tuple[int, ...]] = {"train": (0, 1, 2), "validation": (3,), "test": (4,)}
"""Handwritten digits of each split, by their number modulo 5."""

CONTRAST = 12
"""Standard deviation of the texture of a digit, the same for every photograph."""
FLAT = 5
"""Smallest standard deviation of a piece in which motion is visible."""
HALF_OPAQUE = 128
"""Opacity of a digit from which a pixel is the digit's in object maps; 256 is opaque."""
TRIES = 20
SHADES = (60, 110)
"""Range of the mean of the background."""
APART = (80, 120)
"""Range of the difference between the mean of a digit and the mean of the background."""


@attrs.frozen(eq=False)
class Material:
    """Images of which a split's clips are made."""

    photos: tuple[Ints, ...]
    """Photographs (H, W, 3), 0..255, each at full and at half size."""
    digits: dict[int, Ints]
    """Handwriting (N, 8, 8), ink 0..16, by digit."""


@functools.cache
def material(split: Split) -> Material:
    """Return the photographs and handwriting of a split; the splits share none of them."""
    file = resources.files("anetc.data.formats.motion") / "motion_assets.npz"
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as assets:
        whole = [assets[f"photo_{name}"].astype(np.int32) for name in PHOTOS[split]]
        digits, labels = assets["digits"].astype(np.int32), assets["digit_labels"]
    mine = np.isin(np.arange(len(labels)) % 5, DIGIT_SHARES[split])
    return Material(
        tuple(whole) + tuple(_halved(photo) for photo in whole),
        {digit: digits[mine & (labels == digit)] for digit in range(10)},
    )


def draw(level: Level, split: Split, label: int, rng: random.Random) -> NDArray[np.uint8]:
    """Draw a clip of class `label`: uint8 (T, H, W, 3)."""
    return _scene(level, split, label, rng)[0]


def draw_objects(level: Level, split: Split, label: int, rng: random.Random) -> NDArray[np.uint8]:
    """Draw the object maps of the clip that `draw` draws with an equal generator.

    They are uint8 (T, H, W): 0 in the background, and 1 + the digit where a digit covers at least
    half of the background's light.
    """
    return _scene(level, split, label, rng)[1]


def _scene(
    level: Level, split: Split, label: int, rng: random.Random
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a clip and its object maps."""
    digit, axis, cycles = level.classes[label]
    shade = _between(rng, *SHADES)
    frames = _background(level, split, shade, rng)
    maps = np.zeros(frames.shape[:3], np.uint8)
    others = [d for d in range(10) if d not in level.digits]
    for _ in range(level.distractors):
        path = _path(level, _pick(rng, (0, 1)), _pick(rng, level.cycles), rng)
        other = _pick(rng, others)
        _put(frames, maps, other, _cut_out(split, other, shade, path, rng), path)
    path = _path(level, axis, cycles, rng)
    _put(frames, maps, digit, _cut_out(split, digit, shade, path, rng), path)
    return np.clip(frames, 0, 255).astype(np.uint8), maps


# Positions of digits


@attrs.frozen(eq=False)
class Path:
    """A digit's side in px, and the positions y and x of its top left corner, (T,), in 64ths px."""

    side: int
    y: Ints
    x: Ints


def _path(level: Level, axis: int, cycles: int, rng: random.Random) -> Path:
    """Return a path that swings `cycles` times along an axis, plus a slow constant motion."""
    side = _between(rng, *level.digit_size)
    slow, fast = (int(speed * UNIT) for speed in level.speed)
    # Peak speed = 2 pi cycles / T x amplitude: the amplitude does not reveal the cycles.
    amplitude = _between(rng, slow, fast) * level.frames * 10000 // (2 * PI_E4 * cycles)
    phase = _between(rng, 0, TURN - 1)
    at = [(phase + cycles * t * TURN // level.frames) % TURN for t in range(level.frames)]
    swing = np.array([amplitude * SINES[k] // 16384 for k in at], dtype=np.int32)
    steps = np.arange(level.frames, dtype=np.int32)
    most = int(level.wander * UNIT)
    places = []
    for this in (0, 1):
        moves = steps * _between(rng, -most, most) + (swing if (axis == 0) == (this == 1) else 0)
        places.append(moves + _start(level, side, moves, rng))
    return Path(side, places[0], places[1])


def _start(level: Level, side: int, moves: Ints, rng: random.Random) -> int:
    """Return a start position such that at most an eighth of the digit leaves the frame."""
    over = side * UNIT // 8
    least = -over - int(moves.min())
    most = (level.size - side) * UNIT + over - int(moves.max())
    return _between(rng, least, most) if least < most else (least + most) // 2


# Images


def _background(level: Level, split: Split, shade: int, rng: random.Random) -> Ints:
    """Return a piece of a photograph that drifts by up to a pixel per frame: (T, H, W, 3)."""
    smallest = min(min(photo.shape[:2]) for photo in material(split).photos)
    most = min(UNIT, (smallest - level.size - 1) * UNIT // level.frames)
    side = level.size + most * level.frames // UNIT + 1
    piece = _piece(split, side, (shade, level.clutter), rng)
    drift = [_between(rng, -most, most) for _ in range(2)]
    frames = np.empty((level.frames, level.size, level.size, 3), np.int32)
    for t in range(level.frames):
        y, x = (step * t - min(0, step * (level.frames - 1)) for step in drift)
        frames[t] = _window(piece, y, x, level.size)
    return frames


def _cut_out(
    split: Split, digit: int, shade: int, path: Path, rng: random.Random
) -> tuple[Ints, Ints]:
    """Return the handwriting (8, 8) of a digit and its texture (side, side, 3)."""
    written = material(split).digits[digit]
    ink = written[_between(rng, 0, len(written) - 1)]
    shade += _between(rng, *APART)
    # One more pixel on each side, as the digit is not aligned to pixels.
    return ink, _piece(split, path.side + 3, (shade, CONTRAST), rng)


def _put(
    frames: Ints, maps: NDArray[np.uint8], digit: int, cut_out: tuple[Ints, Ints], path: Path
) -> None:
    """Draw a digit over the frames (T, H, W, 3) and over their object maps (T, H, W), in place."""
    ink, texture = cut_out
    size, side = frames.shape[1], path.side
    for frame, objects, y, x in zip(frames, maps, path.y.tolist(), path.x.tolist(), strict=True):
        # The digit touches the pixels from (top, left), one more than its side.
        top, left = y // UNIT, x // UNIT
        opaque = _opacity(_dot_weights(y % UNIT, side), _dot_weights(x % UNIT, side), ink)
        over = _window(texture, UNIT - y % UNIT, UNIT - x % UNIT, side + 1)
        rows = slice(max(top, 0), min(top + side + 1, size))
        columns = slice(max(left, 0), min(left + side + 1, size))
        inner = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        under = frame[rows, columns]
        under += (over[inner] - under) * opaque[inner][..., None] // 256
        objects[rows, columns][opaque[inner] >= HALF_OPAQUE] = 1 + digit


@functools.cache
def _dot_weights(start: int, side: int) -> Ints:
    """Return the interpolation weights of 8 dots, padded by one at each end, for side + 1 pixels.

    They are integers (side + 1, 10) whose rows sum to UNIT. The digit starts at the position
    `start` of the first pixel.
    """
    pixels = np.arange(side + 1) * UNIT - start + UNIT // 2
    at = np.clip(pixels * 8 // side + UNIT // 2, 0, 9 * UNIT)
    first, part = at // UNIT, at % UNIT
    amounts = np.zeros((side + 1, 11), np.int32)
    amounts[np.arange(side + 1), first] = UNIT - part
    amounts[np.arange(side + 1), first + 1] = part
    return amounts[:, :10]


def _opacity(down: Ints, across: Ints, ink: Ints) -> Ints:
    """Return the opacity of each pixel, 0..256: 0 below three tenths of ink, then a steep rise."""
    amount = down @ np.pad(ink, 1) @ across.T
    opaque: Ints = np.clip((amount - 16 * UNIT**2 * 3 // 10) // UNIT, 0, 256)
    return opaque


def _piece(
    split: Split, side: int, shade_and_contrast: tuple[int, int], rng: random.Random
) -> Ints:
    """Return a square (side, side, 3) of a photograph with a given mean and standard deviation."""
    for _ in range(TRIES):
        photo = _pick(rng, material(split).photos)
        room_y, room_x = (max(extent - side, 0) for extent in photo.shape[:2])
        top, left = _between(rng, 0, room_y), _between(rng, 0, room_x)
        piece = photo[top : top + side, left : left + side]
        turned, upside, mirrored = (rng.random() < 0.5 for _ in range(3))
        grey = piece.sum(axis=2, dtype=np.int64) // 3
        mean = int(grey.mean(dtype=np.float64))
        deviation = math.isqrt(int(((grey - mean) ** 2).sum()) // grey.size)
        if deviation >= FLAT:
            break
    piece = piece.transpose(1, 0, 2) if turned else piece
    piece = piece[:: -1 if upside else 1, :: -1 if mirrored else 1]
    shade, contrast = shade_and_contrast
    return (piece - mean) * contrast // max(deviation, FLAT) + shade


def _window(picture: Ints, y: int, x: int, side: int) -> Ints:
    """Interpolate (bilinear) the square (side, side, C) of an image whose corner is at (y, x)."""
    top, left, down, across = y // UNIT, x // UNIT, y % UNIT, x % UNIT
    part = picture[top : top + side + 1, left : left + side + 1]
    rows = part[:, :-1] * (UNIT - across) + part[:, 1:] * across
    window: Ints = (rows[:-1] * (UNIT - down) + rows[1:] * down) // UNIT**2
    return window


def _halved(photo: Ints) -> Ints:
    height, width = (extent // 2 * 2 for extent in photo.shape[:2])
    fours = photo[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    halved: Ints = fours.sum(axis=(1, 3), dtype=np.int32) // 4
    return halved


def _between(rng: random.Random, least: int, most: int) -> int:
    """Return a random integer from `least` to `most`, both included."""
    return least + int(rng.random() * (most - least + 1))


def _pick(rng: random.Random, items: Sequence[T]) -> T:
    return items[_between(rng, 0, len(items) - 1)]
