"""Collect the rows of a prediction file and check that they agree."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.text_files import line_error
from anetc.evaluation.metrics import Scores

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


@attrs.frozen(eq=False)
class Predictions:
    """Scores of each video, and the targets if the file contains them.

    `scores` is (videos, classes), NaN where a video has no scores. `targets` is as in an
    `Evaluation`, None if the file has no labels. `classes` is None if the classes have no names.
    """

    names: tuple[str, ...]
    scores: Scores
    targets: NDArray[np.int64] | NDArray[np.float64] | None
    classes: tuple[str, ...] | None
    are_logits: bool
    """True if the scores are known to be logits."""
    about: Mapping[str, Any] = attrs.Factory(dict)
    """Other values of the first object of a `.jsonl` file."""

    def target(self, index: int) -> int | list[int] | None:
        """Return the class number of a video, or its list of class numbers; None without labels."""
        if self.targets is None:
            return None
        target = self.targets[index]
        return int(target) if self.targets.ndim == 1 else np.flatnonzero(target).tolist()


@attrs.define
class RowCollector:
    """Rows of the file `path` read so far."""

    path: Path
    width: int | None = None
    """Number of classes; None until it is known."""
    multi_label: bool | None = None
    """True if targets are lists; None until a row with a target was read."""
    lines: dict[str, int] = attrs.Factory(dict)
    """Line of each video."""
    scores: list[list[float]] = attrs.Factory(list)
    targets: list[int | list[int]] = attrs.Factory(list)

    def add(
        self, line: int, name: object, scores: list[float] | None, target: int | list[int] | None
    ) -> None:
        """Add a row; `scores` and `target` are None if the row has none.

        Raises CannotRun, with the line, if the row has an error or does not agree with the others.
        """
        if not isinstance(name, str) or not name:
            raise line_error(self.path, line, "a row must start with the name of a video")
        if name in self.lines:
            first = self.lines[name]
            raise line_error(
                self.path, line, f"the video `{name}` occurs twice, the first time in line {first}"
            )
        if scores is not None:
            self.width = self.width or len(scores)
            if len(scores) != self.width:
                raise line_error(
                    self.path, line, f"{len(scores)} scores, but there are {self.width} classes"
                )
        if (target is None) != (not self.targets) and self.lines:
            raise line_error(self.path, line, "either all videos must have labels or none")
        if target is not None:
            is_list = isinstance(target, list)
            self.multi_label = is_list if self.multi_label is None else self.multi_label
            if is_list != self.multi_label:
                raise line_error(
                    self.path, line, "either all videos must have one label or all a list of labels"
                )
            self.targets.append(target)
        self.lines[name] = line
        self.scores.append([] if scores is None else scores)

    def finish(
        self, classes: Sequence[str] | None, *, logits: bool, about: Mapping[str, Any] | None = None
    ) -> Predictions:
        """Return the predictions of all rows. Raises CannotRun for a target that is not a class."""
        width = self.width or len(classes or ()) or 1
        scores = np.array([row or [math.nan] * width for row in self.scores], np.float64)
        targets: NDArray[np.int64] | NDArray[np.float64] | None = None
        for line, target in zip(self.lines.values(), self.targets):
            for number in target if isinstance(target, list) else [target]:
                if not 0 <= number < width:
                    what = f"there is no class {number}; classes are 0 to {width - 1}"
                    raise line_error(self.path, line, what)
        if self.targets and self.multi_label:
            targets = np.zeros((len(self.targets), width))
            for row, target in zip(targets, self.targets):
                row[target] = 1
        elif self.targets:
            targets = np.array(self.targets, np.int64)
        named = tuple(classes) if classes is not None else None
        return Predictions(
            tuple(self.lines), scores.reshape(-1, width), targets, named, logits, about or {}
        )


def parse_score(path: Path, line: int, text: str) -> float:
    """Read a score. Raises CannotRun, with the line, for a text that is not a number."""
    if not _NUMBER.fullmatch(text.strip()):
        raise line_error(path, line, f"`{text[:40]}` is not a number; a score was expected")
    return float(text)


def format_score(value: float, nan: str, infinity: str) -> str:
    """Write a score so that it is read back exactly, with the texts for NaN and infinity."""
    if math.isnan(value):
        return nan
    if math.isinf(value):
        return infinity if value > 0 else f"-{infinity}"
    return repr(float(value))
