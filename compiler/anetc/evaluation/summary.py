"""Turn an evaluation into tables, a picture and JSON. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from anetc.evaluation.metrics import class_top_k
from anetc.evaluation.scores import TOP, Evaluation
from anetdsl.report.charts import heat_map

SCHEMA = "anetdsl-evaluation"
SCHEMA_VERSION = 1


@attrs.frozen
class ClassRow:
    """Measures of one class, in per cent; None if the class has no video."""

    name: str
    videos: int
    """Number of videos that have the class."""
    measures: Mapping[str, float | None]
    """`top1` and `top5`, or for multi-label data `average_precision`."""
    confused_with: tuple[str, int] | None = None
    """Most frequent wrong prediction for videos of this class: the class and its count."""


def class_rows(evaluation: Evaluation) -> Iterator[ClassRow]:
    """Yield a row for each class."""
    if evaluation.multi_label:
        precision = evaluation.precision()
        for number, name in enumerate(evaluation.classes):
            value = _percent(precision.per_class[number])
            yield ClassRow(name, int(precision.positives[number]), {"average_precision": value})
        return
    targets = evaluation.targets.astype(np.int64)
    videos = np.bincount(targets, minlength=len(evaluation.classes))
    shares = {f"top{k}": class_top_k(evaluation.logits, targets, k) for k in (1, TOP)}
    for number, row in enumerate(evaluation.confusion()):
        others = row.copy()
        others[number] = 0
        worst = int(others.argmax())
        yield ClassRow(
            evaluation.classes[number],
            int(videos[number]),
            {name: _percent(values[number]) for name, values in shares.items()},
            (evaluation.classes[worst], int(others[worst])) if others[worst] else None,
        )


def standard_errors(evaluation: Evaluation) -> dict[str, float]:
    """Return the standard errors of the accuracies, in percentage points.

    The videos are taken to be independent. Multi-label data have none.
    """
    if evaluation.multi_label:
        return {}
    measures = evaluation.measures()
    count = len(evaluation.names)
    shares = {f"top{k}": measures[f"top{k}"] / 100 for k in (1, TOP)}
    return {name: 100 * math.sqrt(p * (1 - p) / count) for name, p in shares.items()}


def confusion_picture(evaluation: Evaluation, title: str) -> str:
    """Draw the confusion matrix as SVG; each row is divided by the videos of its class."""
    matrix = evaluation.confusion()
    sums = matrix.sum(axis=1, keepdims=True)
    shares = [
        [float(value) / int(total[0]) if total[0] else None for value in row]
        for row, total in zip(matrix, sums, strict=True)
    ]
    return heat_map(
        shares,
        rows=evaluation.classes,
        columns=evaluation.classes,
        title=title,
        x_label="predicted class",
        y_label="true class",
        description="Share of the videos of each true class, for each predicted class.",
    )


def confusion_table(evaluation: Evaluation) -> list[list[str]]:
    """Return the confusion matrix as rows of text: a header, then a row for each true class."""
    head = ["true \\ predicted", *evaluation.classes]
    matrix = evaluation.confusion().tolist()
    return [head, *([name, *map(str, row)] for name, row in zip(evaluation.classes, matrix))]


def to_json(evaluation: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evaluation as values for JSON; values that are not finite are null.

    `about` holds the other fields of the document (docs/schemas/eval.schema.json).
    """
    rows = [
        {"name": row.name, "videos": row.videos, **row.measures} for row in class_rows(evaluation)
    ]
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **about,
        "videos": len(evaluation.names),
        "failed": list(evaluation.failed),
        "unranked": int(np.count_nonzero(evaluation.unranked)),
        "multi_label": evaluation.multi_label,
        "measures": {name: _number(value) for name, value in evaluation.measures().items()},
        "standard_errors": standard_errors(evaluation),
        "classes": rows,
    }
    if not evaluation.multi_label:
        document["confusion"] = evaluation.confusion().tolist()
    return document


def absent_classes(evaluation: Evaluation) -> Sequence[str]:
    """Return the classes without videos, which make the official mAP undefined."""
    if evaluation.multi_label:
        present = np.count_nonzero(evaluation.targets, axis=0) > 0
    else:
        counts = np.bincount(evaluation.targets.astype(np.int64), minlength=len(evaluation.classes))
        present = counts > 0
    return [name for name, there in zip(evaluation.classes, present.tolist()) if not there]


def _percent(value: float) -> float | None:
    return _number(100 * float(value))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
