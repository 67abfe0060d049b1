"""The levels of the generated data set `motion`, and what its options say.

A class is a digit, the axis along which it swings, and how many times it does so in a clip.
"""

from __future__ import annotations

from itertools import product

import attrs
from attrs import validators

from anetc.data.spec import options_of, shown, whole_number
from anetc.data.values import DataSpec, Split
from anetdsl.errors import CannotRun

AXES = ("across", "down")


@attrs.frozen
class Level:
    """What is in the clips. Speeds are in px a frame, sizes in px."""

    digits: tuple[int, ...]
    cycles: tuple[int, ...]
    """Full swings in a clip of `frames` frames: the temporal frequencies that are told apart."""
    frames: int
    size: int
    speed: tuple[float, float]
    """Peak speed of a swing, drawn uniformly whatever its frequency."""
    digit_size: tuple[int, int]
    distractors: int
    """Digits of none of the classes that swing as well, each in a way of its own, behind it."""
    clutter: int
    """Standard deviation of the background's intensities, 0..255."""
    wander: float
    """Largest steady speed, along each axis, that is added to a swing."""

    @property
    def classes(self) -> tuple[tuple[int, int, int], ...]:
        """(digit, axis, cycles) of each class, the digit slowest."""
        return tuple(product(self.digits, range(len(AXES)), self.cycles))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Such as `7-across-4`."""
        return tuple(f"{digit}-{AXES[axis]}-{cycles}" for digit, axis, cycles in self.classes)


LEVELS: dict[int, Level] = {
    1: Level(
        digits=(0, 1, 7),
        cycles=(1, 4),
        frames=16,
        size=32,
        speed=(1.0, 2.5),
        digit_size=(16, 20),
        distractors=0,
        clutter=8,
        wander=0.0,
    ),
    2: Level(
        digits=(0, 1, 7),
        cycles=(1, 2, 4),
        frames=16,
        size=32,
        speed=(1.0, 2.5),
        digit_size=(16, 20),
        distractors=0,
        clutter=8,
        wander=0.1,
    ),
    3: Level(
        digits=(0, 1, 4, 7),
        cycles=(1, 2, 4, 8),
        frames=32,
        size=32,
        speed=(0.7, 1.2),
        digit_size=(13, 16),
        distractors=1,
        clutter=8,
        wander=0.1,
    ),
}


@attrs.frozen
class MotionSet:
    """A data set of the family: a level, a seed, and how many clips each split has."""

    level: Level = LEVELS[1]
    seed: int = attrs.field(default=0, validator=validators.ge(0))
    clips: int = attrs.field(default=2400, validator=validators.ge(1))
    """Of training. Validation and test have a quarter of it each, one clip a class at least."""

    def length(self, split: Split) -> int:
        """How many clips a split has."""
        if split == "train":
            return self.clips
        return max(self.clips // 4, len(self.level.classes))


def motion_set(spec: DataSpec) -> MotionSet:
    """What `motion:level=2,seed=1,clips=4800` asks for.

    Raises CannotRun for an unknown option and for a value out of range.
    """
    values = {
        name: whole_number(spec, name, value, *_RANGES[name])
        for name, value in options_of(spec, _RANGES).items()
    }
    level = LEVELS[values.get("level", 1)]
    level = _filmed(level, values.get("frames", level.frames), values.get("size", level.size))
    if level.frames < 4 * max(level.cycles):
        raise CannotRun(
            f"--data {shown(spec)}: {max(level.cycles)} cycles of this level need "
            f"frames={4 * max(level.cycles)} or more"
        )
    kept = {name: values[name] for name in ("seed", "clips") if name in values}
    return MotionSet(level, **kept)


_RANGES = {
    "level": (min(LEVELS), max(LEVELS)),
    "seed": (0, 999_999_999),
    "clips": (1, 1_000_000),
    "frames": (4, 128),
    "size": (16, 80),
}
"""The least and the largest value of each option."""


def _filmed(level: Level, frames: int, size: int) -> Level:
    """The same scenes in more or fewer frames, of more or fewer pixels."""
    larger, slower = size / level.size, level.frames / frames
    slow, fast = level.speed
    small, large = level.digit_size
    return attrs.evolve(
        level,
        frames=frames,
        size=size,
        speed=(slow * slower * larger, fast * slower * larger),
        digit_size=(round(small * larger), round(large * larger)),
        clutter=8,
        wander=level.wander * slower * larger,
    )
