"""Predictions as values, and rows of a file made into them, with the places of mistakes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.text_files import wrong
from anetc.evaluation.metrics import Scores

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


@attrs.frozen(eq=False)
class Predictions:
    """What was said of each video, and what is right where that is known.

    `scores` is (videos, classes), NaN where nothing was said. `targets` is as in an Evaluation,
    `classes` None where they have no names.
    """

    names: tuple[str, ...]
    scores: Scores
    targets: NDArray[np.int64] | NDArray[np.float64] | None
    classes: tuple[str, ...] | None
    are_logits: bool
    about: Mapping[str, Any] = attrs.Factory(dict)
    """What else the head of a JSONL file says."""


@attrs.define
class Rows:
    """Rows of a file as they are read."""

    path: Path
    width: int | None = None
    """Classes; None until a row has shown it."""
    multi_label: bool | None = None
    """Whether targets are lists; None until a row has shown it, or where there are none."""
    lines: dict[str, int] = attrs.Factory(dict)
    scores: list[list[float]] = attrs.Factory(list)
    targets: list[int | list[int]] = attrs.Factory(list)

    def add(
        self, line: int, name: object, scores: list[float] | None, target: int | list[int] | None
    ) -> None:
        """Take a row, of which the scores, or the target, may be unknown. Raises CannotRun."""
        if not isinstance(name, str) or not name:
            raise wrong(self.path, line, "a row starts with the name of a video")
        if name in self.lines:
            first = self.lines[name]
            raise wrong(self.path, line, f"`{name}` is there twice, first in line {first}")
        if scores is not None:
            self.width = self.width or len(scores)
            if len(scores) != self.width:
                raise wrong(
                    self.path, line, f"{len(scores)} scores; there are {self.width} classes"
                )
        if (target is None) != (not self.targets) and self.lines:
            raise wrong(self.path, line, "either all videos have labels or none has")
        if target is not None:
            several = isinstance(target, list)
            self.multi_label = several if self.multi_label is None else self.multi_label
            if several != self.multi_label:
                raise wrong(self.path, line, "either all videos have one label or all have lists")
            self.targets.append(target)
        self.lines[name] = line
        self.scores.append([] if scores is None else scores)

    def done(
        self, classes: Sequence[str] | None, *, logits: bool, about: Mapping[str, Any] | None = None
    ) -> Predictions:
        """All of them. Raises CannotRun for a target that is no class."""
        width = self.width or len(classes or ()) or 1
        scores = np.array([row or [math.nan] * width for row in self.scores], np.float64)
        targets: NDArray[np.int64] | NDArray[np.float64] | None = None
        for line, target in zip(self.lines.values(), self.targets):
            for number in target if isinstance(target, list) else [target]:
                if not 0 <= number < width:
                    what = f"{number} is no class: they are 0 to {width - 1}"
                    raise wrong(self.path, line, what)
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


def target_of(predictions: Predictions, index: int) -> int | list[int] | None:
    """A video's class, or its classes."""
    if predictions.targets is None:
        return None
    target = predictions.targets[index]
    return int(target) if predictions.targets.ndim == 1 else np.flatnonzero(target).tolist()


def number_of(path: Path, line: int, cell: str) -> float:
    """A score as it is written. Raises CannotRun, with the line, for anything else."""
    if not _NUMBER.fullmatch(cell.strip()):
        raise wrong(path, line, f"`{cell[:40]}` is no score")
    return float(cell)


def shown_number(value: float, unknown: str, infinite: str) -> str:
    """A number that is read back exactly."""
    if math.isnan(value):
        return unknown
    if math.isinf(value):
        return infinite if value > 0 else f"-{infinite}"
    return repr(float(value))
