"""Prediction files in CSV, and in the format of Charades submissions.

A `.csv` file has a header: `name`, then `target` or `targets` (class numbers with `;` between them)
or neither, then the classes. A score that is missing is an empty cell.

A `.txt` file is a Charades submission. It has a line for each video: its id and its scores, with
spaces or tabs between them. It has no labels.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from anetc.data.formats.text_files import line_error
from anetc.evaluation.predictions.rows import (
    Predictions,
    RowCollector,
    format_score,
    parse_score,
)
from anetc.weights.trained_on import numbered_classes
from anetdsl.errors import CannotRun


def to_csv(predictions: Predictions) -> str:
    """Write a `.csv` file. Raises ValueError for a class name that would be read as labels."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    classes = predictions.classes or numbered_classes(predictions.scores.shape[1])
    labels_column = []
    if predictions.targets is not None:
        labels_column = ["target" if predictions.targets.ndim == 1 else "targets"]
    elif classes[0] in ("target", "targets"):
        raise ValueError(
            f"the first class of a .csv file without labels cannot be called `{classes[0]}`; "
            "write a .jsonl file"
        )
    writer.writerow(["name", *labels_column, *classes])
    for index, name in enumerate(predictions.names):
        target = predictions.target(index)
        labels = ";".join(map(str, target)) if isinstance(target, list) else target
        scores = [format_score(value, "", "inf") for value in predictions.scores[index]]
        writer.writerow([name, *([] if labels is None else [labels]), *scores])
    return out.getvalue()


def from_csv(path: Path, text: str) -> Predictions:
    """Read the text of a `.csv` file. Raises CannotRun, with the line, for an error."""
    reader = csv.reader(io.StringIO(text, newline=""))
    rows = RowCollector(path)
    classes: list[str] | None = None
    labels_column = ""
    try:
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if classes is None:
                if len(cells) > 1 and cells[1] in ("target", "targets"):
                    labels_column = cells[1]
                classes = cells[2 if labels_column else 1 :]
                if cells[0] != "name" or not classes or len(set(classes)) < len(classes):
                    what = (
                        "the header must be `name`, optionally `target` or `targets`, then "
                        "different class names"
                    )
                    raise line_error(path, line, what)
                rows.width = len(classes)
                continue
            target = _target(path, line, labels_column, cells[1] if len(cells) > 1 else "")
            scores = cells[2 if labels_column else 1 :]
            rows.add(
                line, cells[0], [parse_score(path, line, cell or "nan") for cell in scores], target
            )
    except csv.Error as error:
        raise line_error(path, reader.line_num, f"the file is not valid CSV ({error})") from None
    if classes is None:
        raise CannotRun(f"{path}: the file is empty")
    return rows.finish(classes, logits=False)


def _target(path: Path, line: int, labels_column: str, cell: str) -> int | list[int] | None:
    if not labels_column:
        return None
    parts = [part.strip() for part in cell.split(";") if part.strip()]
    if not all(re.fullmatch(r"\d{1,9}", part, re.ASCII) for part in parts):
        raise line_error(path, line, f"`{cell[:40]}` must be class numbers with ; between them")
    if labels_column == "targets":
        return [int(part) for part in parts]
    if len(parts) != 1:
        raise line_error(path, line, f"`{cell[:40]}` must be one class number")
    return int(parts[0])


def to_submission(predictions: Predictions) -> str:
    """Write a `.txt` file of the videos that have scores.

    Raises ValueError for a name with spaces, whose parts would be read as scores.
    """
    lines = []
    for name, scores in zip(predictions.names, predictions.scores):
        if has_spaces(name):
            raise ValueError(f"the name `{name}` has spaces, which a submission cannot hold")
        if not np.isnan(scores).all():
            lines.append(" ".join([name, *(format_score(value, "nan", "inf") for value in scores)]))
    return "\n".join(lines) + "\n"


def has_spaces(name: str) -> bool:
    """Return whether a name is empty or has spaces, so that a submission cannot hold it."""
    return len(name.split()) != 1


def from_submission(path: Path, text: str) -> Predictions:
    """Read the text of a `.txt` file. Raises CannotRun, with the line, for an error."""
    rows = RowCollector(path)
    for line, row in enumerate(text.split("\n"), 1):
        name, *cells = row.split() or [""]
        if not name:
            continue
        if not cells:
            raise line_error(path, line, "a line must hold the id of a video and its scores")
        rows.add(line, name, [parse_score(path, line, cell) for cell in cells], None)
    return rows.finish(None, logits=False)
