"""How a report says amounts and what an operator did."""

from __future__ import annotations

from collections.abc import Iterable

from anetdsl.evolve.candidates import Record
from anetdsl.report.charts import short_number

_LONGEST = 120
_FEW = 3


def fitness_label(records: Iterable[Record]) -> str:
    """What an axis of fitness is called: the paper's measure where there is one, else the name."""
    if any(record.top5 is not None for record in records):
        return "fitness (top-1 + top-5, %)"
    return "fitness"


def amount(value: float | None) -> str:
    """A count in few digits; a dash where it is not known."""
    return "–" if value is None else short_number(value)


def shortened(sentence: str) -> str:
    """An operator's sentence for a reader, with long lists of edges as their lengths.

    >>> shortened("edges: kept 12, dropped s0->n6 n4->n6 n5->n6 n5->n10, added s1->n7")
    'edges: kept 12, dropped 4, added s1→n7'
    """
    short = ", ".join(map(_counted, sentence.split(", ")))
    short = short.replace("->", "→")
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"


def _counted(part: str) -> str:
    words = part.split()
    edges = [word for word in words if "->" in word[1:-1]]
    if len(edges) <= _FEW or words[-len(edges) :] != edges:
        return part
    return " ".join([*words[: -len(edges)], str(len(edges))])
