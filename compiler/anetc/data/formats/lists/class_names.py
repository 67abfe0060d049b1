"""Read the names of classes, for lists with numbers.

The file has one name in each line; or `number name`, `number,name` or `name,number`, with numbers
from 0 or 1; or it is JSON, a list of names or an object with the number of each name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from anetc.data.formats.text_files import line_error, lines, read_text
from anetdsl.errors import CannotRun

_NUMBER_FIRST = re.compile(r"(\d{1,6})(?:\s*[,;\t]\s*|\s+)(\S.*)", re.ASCII)
_NUMBER_LAST = re.compile(r"(\S.*?)\s*[,;\t]\s*(\d{1,6})", re.ASCII)
_HEADER = re.compile(
    r"(id|index|number|label|class)\s*[,;\t]\s*\w+|\w+\s*[,;\t]\s*(id|index|number)"
)


def read_class_names(path: Path) -> dict[int, str]:
    """Return the names by number; they count from 0 if the file has no numbers. Raises CannotRun.

    Numbers have no gaps and begin with 0 or 1. Names are different.
    """
    text = read_text(path)
    if text.lstrip()[:1] in ("[", "{"):
        return _checked(path, _from_json(path, text))
    found = list(lines(path))
    if found and _HEADER.fullmatch(found[0][1].lower()):
        del found[0]
    for pattern, number, name in ((_NUMBER_FIRST, 1, 2), (_NUMBER_LAST, 2, 1)):
        matches = [pattern.fullmatch(line) for _, line in found]
        if found and all(matches):
            pairs = [(int(m[number]), m[name].strip().strip('"')) for m in matches if m]
            # Names such as `2 hands` begin with numbers that count nothing.
            if sorted(n for n, _ in pairs) in (
                list(range(len(pairs))),
                list(range(1, len(pairs) + 1)),
            ):
                return _checked(path, pairs)
    return _checked(path, list(enumerate(line for _, line in found)))


def read_numbered_names(path: Path) -> dict[int, str]:
    """Return the names of lines `number name`. Raises CannotRun for other lines."""
    pairs = []
    for line, text in lines(path):
        match = _NUMBER_FIRST.fullmatch(text)
        if match is None:
            raise line_error(path, line, f"expected `number name`, not `{text[:80]}`")
        pairs.append((int(match[1]), match[2].strip()))
    return _checked(path, pairs)


def _from_json(path: Path, text: str) -> list[tuple[int, str]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path}: not JSON: {error}") from None
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return list(enumerate(value))
    if isinstance(value, dict):
        names, numbers = list(value), [str(number) for number in value.values()]
        if all(name.isdecimal() for name in names):
            names, numbers = numbers, names
        if all(number.isdecimal() for number in numbers):
            return [(int(number), name) for number, name in zip(numbers, names)]
    raise CannotRun(f"{path}: must be a list of names, or an object with the number of each name")


def _checked(path: Path, pairs: list[tuple[int, str]]) -> dict[int, str]:
    names = dict(pairs)
    if not names:
        raise CannotRun(f"{path}: there are no names of classes")
    first = min(names)
    if len(names) < len(pairs) or sorted(names) != list(range(first, first + len(names))):
        raise CannotRun(f"{path}: the numbers of the classes must be consecutive, each once")
    if first > 1:
        raise CannotRun(f"{path}: the numbers of the classes must begin with 0 or 1, not {first}")
    if len(set(names.values())) < len(names):
        raise CannotRun(f"{path}: two classes have the same name")
    return names
