"""Check the classes and splits of a data set as a whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from anetc.data.upkeep.findings import FileCheck, Finding
from anetc.data.upkeep.listing import ListedVideo
from anetc.data.values import DataSpec

_SPLITS = {"train": "training", "validation": "validation", "test": "test"}
"""Splits, and their names in messages."""
_MOST, _FEW = 0.8, 0.2
"""Fractions of a split's videos: a property of most videos of one split that few of another have
makes the splits unequal."""
_PROPERTIES: Mapping[str, Callable[[FileCheck], str]] = {
    "pixels": lambda file: f"{file.width} x {file.height} pixels",
    "rate": lambda file: f"about {file.fps:.0f} frames a second",
    "codec": lambda file: f"the codec {file.codec}",
}
_NO_VALIDATION = {
    "moments": "add validationSet.csv",
    "charades": "use the option validation=10",
    "list": "name a list with the option validation=FILE, or use validation=10",
    "folder": "make a folder validation, or use the option validation=10",
}


def check_splits(
    spec: DataSpec,
    entries: Sequence[ListedVideo],
    files: Mapping[str, FileCheck],
    classes: Sequence[str],
) -> Iterator[Finding]:
    """Find a single class, classes and splits without videos, and splits of unequal kind.

    `files` are the results of reading the videos, by path. Videos that cannot be read do not count.
    """
    usable = [entry for entry in entries if files[entry.path].problem is None]
    if len(classes) == 1:
        message = f"the data have no other class; is {spec.path} the right folder?"
        yield Finding("one-class", classes[0], message)
    by_split: dict[str, list[ListedVideo]] = defaultdict(list)
    for entry in usable:
        by_split[entry.split].append(entry)
    if not by_split["train"]:
        yield Finding("split", "train", "there are no training videos")
    if not by_split["validation"] and not _has_hidden_validation(spec):
        advice = _NO_VALIDATION.get(spec.format, "add some")
        message = f"there are no validation videos, and training needs them: {advice}"
        yield Finding("split", "validation", message)
    yield from _classes_without_videos(classes, by_split)
    for split in ("validation", "test"):
        if by_split["train"] and by_split[split]:
            found = {
                name: [files[path] for path in dict.fromkeys(e.path for e in by_split[name])]
                for name in ("train", split)
            }
            yield from _unequal(split, found["train"], found[split])


def _has_hidden_validation(spec: DataSpec) -> bool:
    """Return whether the validation videos are listed as training videos."""
    return spec.format == "charades" and "validation" in dict(spec.options)


def _classes_without_videos(
    classes: Sequence[str], by_split: Mapping[str, Sequence[ListedVideo]]
) -> Iterator[Finding]:
    """Find classes without videos in a split that has videos, and without training videos."""
    present = {
        split: {label for entry in by_split[split] for label in entry.labels}
        for split in _SPLITS
        if split == "train" or by_split[split]
    }
    for label in classes:
        missing = [_SPLITS[split] for split, labels in present.items() if label not in labels]
        if missing:
            which = " or ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
            yield Finding("class", label, f"this class has no {which} video")


def _unequal(
    split: str, train: Sequence[FileCheck], other: Sequence[FileCheck]
) -> Iterator[Finding]:
    for describe in _PROPERTIES.values():
        ours, theirs = (Counter(map(describe, files)) for files in (train, other))
        for value, _ in (*ours.most_common(1), *theirs.most_common(1)):
            shares = ours[value] / len(train), theirs[value] / len(other)
            if max(shares) >= _MOST and min(shares) <= _FEW:
                (best, count) = theirs.most_common(1)[0]
                message = (
                    f"{shares[0]:.0%} of the training videos have {value}, but {shares[1]:.0%} of "
                    f"the {_SPLITS[split]} videos"
                )
                if best != value:
                    message += f", of which {count / len(other):.0%} have {best}"
                yield Finding("split", f"train and {split}", message.replace("%", " %"))
                break
