"""Format numbers, settings and operations for a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anetdsl.evolve.candidates import Record
from anetdsl.report.charts import short_number

_LONGEST = 120
_MAX_EDGES = 3


def fitness_label(records: Iterable[Record]) -> str:
    """Return the label of a fitness axis: the measure of the paper if the records have it."""
    if any(record.top5 is not None for record in records):
        return "fitness (top-1 + top-5, %)"
    return "fitness"


def amount(value: float | None) -> str:
    """Format a count in few digits; None is a dash."""
    return "–" if value is None else short_number(value)


def shortened(sentence: str) -> str:
    """Shorten the sentence of an operation: long lists of edges become their lengths.

    >>> shortened("edges: kept 12, dropped s0->n6 n4->n6 n5->n6 n5->n10, added s1->n7")
    'edges: kept 12, dropped 4, added s1→n7'
    """
    short = ", ".join(map(_counted, sentence.split(", ")))
    short = short.replace("->", "→")
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"


def _counted(part: str) -> str:
    words = part.split()
    edges = [word for word in words if "->" in word[1:-1]]
    if len(edges) <= _MAX_EDGES or words[-len(edges) :] != edges:
        return part
    return " ".join([*words[: -len(edges)], str(len(edges))])


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings to texts by dotted names; None is left out.

    >>> flatten({"a": 1, "b": {"c": [2, 3], "d": None, "e": True}})
    {'a': '1', 'b.c': '2, 3', 'b.e': 'true'}
    """
    pairs: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs |= flatten(value, f"{prefix}{key}.")
        elif isinstance(value, bool):
            pairs[f"{prefix}{key}"] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            pairs[f"{prefix}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            pairs[f"{prefix}{key}"] = str(value)
    return pairs
