"""Predictions as JSON lines.

The first object says what follows; then there is one for each video:

    {"schema": "anetdsl-predictions", "schema_version": 1, "classes": ["jog", "walk"], ...}
    {"name": "a.mp4", "target": 1, "logits": [0.25, -1.5]}
    {"name": "b.mp4", "targets": [0, 1], "logits": null}

`target` is a class's number, `targets` are those of a video that may have several; neither has to
be there. `logits` is null for a video that could not be read; scores that are no logits are called
`scores`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anetc.data.formats.text_files import wrong
from anetc.evaluation.predictions.rows import Predictions, Rows, shown_number, target_of
from anetdsl.errors import CannotRun

SCHEMA = "anetdsl-predictions"
SCHEMA_VERSION = 1


def to_jsonl(predictions: Predictions) -> str:
    """The text of a `.jsonl` file."""
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
        target = target_of(predictions, index)
        if target is not None:
            row["targets" if isinstance(target, list) else "target"] = target
        text = json.dumps(row, ensure_ascii=False).removesuffix("}")
        scores = predictions.scores[index]
        # JSON has no NaN; a number that is too large for a float is read as infinite.
        numbers = [shown_number(value, "null", "1e999") for value in scores]
        told = "null" if np.isnan(scores).all() else f"[{', '.join(numbers)}]"
        lines.append(f'{text}, "{key}": {told}}}')
    return "\n".join(lines) + "\n"


def from_jsonl(path: Path, text: str) -> Predictions:
    """What a `.jsonl` file holds. Raises CannotRun, with the line."""
    rows = Rows(path)
    head: Mapping[str, Any] | None = None
    logits = True
    for line, row in _objects(path, text):
        if head is None:
            head = _head(path, line, row)
            rows.width = len(head["classes"]) if head["classes"] is not None else None
            continue
        if unknown := row.keys() - {"name", "target", "targets", "logits", "scores"}:
            raise wrong(path, line, f"a video has no `{sorted(unknown)[0]}`")
        if ("logits" in row) == ("scores" in row):
            raise wrong(path, line, "a video has either `logits` or `scores`")
        if "target" in row and "targets" in row:
            raise wrong(path, line, "a video has either `target` or `targets`")
        logits = logits and "logits" in row
        given = row.get("logits", row.get("scores"))
        rows.add(
            line, row.get("name"), _json_scores(path, line, given), _json_target(path, line, row)
        )
    if head is None:
        raise CannotRun(f"{path}: the file is empty")
    known = {"schema", "schema_version", "classes"}
    about = {key: value for key, value in head.items() if key not in known}
    return rows.done(head["classes"], logits=logits, about=about)


def _objects(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except (ValueError, RecursionError) as error:
            raise wrong(path, line, f"this is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise wrong(path, line, "a line is a JSON object")
        found.append((line, value))
    return found


def _head(path: Path, line: int, row: dict[str, Any]) -> dict[str, Any]:
    if row.get("schema") != SCHEMA:
        what = (
            f'the file starts with {{"schema": "{SCHEMA}", "schema_version": 1, "classes": [...]}}'
        )
        raise wrong(path, line, what)
    if row.get("schema_version") != SCHEMA_VERSION:
        version = repr(row.get("schema_version"))[:20]
        raise wrong(path, line, f"version {version}; this version of anetc reads {SCHEMA_VERSION}")
    classes = row.get("classes")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if classes is not None and not (named and classes and len(set(classes)) == len(classes)):
        raise wrong(path, line, "`classes` must be a list of different names, or null")
    return {**row, "classes": classes}


def _json_scores(path: Path, line: int, given: object) -> list[float] | None:
    if given is None:
        return None
    if isinstance(given, list) and given:
        numbers = [math.nan if value is None else value for value in given]
        if all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            try:
                return [float(number) for number in numbers]
            except OverflowError:
                pass
    raise wrong(path, line, "scores are a list of numbers, or null")


def _json_target(path: Path, line: int, row: Mapping[str, Any]) -> int | list[int] | None:
    if "target" in row:
        if type(row["target"]) is int:
            return int(row["target"])
        raise wrong(path, line, "`target` is the number of a class")
    if "targets" in row:
        numbers = row["targets"]
        if isinstance(numbers, list) and all(type(number) is int for number in numbers):
            return numbers
        raise wrong(path, line, "`targets` is a list of numbers of classes")
    return None
