"""Number the classes of a list."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import attrs

from anetc.data.formats.lists.class_names import read_class_names
from anetc.data.formats.lists.label_numbers import plain_numbers
from anetc.data.formats.lists.list_rows import ListRow, VideoList
from anetc.data.formats.text_files import line_error
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun


@attrs.frozen
class NumberedLabels:
    """The classes, the class numbers of each row, and whether a video can have several labels."""

    classes: tuple[str, ...]
    labels: list[tuple[int, ...]]
    several: bool


def number_labels(spec: DataSpec, videos: VideoList, root: Path) -> NumberedLabels:
    """Return the labels by number.

    Classes are those of the data set, those of the option `classes=FILE`, the names of the labels
    in their order, or for numbers `class 0`, `class 1` and so on. Raises CannotRun for labels that
    are no class, and several labels where only one is allowed.
    """
    options = dict(spec.options)
    wanted = options.get("labels")
    if wanted not in (None, "one", "several"):
        raise CannotRun(f"--data {spec_text(spec)}: labels must be one or several")
    more = next((row for row in videos.rows if len(row.labels) > 1), None)
    several = more is not None if videos.several is None else videos.several
    if wanted is not None:
        several = wanted == "several"
    if more is not None and not several:
        raise _error(more, "several labels, but the option labels=one is given")
    classes = videos.classes
    given = None if "classes" not in options else read_class_names(root / options["classes"])
    if given is not None:
        classes = tuple(_normal(given[number]) for number in sorted(given))
    rows = plain_numbers(videos.rows, classes)
    numbers = [n for row in rows for n in row.labels if isinstance(n, int)]
    names = {_normal(n) for row in rows for n in row.labels if isinstance(n, str)}
    if classes is None and not names:
        classes = tuple(f"class {number}" for number in range(max(numbers, default=0) + 1))
    elif classes is None:
        if numbers:
            # Such as the names 3 and `three`: names that happen to be digits.
            names |= {str(number) for number in numbers}
            numbers = []
        classes = tuple(sorted(names))
    first = _first(spec, numbers, given, len(classes)) if numbers else 0
    index = {name: place for place, name in enumerate(classes)}
    labels = [tuple(_number(row, n, index, classes, first) for n in row.labels) for row in rows]
    return NumberedLabels(classes, labels, several)


def _first(spec: DataSpec, numbers: list[int], given: dict[int, str] | None, classes: int) -> int:
    """Return the number of the first class in the lists: 0 or 1. Raises CannotRun if not plain."""
    option = dict(spec.options).get("first")
    if option is not None:
        if option not in ("0", "1"):
            raise CannotRun(f"--data {spec_text(spec)}: first must be 0 or 1")
        return int(option)
    if given is None or min(given) == 0 or 0 in numbers:
        return 0
    if max(numbers) == classes:
        return 1
    raise CannotRun(
        f"--data {spec_text(spec)}: it is not plain whether the labels of the lists count from 0 "
        "or, as those of the classes, from 1; add the option first=0 or first=1"
    )


def _number(
    row: ListRow, label: str | int, index: dict[str, int], classes: tuple[str, ...], first: int
) -> int:
    if isinstance(label, int) and str(label) not in index:
        if not 0 <= label - first < len(classes):
            raise _error(
                row, f"there is no class {label}; the {len(classes)} classes begin with {first}"
            )
        return label - first
    name = _normal(str(label))
    if name not in index:
        guess = did_you_mean(name, classes)
        hint = f"; did you mean `{guess}`?" if guess else ""
        raise _error(row, f"there is no class `{name}`{hint}")
    return index[name]


def _normal(label: str) -> str:
    return unicodedata.normalize("NFC", label)


def _error(row: ListRow, message: str) -> CannotRun:
    return line_error(row.file, row.line, message)
