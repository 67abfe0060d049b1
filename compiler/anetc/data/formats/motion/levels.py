"""The levels of the generated data set `motion`, and its options.

A class is a digit, the axis along which it swings, and the number of its swings in a clip.
"""

from __future__ import annotations

from itertools import product

import attrs
from attrs import validators

from anetc.data.spec import checked_options, parse_whole_number, spec_text
from anetc.data.values import DataSpec, Split
from anetdsl.errors import CannotRun

AXES = ("across", "down")


@attrs.frozen
class Level:
    """Parameters of the clips. Speeds are in px per frame, sizes in px."""

    digits: tuple[int, ...]
    cycles: tuple[int, ...]
    """Numbers of full swings in a clip: the temporal frequencies of the classes."""
    frames: int
    size: int
    speed: tuple[float, float]
    """Range of the peak speed of a swing, which is uniform and independent of its frequency."""
    digit_size: tuple[int, int]
    distractors: int
    """Number of digits of no class that swing independently behind the digit of the class."""
    clutter: int
    """Standard deviation of the background's intensities (0..255)."""
    wander: float
    """Largest constant speed along each axis that is added to a swing."""

    @property
    def classes(self) -> tuple[tuple[int, int, int], ...]:
        """(digit, axis, cycles) of each class; the digit varies slowest."""
        return tuple(product(self.digits, range(len(AXES)), self.cycles))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, such as `7-across-4`."""
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
class MotionConfig:
    """Parameters of a generated data set: level, seed and number of clips."""

    level: Level = LEVELS[1]
    seed: int = attrs.field(default=0, validator=validators.ge(0))
    clips: int = attrs.field(default=2400, validator=validators.ge(1))
    """Number of training clips; validation and test have a quarter, at least one clip per class."""
    validation: int | None = attrs.field(default=None, repr=False)
    """Number of validation clips, if it is given."""
    objects: bool = attrs.field(default=False, repr=False)
    """True if the clips have object maps."""

    def length(self, split: Split) -> int:
        """Return the number of clips of a split."""
        if split == "train":
            return self.clips
        if split == "validation" and self.validation is not None:
            return self.validation
        return max(self.clips // 4, len(self.level.classes))


def motion_config(spec: DataSpec) -> MotionConfig:
    """Return the data set of a spec such as `motion:level=2,seed=1,clips=4800`.

    Raises CannotRun for an unknown option and a value out of range.
    """
    values = {
        name: parse_whole_number(spec, name, value, *_RANGES[name])
        for name, value in checked_options(spec, _RANGES).items()
    }
    level = LEVELS[values.get("level", 1)]
    level = _rescaled(level, values.get("frames", level.frames), values.get("size", level.size))
    if level.frames < 4 * max(level.cycles):
        raise CannotRun(
            f"--data {spec_text(spec)}: the {max(level.cycles)} cycles of this level need at least "
            f"frames={4 * max(level.cycles)}"
        )
    given = {name: values[name] for name in ("seed", "clips", "validation") if name in values}
    if values.get("validation", len(level.classes)) < len(level.classes):
        raise CannotRun(
            f"--data {spec_text(spec)}: validation={values['validation']} is less than one clip "
            f"for each of the {len(level.classes)} classes"
        )
    return MotionConfig(level, **given, objects=bool(values.get("objects", 0)))


_RANGES = {
    "level": (min(LEVELS), max(LEVELS)),
    "seed": (0, 999_999_999),
    "clips": (1, 1_000_000),
    "validation": (1, 1_000_000),
    "frames": (4, 128),
    "size": (16, 80),
    "objects": (0, 1),
}
"""Smallest and largest value of each option."""


def _rescaled(level: Level, frames: int, size: int) -> Level:
    """Return a level with the same scenes in another number of frames and another size."""
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
