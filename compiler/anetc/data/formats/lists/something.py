"""Something-Something v2: labels.json, train.json, validation.json and test.json.

    labels.json        {"Holding something next to something": "0", ...}
    train.json         [{"id": "78687", "label": "holding potato next to bottle",
                         "template": "Holding [something] next to [something]", ...}, ...]
    test.json          [{"id": "1420"}, ...], with the labels in test-answers.csv, `1420;LABEL`

The files may have the prefix `something-something-v2-`. The class of a video is its template
without brackets. The videos are ID.webm in any folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anetc.data.formats.lists.list_rows import ListRow, VideoList
from anetc.data.formats.text_files import line_error, lines, read_text
from anetc.data.values import Split
from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun

PREFIXES = ("", "something-something-v2-", "something-something-")
FILES: dict[Split, str] = {
    "train": "train.json",
    "validation": "validation.json",
    "test": "test.json",
}
LABELS = "labels.json"
ANSWERS = "test-answers.csv"


def something_file(folder: Path, name: str) -> Path | None:
    """Return the path of a file with one of the prefixes, or None."""
    found = (folder / f"{prefix}{name}" for prefix in PREFIXES)
    return next((path for path in found if path.is_file()), None)


def read_something(folder: Path) -> VideoList:
    """Read the lists in a folder. Raises CannotRun for missing files and other content."""
    path = something_file(folder, LABELS)
    if path is None:
        raise CannotRun(f"{folder / LABELS}: no such file")
    classes = _classes(path)
    known = {_key(name): name for name in classes}
    rows: list[ListRow] = []
    unlabelled: set[Split] = set()
    for split, name in FILES.items():
        file = something_file(folder, name)
        if file is None:
            continue
        answers = _answers(folder) if split == "test" else {}
        for number, entry in enumerate(_entries(file), 1):
            id_ = str(entry.get("id", ""))
            template = entry.get("template", answers.get(id_))
            if template is None and split == "test":
                unlabelled.add(split)
                continue
            if not id_ or "/" in id_ or not isinstance(template, str):
                raise CannotRun(f"{file}: entry {number} must have an `id` and a `template`")
            label = known.get(_key(template))
            if label is None:
                guess = did_you_mean(template.replace("[", "").replace("]", ""), classes)
                hint = f"; did you mean `{guess}`?" if guess else ""
                raise CannotRun(f"{file}: entry {number}: `{template}` is not in {LABELS}{hint}")
            paths = (f"{id_}.webm", f"{id_}.mp4")
            rows.append(ListRow(file, number, paths, (id_,), (label,), split))
    if not rows:
        raise CannotRun(f"{folder}: there is no {' and no '.join(FILES.values())}")
    return VideoList(rows, classes, frozenset(unlabelled - {row.split for row in rows}))


def _key(template: str) -> str:
    return " ".join(template.replace("[", "").replace("]", "").casefold().split())


def _classes(path: Path) -> tuple[str, ...]:
    """Read the classes in the order of their numbers."""
    table = _json(path)
    if not isinstance(table, dict) or not table:
        raise CannotRun(f"{path}: must be an object with the number of each class")
    numbers = {}
    for name, number in table.items():
        if not str(number).isdecimal():
            raise CannotRun(f"{path}: `{number}` is not the number of a class")
        numbers[int(number)] = name
    if sorted(numbers) != list(range(len(table))):
        raise CannotRun(f"{path}: the numbers must be 0 to {len(table) - 1}, each once")
    return tuple(numbers[number] for number in range(len(table)))


def _entries(path: Path) -> list[dict[str, Any]]:
    entries = _json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CannotRun(f"{path}: must be a list of objects")
    return entries


def _answers(folder: Path) -> dict[str, str]:
    path = something_file(folder, ANSWERS)
    if path is None:
        return {}
    found = {}
    for line, text in lines(path):
        name, mark, label = text.partition(";")
        if not mark:
            raise line_error(path, line, f"expected `id;label`, not `{text[:80]}`")
        found[name.strip()] = label.strip()
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: not JSON: {error}") from None
