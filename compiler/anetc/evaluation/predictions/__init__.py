"""Predictions: what was said of each video, kept in a file, and scored without a network.

`jsonl` and `tables` say how the files look; in all of them numbers are written so that they are
read back exactly. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.predictions.csv_files import from_csv, from_submission, to_csv, to_submission
from anetc.evaluation.predictions.jsonl import from_jsonl, to_jsonl
from anetc.evaluation.predictions.rows import Predictions
from anetc.evaluation.scores import Evaluation
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetc.data.values import Dataset

_FORMATS: Mapping[str, tuple[Callable[[Predictions], str], Callable[[Path, str], Predictions]]] = {
    ".jsonl": (to_jsonl, from_jsonl),
    ".csv": (to_csv, from_csv),
    ".txt": (to_submission, from_submission),
}


def check_suffix(path: str | Path) -> None:
    """Raise CannotRun for a file whose ending says no format."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise CannotRun(
            f"{visible(str(path))}: predictions are .jsonl or .csv, or .txt in the format of "
            "Charades submissions"
        )


def write_predictions(
    path: str | Path, evaluation: Evaluation, about: Mapping[str, Any] | None = None
) -> None:
    """Write what a network said, in the format that the file's ending names.

    `about` is told in a JSONL file alone. Raises CannotRun for another ending, for names that the
    format cannot hold, and where the file cannot be written.
    """
    check_suffix(path)
    predictions = Predictions(
        evaluation.names,
        evaluation.logits,
        evaluation.targets,
        evaluation.classes,
        evaluation.are_logits,
        about or {},
    )
    to_text, _ = _FORMATS[Path(path).suffix.lower()]
    try:
        text = to_text(predictions)
    except ValueError as error:
        raise CannotRun(f"{visible(str(path))}: {error}") from None
    write_atomically(path, text.encode("utf-8", "surrogateescape"))


def read_predictions(path: str | Path) -> Predictions:
    """Read a file of predictions. Raises CannotRun, with the line, for what cannot be read."""
    check_suffix(path)
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise cannot_read(path, error) from None
    _, from_text = _FORMATS[path.suffix.lower()]
    predictions = from_text(path, text)
    if not predictions.names:
        raise CannotRun(f"{visible(str(path))}: there are no predictions in it")
    return predictions


def own_evaluation(predictions: Predictions, path: str | Path) -> Evaluation:
    """Score predictions by the labels in their file. Raises CannotRun where there are none."""
    if predictions.targets is None:
        raise CannotRun(
            f"{visible(str(path))}: there are no labels in it; --data names the data that have them"
        )
    scored = zip(predictions.names, predictions.scores, strict=True)
    return Evaluation(
        predictions.names,
        predictions.scores,
        predictions.targets,
        predictions.classes or _numbered(predictions.scores.shape[1]),
        tuple(name for name, scores in scored if np.isnan(scores).all()),
        predictions.are_logits,
    )


def evaluation_by(
    predictions: Predictions, dataset: Dataset, path: str | Path
) -> tuple[Evaluation, tuple[str, ...]]:
    """Score predictions by a data set's labels; and the names that the data set does not have.

    A video of the data set without predictions counts as one that could not be read: as wrong, or
    behind all others, as in the official script of Charades. Where classes are named they are
    matched by name. Raises CannotRun for other classes, and where no video is the data set's.
    """
    scores = predictions.scores[:, _columns(predictions, dataset.classes, path)]
    places = {name: place for place, name in enumerate(predictions.names)}
    names = [dataset.name(index) for index in range(len(dataset))]
    missing = np.full(len(dataset.classes), np.nan)
    rows = [scores[places[name]] if name in places else missing for name in names]
    failed = tuple(name for name, row in zip(names, rows) if np.isnan(row).all())
    if places.keys().isdisjoint(names):
        raise CannotRun(
            f"{visible(str(path))}: none of its videos is in the {dataset.split} split; its first "
            f"is `{visible(predictions.names[0])}`, the split's `{visible(names[0])}`"
        )
    targets = np.array([dataset.target(index) for index in range(len(dataset))])
    evaluation = Evaluation(
        tuple(names),
        np.stack(rows),
        targets.astype(np.float64) if dataset.multi_label else targets.astype(np.int64),
        dataset.classes,
        failed,
        predictions.are_logits,
    )
    return evaluation, tuple(name for name in predictions.names if name not in set(names))


def _columns(
    predictions: Predictions, classes: Sequence[str], path: str | Path
) -> NDArray[np.int64]:
    """Where the scores of each of the classes stand."""
    width = predictions.scores.shape[1]
    if predictions.classes is None:
        if width != len(classes):
            raise CannotRun(
                f"{visible(str(path))}: scores of {width} classes; the data have {len(classes)}"
            )
        return np.arange(width)
    places = {name: place for place, name in enumerate(predictions.classes)}
    for name in classes:
        if name not in places:
            raise CannotRun(f"{visible(str(path))}: there are no scores of class `{visible(name)}`")
    return np.array([places[name] for name in classes])


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))
