"""Training data of a network: class names, clips, kind of labels and format.

Training makes this value (`anetc.training.data_record`). It is stored in the metadata of weights
files, in `run.json`, in results of trials and in artifacts, and `trained_on_from_json` reads it
everywhere. This module does not need torch.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from anetdsl.settings_reader import as_kind

_MAX_LISTED = 8
"""Most class names in a message."""
_MAX_NAME = 60
"""Longest class name in a message, in characters."""


@attrs.frozen
class TrainedClip:
    """Clips that a network was given: `frames` frames of `size` (height, width) pixels."""

    frames: int
    size: tuple[int, int]
    short_side: int | None
    """Short side of the resized frame, from which `size` is cropped; None: the whole frame."""
    fps: float | None
    """Frames per second; None for data that store clips instead of videos."""

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.size[0]} x {self.size[1]} pixels"


@attrs.frozen
class TrainedOn:
    """Description of the data that a network was trained on."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of the logits."""
    multi_label: bool
    """True if a video has any number of classes (sigmoid), not exactly one (softmax)."""
    data_format: str
    """Format of the data, such as `folder`."""
    training: TrainedClip
    """Clips of the training steps."""
    validation: TrainedClip
    """Clips of the validation, as which videos are cut for the trained network."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON; `trained_on_from_json` reads it."""
        return {
            **attrs.asdict(self),
            "classes": list(self.classes),
            "training": _clip_to_json(self.training),
            "validation": _clip_to_json(self.validation),
        }


def trained_on_from_json(document: object) -> TrainedOn | None:
    """Return the value of `TrainedOn.to_json`; None for None. Raise ValueError for other values.

    Keys that this version does not know are ignored.
    """
    if document is None:
        return None
    try:
        found = _read(TrainedOn, document)
        clips = {name: _read(TrainedClip, found[name]) for name in ("training", "validation")}
        return TrainedOn(**{**found, **{name: _clip(clip) for name, clip in clips.items()}})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a description of training data: {error}") from None


_KINDS: Mapping[str, Any] = {
    "classes": tuple[str, ...],
    "multi_label": bool,
    "data_format": str,
    "frames": int,
    "size": tuple[int, int],
    "short_side": int | None,
    "fps": float | None,
}
"""Types of all fields that are not clips themselves."""


def _read(cls: type[Any], document: Any) -> dict[str, Any]:
    names = [field.name for field in attrs.fields(cls)]
    return {
        name: as_kind(document[name], _KINDS[name]) if name in _KINDS else document[name]
        for name in names
    }


def _clip(values: dict[str, Any]) -> TrainedClip:
    clip = TrainedClip(**values)
    pixels = [*clip.size, *([] if clip.short_side is None else [clip.short_side])]
    if min(clip.frames, *pixels) < 1 or (clip.fps is not None and clip.fps <= 0):
        raise ValueError(f"not a clip: {clip}")
    return clip


def _clip_to_json(clip: TrainedClip) -> dict[str, Any]:
    return {**attrs.asdict(clip), "size": list(clip.size)}


# Classes of other data

MATCHED_BY_NUMBER = (
    "class names are known only of one side, the data or the weights; classes are matched by number"
)
"""Warning about classes that `match_classes` matches by number."""


@attrs.frozen
class ClassMatch:
    """The classes of other data, compared with those that a network was trained on."""

    trained: tuple[str, ...]
    given: tuple[str, ...]
    numbers: tuple[int | None, ...]
    """For each class of the data its number in the network; None for a class that the network does
    not have."""
    by_number: bool = False
    """True if either side has no names, so that equal numbers correspond."""

    @property
    def is_identical(self) -> bool:
        """True if both have the same classes in the same order."""
        return self.is_complete and self.numbers == tuple(range(len(self.trained)))

    @property
    def is_complete(self) -> bool:
        """True if the network has all classes of the data. It may have more."""
        return None not in self.numbers

    @property
    def is_reordered(self) -> bool:
        """True if both have the same classes in any order."""
        return self.is_complete and len(self.given) == len(self.trained)

    def difference(self) -> str:
        """Return both lists of classes, and the names that only one of them has, for a message."""
        found = set(self.numbers)
        missing = [name for name, number in zip(self.given, self.numbers) if number is None]
        unused = [name for number, name in enumerate(self.trained) if number not in found]
        text = (
            f"the network was trained on {listed_classes(self.trained)}, "
            f"the data have {listed_classes(self.given)}"
        )
        for where, names in (("data", missing), ("training", unused)):
            if names:
                text += f"; only in the {where}: {_names(names)}"
        return text


def match_classes(trained: Sequence[str], given: Sequence[str]) -> ClassMatch:
    """Compare the classes of data with those that a network was trained on, by name.

    Names are equal if they differ only in their Unicode form, as those of folders on other systems
    do. If only one of both lists has names, equally many classes correspond by number.
    """
    trained, given = tuple(trained), tuple(given)
    if len(trained) == len(given) and are_numbered(trained) != are_numbered(given):
        return ClassMatch(trained, given, tuple(range(len(given))), by_number=True)
    numbers = {key: number for number, key in enumerate(_keys(trained))}
    return ClassMatch(trained, given, tuple(numbers.get(key) for key in _keys(given)))


def numbered_classes(count: int) -> tuple[str, ...]:
    """Return names for classes that have none."""
    return tuple(f"class {number}" for number in range(count))


def are_numbered(classes: Sequence[str]) -> bool:
    """Return whether classes have no names: theirs are those of `numbered_classes`."""
    return tuple(classes) == numbered_classes(len(classes))


def listed_classes(classes: Sequence[str]) -> str:
    """Return the number of classes and the names of the first ones, for a message."""
    count = "1 class" if len(classes) == 1 else f"{len(classes)} classes"
    return f"{count} ({_names(classes)})"


def _names(classes: Sequence[str]) -> str:
    first = [name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..." for name in classes]
    more = len(classes) - _MAX_LISTED
    return ", ".join(first[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _keys(classes: Sequence[str]) -> list[tuple[str, int]]:
    """Return a key for each class: its name in one Unicode form, and a number for equal names."""
    seen: Counter[str] = Counter()
    keys = []
    for name in classes:
        name = unicodedata.normalize("NFC", name)
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys
