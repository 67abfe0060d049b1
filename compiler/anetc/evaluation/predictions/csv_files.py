"""Predictions as CSV, and as what is submitted to Charades.

`.csv` has a head: `name`, then `target` or `targets` (numbers with `;` between) or neither, then
the classes. Scores that are not there are empty cells.

`.txt` has a line for each video, its id and its scores with spaces or tabs between, and no labels:
the format of Charades submissions.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from anetc.data.formats.text_files import wrong
from anetc.evaluation.predictions.rows import Predictions, Rows, number_of, shown_number, target_of
from anetdsl.errors import CannotRun


def to_csv(predictions: Predictions) -> str:
    """The text of a `.csv` file. Raises ValueError for a class that would be read as labels."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    count = predictions.scores.shape[1]
    classes = predictions.classes or [f"class {number}" for number in range(count)]
    first = [] if predictions.targets is None else ["target"]
    if predictions.targets is not None and predictions.targets.ndim == 2:
        first = ["targets"]
    if not first and classes[0] in ("target", "targets"):
        raise ValueError(f"a class called `{classes[0]}` cannot stand first in a .csv; use .jsonl")
    writer.writerow(["name", *first, *classes])
    for index, name in enumerate(predictions.names):
        target = target_of(predictions, index)
        labels = ";".join(map(str, target)) if isinstance(target, list) else target
        scores = [shown_number(value, "", "inf") for value in predictions.scores[index]]
        writer.writerow([name, *([] if labels is None else [labels]), *scores])
    return out.getvalue()


def from_csv(path: Path, text: str) -> Predictions:
    """What a `.csv` file holds. Raises CannotRun, with the line."""
    reader = csv.reader(io.StringIO(text, newline=""))
    rows = Rows(path)
    classes: list[str] | None = None
    kind = ""
    try:
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if classes is None:
                kind = cells[1] if len(cells) > 1 and cells[1] in ("target", "targets") else ""
                classes = cells[2 if kind else 1 :]
                if cells[0] != "name" or not classes or len(set(classes)) < len(classes):
                    what = (
                        "the head is `name`, perhaps `target` or `targets`, then different classes"
                    )
                    raise wrong(path, line, what)
                rows.width = len(classes)
                continue
            target = _csv_target(path, line, kind, cells[1] if len(cells) > 1 else "")
            scores = [number_of(path, line, cell or "nan") for cell in cells[2 if kind else 1 :]]
            rows.add(line, cells[0], scores, target)
    except csv.Error as error:
        raise wrong(path, reader.line_num, f"this is no CSV ({error})") from None
    if classes is None:
        raise CannotRun(f"{path}: the file is empty")
    return rows.done(classes, logits=False)


def _csv_target(path: Path, line: int, kind: str, cell: str) -> int | list[int] | None:
    if not kind:
        return None
    parts = [part.strip() for part in cell.split(";") if part.strip()]
    if not all(re.fullmatch(r"\d{1,9}", part, re.ASCII) for part in parts):
        raise wrong(path, line, f"`{cell[:40]}` are no numbers of classes with ; between")
    if kind == "targets":
        return [int(part) for part in parts]
    if len(parts) != 1:
        raise wrong(path, line, f"`{cell[:40]}` is no number of a class")
    return int(parts[0])


def to_submission(predictions: Predictions) -> str:
    """The text of a `.txt` file, without videos that nothing was said of.

    Raises ValueError for names with spaces, which would be read as scores.
    """
    lines = []
    for name, scores in zip(predictions.names, predictions.scores):
        if len(name.split()) != 1:
            raise ValueError(f"the name `{name}` has spaces, which a submission cannot hold")
        if not np.isnan(scores).all():
            lines.append(" ".join([name, *(shown_number(value, "nan", "inf") for value in scores)]))
    return "\n".join(lines) + "\n"


def from_submission(path: Path, text: str) -> Predictions:
    """What a `.txt` file holds. Raises CannotRun, with the line."""
    rows = Rows(path)
    for line, row in enumerate(text.split("\n"), 1):
        name, *cells = row.split() or [""]
        if not name:
            continue
        if not cells:
            raise wrong(path, line, "a line is the id of a video and its scores")
        rows.add(line, name, [number_of(path, line, cell) for cell in cells], None)
    return rows.done(None, logits=False)
