"""Tell the lists whose labels are numbers from those with names, and refuse mixtures of both.

One wrong label among numbers, such as the letter `l`, would otherwise make names of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from anetc.data.formats.lists.list_rows import ListRow
from anetc.data.formats.text_files import line_error
from anetdsl.errors import CannotRun

_WHOLE = re.compile(r"(\d{1,400})(?:\.0*)?", re.ASCII)
_NEGATIVE = re.compile(r"-\d{1,400}(?:\.0*)?", re.ASCII)
_FEW = 3
_ADVICE = "if labels are names, list all classes with the option classes=FILE"


def is_number(text: str) -> bool:
    """Return whether a label is a whole number, also as pandas writes it: 1.0."""
    return _WHOLE.fullmatch(text) is not None


def plain_numbers(rows: Sequence[ListRow], classes: Iterable[str] | None) -> list[ListRow]:
    """Return the rows with whole numbers such as 1.0 as numbers, if the labels are numbers.

    `classes` are the names of the classes, if they are known. Raises CannotRun with the line for a
    negative number, for one of few labels that are no numbers, and for a number that is so large
    that there cannot be as many classes.
    """
    known = frozenset(classes or ())
    names: list[tuple[ListRow, str]] = []
    total = 0
    for row in rows:
        for label in row.labels:
            total += 1
            if isinstance(label, int) or label in known:
                continue
            if _NEGATIVE.fullmatch(label):
                raise _negative(row, label)
            if not is_number(label):
                names.append((row, label))
    numbers = total - len(names)
    if classes is None and names:
        if len(names) <= max(_FEW, total // 10) and len(names) < numbers:
            row, label = names[0]
            raise _error(
                row,
                f"the label `{label[:80]}` is not a number, but {numbers} of the {total} labels "
                f"are; {_ADVICE}",
            )
        return list(rows)
    plain = [attrs.evolve(row, labels=_plain(row.labels, known)) for row in rows]
    if classes is None:
        _refuse_large(plain)
    return plain


def _plain(labels: tuple[str | int, ...], known: frozenset[str]) -> tuple[str | int, ...]:
    found: list[str | int] = []
    for label in labels:
        match = None if isinstance(label, int) or label in known else _WHOLE.fullmatch(label)
        found.append(label if match is None else int(match[1]))
    return tuple(dict.fromkeys(found))


def _refuse_large(rows: Sequence[ListRow]) -> None:
    limit = 10 * len(rows) + 1000
    for row in rows:
        for label in row.labels:
            if isinstance(label, int) and label > limit:
                raise _error(
                    row,
                    f"the label {str(label)[:40]} is too large for the number of a class: the "
                    f"lists have only {len(rows)} rows; {_ADVICE}",
                )


def _negative(row: ListRow, label: str) -> CannotRun:
    if _NEGATIVE.fullmatch(label) and float(label) == -1:
        return _error(row, f"the label {label} means that there is no label; remove this row")
    return _error(row, f"the label {label[:40]} is negative; classes are numbered from 0 or 1")


def _error(row: ListRow, message: str) -> CannotRun:
    return line_error(row.file, row.line, message)
