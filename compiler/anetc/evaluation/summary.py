"""An evaluation as tables and as JSON: measures, classes one by one, confusions. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.metrics import class_top_k, confusion, unranked
from anetc.evaluation.scores import TOP, Evaluation
from anetdsl.report.charts import heat_map

SCHEMA = "anetdsl-evaluation"
SCHEMA_VERSION = 1


@attrs.frozen
class ClassRow:
    """How one class did. Measures are in per cent, None where the class has no video."""

    name: str
    videos: int
    """Videos that have the class."""
    measures: Mapping[str, float | None]
    """`top1` and `top5`, or `average_precision` where a video may have several classes."""
    mistaken_for: tuple[str, int] | None = None
    """The other class that its videos were taken for most often, and how often."""


def class_rows(evaluation: Evaluation) -> Iterator[ClassRow]:
    """A row for each class."""
    if evaluation.multi_label:
        precision = evaluation.precision()
        for number, name in enumerate(evaluation.classes):
            value = _percent(precision.per_class[number])
            yield ClassRow(name, int(precision.positives[number]), {"average_precision": value})
        return
    targets = evaluation.targets.astype(np.int64)
    videos = np.bincount(targets, minlength=len(evaluation.classes))
    shares = {f"top{k}": class_top_k(evaluation.logits, targets, k) for k in (1, TOP)}
    for number, row in enumerate(confusion(evaluation.logits, targets)):
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
    """Standard errors of the accuracies, in points of per cent, as shares of independent videos."""
    if evaluation.multi_label:
        return {}
    measures = evaluation.measures()
    count = len(evaluation.names)
    shares = {f"top{k}": measures[f"top{k}"] / 100 for k in (1, TOP)}
    return {name: 100 * math.sqrt(p * (1 - p) / count) for name, p in shares.items()}


def confusions(evaluation: Evaluation) -> NDArray[np.int64]:
    """How often each class (row) was taken for each (column). For one label a video alone."""
    return confusion(evaluation.logits, evaluation.targets.astype(np.int64))


def confusion_picture(evaluation: Evaluation, title: str) -> str:
    """The confusions as SVG: each row by the videos of its class."""
    matrix = confusions(evaluation)
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
        x_label="taken for",
        y_label="is",
        description="Of the videos of each class, the share that was taken for each class.",
    )


def confusion_table(evaluation: Evaluation) -> list[list[str]]:
    """The confusions as rows of text: a head, then a row for each class."""
    head = ["is \\ taken for", *evaluation.classes]
    matrix = confusions(evaluation).tolist()
    return [head, *([name, *map(str, row)] for name, row in zip(evaluation.classes, matrix))]


def to_json(evaluation: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation as plain values for JSON; what is no number is null."""
    rows = [
        {"name": row.name, "videos": row.videos, **row.measures} for row in class_rows(evaluation)
    ]
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **about,
        "videos": len(evaluation.names),
        "failed": list(evaluation.failed),
        "unranked": int(np.count_nonzero(unranked(evaluation.logits))),
        "multi_label": evaluation.multi_label,
        "measures": {name: _number(value) for name, value in evaluation.measures().items()},
        "standard_errors": standard_errors(evaluation),
        "classes": rows,
    }
    if not evaluation.multi_label:
        document["confusion"] = confusions(evaluation).tolist()
    return document


def absent_classes(evaluation: Evaluation) -> Sequence[str]:
    """The classes that no video has: with several labels a video the official mAP has no value."""
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
