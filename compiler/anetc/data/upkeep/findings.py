"""The findings of a check of a data set, and the result of reading one file."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

FindingKind = Literal[
    "one-class",
    "split",
    "class",
    "missing",
    "corrupt",
    "label",
    "segment",
    "ending",
    "short",
    "slow",
    "small",
    "copy",
    "repeated",
    "cut-action",
    "empty-action",
    "objects",
]
FINDING_KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
"""All kinds, those about the whole data set first."""
UNUSABLE: frozenset[FindingKind] = frozenset({"missing", "corrupt", "label", "segment"})


@attrs.frozen
class Finding:
    """A finding about the video (or class, or split) `name`."""

    kind: FindingKind
    name: str
    message: str


@attrs.frozen
class MapsCheck:
    """The result of reading the object maps of a video: a problem, or their properties."""

    problem: str = ""
    classes: int = 0
    """Number of classes: the largest class + 1, or the number of scores; 0 if it is unknown."""
    are_scores: bool = False


@attrs.frozen
class FileCheck:
    """The result of reading a file: a problem, or its properties and fingerprint."""

    path: str
    problem: FindingKind | None
    message: str = ""
    """Description of the problem."""
    frames: int = 0
    """Number of frames at the frame rate of clips."""
    fps: float = 0.0
    """Frame rate of the file."""
    duration: float = 0.0
    """Length in seconds."""
    width: int = 0
    """Width in pixels, as displayed."""
    height: int = 0
    codec: str = ""
    fingerprint: str = ""
    maps: MapsCheck | None = None
    """Its object maps; None if it has none."""
