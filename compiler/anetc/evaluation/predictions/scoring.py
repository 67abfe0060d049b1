"""Score predictions by the labels in their file or by those of a data set. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.predictions.rows import Predictions
from anetc.evaluation.scores import Evaluation
from anetc.weights.trained_on import match_classes, numbered_classes
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.values import Dataset


def score_by_own_labels(predictions: Predictions, path: str | Path) -> Evaluation:
    """Score predictions by the labels in their file `path`. Raises CannotRun if it has none."""
    if predictions.targets is None:
        raise CannotRun(
            f"{path}: the file contains no labels; pass the data that have them with --data"
        )
    scored = zip(predictions.names, predictions.scores, strict=True)
    return Evaluation(
        predictions.names,
        predictions.scores,
        predictions.targets,
        predictions.classes or numbered_classes(predictions.scores.shape[1]),
        tuple(name for name, scores in scored if np.isnan(scores).all()),
        predictions.are_logits,
    )


def score_by_dataset(
    predictions: Predictions, dataset: Dataset, path: str | Path
) -> tuple[Evaluation, tuple[str, ...]]:
    """Score predictions by the labels of a data set.

    Videos are matched by name; classes too, if the file names them. A video of the data set without
    predictions counts as one that could not be read: it is wrong, or for multi-label data ranks
    after all other videos, as in the official script of Charades.

    Args:
        predictions: Predictions to score.
        dataset: Split with the labels.
        path: File of the predictions, for error messages.

    Returns:
        The evaluation, and the names of the predicted videos that the split does not contain.

    Raises:
        CannotRun: A class has no scores, or no predicted video is in the split.
    """
    scores = predictions.scores[:, _columns(predictions, dataset.classes, path)]
    rows = {name: row for row, name in enumerate(predictions.names)}
    names = tuple(dataset.name(index) for index in range(len(dataset)))
    expected = set(names)
    if rows.keys().isdisjoint(expected):
        raise CannotRun(
            f"{path}: none of its videos is in the {dataset.split} split; its first video is "
            f"`{predictions.names[0]}`, the first of the split is `{names[0]}`"
        )
    logits = np.full((len(names), len(dataset.classes)), np.nan)
    for index, name in enumerate(names):
        if name in rows:
            logits[index] = scores[rows[name]]
    targets = np.array([dataset.target(index) for index in range(len(dataset))])
    evaluation = Evaluation(
        names,
        logits,
        targets.astype(np.float64) if dataset.multi_label else targets.astype(np.int64),
        dataset.classes,
        tuple(name for name, row in zip(names, logits) if np.isnan(row).all()),
        predictions.are_logits,
    )
    return evaluation, tuple(name for name in predictions.names if name not in expected)


def _columns(
    predictions: Predictions, classes: Sequence[str], path: str | Path
) -> NDArray[np.int64]:
    """Return the column of the scores of each class. Raises CannotRun for a class without one."""
    width = predictions.scores.shape[1]
    if predictions.classes is None:
        if width != len(classes):
            raise CannotRun(
                f"{path}: the file has scores of {width} classes, but the data have {len(classes)}"
            )
        return np.arange(width)
    columns = match_classes(predictions.classes, classes).numbers
    for name, column in zip(classes, columns):
        if column is None:
            raise CannotRun(f"{path}: the file has no scores of the class `{name}`")
    return np.array(columns, np.int64)
