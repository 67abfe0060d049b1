"""Prediction files in JSON lines.

The first line is an object that describes the file; each other line is an object for a video:

    {"schema": "anetdsl-predictions", "schema_version": 1, "classes": ["jog", "walk"], ...}
    {"name": "a.mp4", "target": 1, "logits": [0.25, -1.5]}
    {"name": "b.mp4", "targets": [0, 1], "logits": null}

`target` is a class number; `targets` are the class numbers of a video in multi-label data; a file
without labels has neither. `logits` is null for a video that could not be read. Scores that are not
logits are called `scores`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anetc.data.formats.text_files import line_error
from anetc.evaluation.predictions.rows import Predictions, RowCollector, format_score
from anetdsl.errors import CannotRun

SCHEMA = "anetdsl-predictions"
SCHEMA_VERSION = 1


def to_jsonl(predictions: Predictions) -> str:
    """Write a `.jsonl` file."""
    head = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **predictions.about,
        "classes": predictions.classes,
    }
    key = "logits" if predictions.are_logits else "scores"
    lines = [json.dumps(head, ensure_ascii=False)]
    for index, name in enumerate(predictions.names):
        row: dict[str, object] = {"name": name}
        target = predictions.target(index)
        if target is not None:
            row["targets" if isinstance(target, list) else "target"] = target
        text = json.dumps(row, ensure_ascii=False).removesuffix("}")
        scores = predictions.scores[index]
        # JSON has no NaN and no infinity; a number too large for a float is read as infinity.
        numbers = [format_score(value, "null", "1e999") for value in scores]
        values = "null" if np.isnan(scores).all() else f"[{', '.join(numbers)}]"
        lines.append(f'{text}, "{key}": {values}}}')
    return "\n".join(lines) + "\n"


def from_jsonl(path: Path, text: str) -> Predictions:
    """Read the text of a `.jsonl` file. Raises CannotRun, with the line, for an error."""
    rows = RowCollector(path)
    head: Mapping[str, Any] | None = None
    logits = True
    for line, row in _objects(path, text):
        if head is None:
            head = _head(path, line, row)
            rows.width = len(head["classes"]) if head["classes"] is not None else None
            continue
        if unknown := row.keys() - {"name", "target", "targets", "logits", "scores"}:
            raise line_error(path, line, f"unknown key `{sorted(unknown)[0]}` of a video")
        if ("logits" in row) == ("scores" in row):
            raise line_error(path, line, "a video must have either `logits` or `scores`")
        if "target" in row and "targets" in row:
            raise line_error(path, line, "a video must not have both `target` and `targets`")
        logits = logits and "logits" in row
        values = row.get("logits", row.get("scores"))
        rows.add(line, row.get("name"), _scores(path, line, values), _target(path, line, row))
    if head is None:
        raise CannotRun(f"{path}: the file is empty")
    own = {"schema", "schema_version", "classes"}
    about = {key: value for key, value in head.items() if key not in own}
    return rows.finish(head["classes"], logits=logits, about=about)


def _objects(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the JSON objects of the lines that are not blank, with their line numbers."""
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except (ValueError, RecursionError) as error:
            raise line_error(path, line, f"the line is not valid JSON: {error}") from None
        if not isinstance(value, dict):
            raise line_error(path, line, "a line must be a JSON object")
        yield line, value


def _head(path: Path, line: int, row: dict[str, Any]) -> dict[str, Any]:
    """Check the first object of a file and return it with its `classes`, which may be None."""
    if row.get("schema") != SCHEMA:
        what = (
            f'the file must start with {{"schema": "{SCHEMA}", "schema_version": 1, '
            '"classes": [...]}'
        )
        raise line_error(path, line, what)
    if row.get("schema_version") != SCHEMA_VERSION:
        version = repr(row.get("schema_version"))[:20]
        raise line_error(
            path,
            line,
            f"schema version {version} is not supported; this version of anetc reads "
            f"version {SCHEMA_VERSION}",
        )
    classes = row.get("classes")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if classes is not None and not (named and classes and len(set(classes)) == len(classes)):
        raise line_error(path, line, "`classes` must be a list of different names, or null")
    return {**row, "classes": classes}


def _scores(path: Path, line: int, values: object) -> list[float] | None:
    if values is None:
        return None
    if isinstance(values, list) and values:
        numbers = [math.nan if value is None else value for value in values]
        if all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            try:
                return [float(number) for number in numbers]
            except OverflowError:
                pass
    raise line_error(path, line, "scores must be a list of numbers, or null")


def _target(path: Path, line: int, row: Mapping[str, Any]) -> int | list[int] | None:
    if "target" in row:
        if type(row["target"]) is int:
            return int(row["target"])
        raise line_error(path, line, "`target` must be a class number")
    if "targets" in row:
        numbers = row["targets"]
        if isinstance(numbers, list) and all(type(number) is int for number in numbers):
            return numbers
        raise line_error(path, line, "`targets` must be a list of class numbers")
    return None
