"""The rows of a list of videos, the same for every kind of list."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal

import attrs

from anetc.data.formats.text_files import line_error
from anetc.data.values import Segment, Split

ListKind = Literal["table", "kinetics", "ucf101", "hmdb51", "something", "paths"]


@attrs.frozen
class ListRow:
    """A row: where it is written, how its video may be called, its labels, split and segment.

    `paths` are paths of the video, relative to the folder of the videos; `stems` are file names
    without an ending, which are searched in the whole folder. A label is the name or the number of
    a class. `split` is None if the list has no splits.
    """

    file: Path
    line: int
    paths: tuple[str, ...]
    stems: tuple[str, ...]
    labels: tuple[str | int, ...]
    split: Split | None
    segment: Segment | None = None

    @property
    def place(self) -> str:
        """The list and the line."""
        return f"{self.file.name}:{self.line}"


@attrs.frozen
class VideoList:
    """The rows of all lists of a data set.

    `classes` are the names of the classes by number, if the data set defines them. `unlabelled` are
    the splits whose labels are not published.
    """

    rows: list[ListRow]
    classes: tuple[str, ...] | None = None
    unlabelled: frozenset[Split] = frozenset()
    several: bool | None = None
    """True if a video can have several labels; None if the rows decide."""


def seconds(path: Path, line: int, text: str) -> float:
    """Read a time: seconds, or minutes and hours before colons. Raises CannotRun."""
    parts = text.strip().split(":")
    try:
        value = 0.0
        for part in parts:
            value = 60 * value + float(part)
    except (ValueError, OverflowError):
        value = math.nan
    if len(parts) > 3 or not (math.isfinite(value) and value >= 0):
        raise line_error(path, line, f"`{text[:80]}` is not a time in seconds")
    return value


def segment_name(path: str, segment: Segment | None) -> str:
    """Return the name of a sample: the path, and the segment as in a media fragment of a URI."""
    if segment is None:
        return path
    start, end = (_number(value) for value in (segment.start, segment.end))
    return f"{path}#t={start},{end}"


def _number(value: float) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def whole_number(text: str) -> int | None:
    """Return the number of a text of digits, or None."""
    return int(text) if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII) else None


def label_of(text: str) -> str | int:
    """Return a label: a number for digits, or else the text."""
    number = whole_number(text)
    return text if number is None else number
