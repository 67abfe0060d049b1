"""Exchange the classes of mirrored clips, such as "turn left" and "turn right"."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.values import Dataset, DataSpec, Sample, Split, group_of
from anetc.video.flow.fields import mirror_flow
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.video.clips import MirroredClasses

_MAX_NAMES = 8
"""Most class names in a message."""

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class MirroredDataset:
    """A data set whose mirrored clips have the classes of `places`.

    A clip of a class in `unpaired` is not mirrored.
    """

    inner: Dataset
    places: NDArray[np.int64]
    """(classes,): the class of the mirrored clip, for each class."""
    unpaired: NDArray[np.bool_]
    """(classes,): whether the mirrored clip would be of no class of the data."""
    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    multi_label: bool

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.inner)

    def name(self, index: int) -> str:
        """Return the name of a video."""
        return self.inner.name(index)

    def target(self, index: int) -> int | NDArray[np.float32]:
        """Return the classes of a video that is not mirrored."""
        return self.inner.target(index)

    def group(self, index: int) -> str | None:
        """Return the group of a video, or None if the data have no groups."""
        return group_of(self.inner, index)

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the clip of a video with its classes, those of the mirrored clip if it is one.

        Raises VideoError for a video that cannot be read, CannotRun if the format does not report
        which clips are mirrored.
        """
        sample = self.inner.sample(index, seed=seed, epoch=epoch)
        if len(sample.flipped) != 1:
            raise CannotRun(
                f"the format {self.spec.format} does not report which clips are mirrored, so their "
                "classes cannot be exchanged; use --no-flip"
            )
        if not sample.flipped[0]:
            return sample
        target = sample.target
        is_array = isinstance(target, np.ndarray)
        if self.unpaired[np.flatnonzero(target) if is_array else target].any():
            return _mirrored_back(sample)
        if isinstance(target, np.ndarray):
            return attrs.evolve(sample, target=target[self.places])
        return attrs.evolve(sample, target=int(self.places[target]))


def exchange_classes(dataset: Dataset, mirror: MirroredClasses) -> Dataset:
    """Return the data set with exchanged classes of mirrored clips.

    Clips of a class that has one of the words, but no partner, are not mirrored; a warning in the
    log (`anetc.data`) names these classes.

    Raises CannotRun for the name of an unknown class, a class in two pairs, and words that exchange
    no classes.
    """
    places = np.arange(len(dataset.classes))
    for first, second in class_pairs(dataset.classes, mirror):
        places[first], places[second] = second, first
    alone = unpaired_classes(dataset.classes, mirror)
    if alone:
        more = len(alone) - _MAX_NAMES
        names = ", ".join(repr(dataset.classes[place]) for place in alone[:_MAX_NAMES])
        _log.warning(
            "mirrored classes: %s: no class has this name with the words exchanged, so clips of "
            "such a class are not mirrored; name its partner with --mirror-classes",
            names + (f" and {more} more" if more > 0 else ""),
        )
    unpaired = np.zeros(len(places), np.bool_)
    unpaired[alone] = True
    d = dataset
    mirrored = MirroredDataset(d, places, unpaired, d.spec, d.split, d.classes, d.multi_label)
    return cast(Dataset, mirrored)


def class_pairs(classes: tuple[str, ...], mirror: MirroredClasses) -> list[tuple[int, int]]:
    """Return the pairs of classes, by number, that exchange their places.

    Raises the errors of `exchange_classes`.
    """
    number = {name: place for place, name in enumerate(classes)}
    pairs: dict[int, int] = {}
    for names in mirror.pairs:
        for name in names:
            if name not in number:
                guess = did_you_mean(name, classes)
                hint = f"; did you mean {guess}?" if guess else ""
                raise CannotRun(f"mirrored classes: the data have no class {name!r}{hint}")
        first, second = (number[name] for name in names)
        for one, two in ((first, second), (second, first)):
            if pairs.setdefault(one, two) != two:
                raise CannotRun(f"mirrored classes: {classes[one]!r} is in two pairs")
    if mirror.words is not None:
        found = 0
        for name, place in number.items():
            other_name = _exchange_words(name, mirror.words)
            other = number.get(other_name)
            if other_name == name or other is None:
                continue
            found += 1
            if place not in pairs and other not in pairs:
                pairs[place], pairs[other] = other, place
        if not found:
            raise CannotRun(
                f"mirrored classes: no two classes differ only in the words {mirror.words[0]!r} "
                f"and {mirror.words[1]!r}; the first class is {classes[0]!r}"
            )
    return [(first, second) for first, second in pairs.items() if first < second]


def unpaired_classes(classes: tuple[str, ...], mirror: MirroredClasses) -> list[int]:
    """Return the numbers of the classes that have one of the words, but no partner.

    Raises the errors of `exchange_classes`.
    """
    if mirror.words is None:
        return []
    paired = {place for pair in class_pairs(classes, mirror) for place in pair}
    named = {name for names in mirror.pairs for name in names}
    return [
        place
        for place, name in enumerate(classes)
        if place not in paired and name not in named and _exchange_words(name, mirror.words) != name
    ]


def _mirrored_back(sample: Sample) -> Sample:
    """Return a sample of one mirrored clip as it is without mirroring."""
    rgb = np.ascontiguousarray(sample.rgb[:, :, :, ::-1])
    flow = None if sample.flow is None else np.stack([mirror_flow(part) for part in sample.flow])
    objects = None
    if sample.objects is not None:
        objects = np.ascontiguousarray(sample.objects[:, :, :, ::-1])
    return attrs.evolve(sample, rgb=rgb, flow=flow, objects=objects, flipped=(False,))


def _exchange_words(name: str, words: tuple[str, str]) -> str:
    """Return a name with two words exchanged, in small and capital letters.

    >>> _exchange_words("Push from left to right", ("left", "right"))
    'Push from right to left'
    """
    exchanged = {words[0].lower(): words[1], words[1].lower(): words[0]}

    def other(match: re.Match[str]) -> str:
        word = exchanged[match[0].lower()]
        if match[0].isupper():
            return word.upper()
        return word.capitalize() if match[0][0].isupper() else word

    # An underscore separates words in the names of folders.
    pattern = "|".join(map(re.escape, words))
    return re.sub(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", other, name, flags=re.IGNORECASE)
