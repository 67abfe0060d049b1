"""Write the legend below a drawing, as Graphviz markup: one row with a title and entries."""

from __future__ import annotations

from collections.abc import Iterable


def caption(title: str, entries: Iterable[str]) -> str:
    """Return the row. `title` is markup; entries come from `swatch`, `stroke` and `words`."""
    cells = "".join((f"<td><b>{title}  </b></td>", *entries))
    return _table(f"<tr>{cells}</tr>", spacing=4)


def swatch(fill: str, line: str, meaning: str) -> str:
    """Return an entry: a small box with these colours, and its meaning."""
    size = 'fixedsize="true" width="15" height="10"'
    box = f'<td {size} border="1" color="{line}" bgcolor="{fill}"></td>'
    return f"<td>{_table(f'<tr>{box}</tr>')}</td>{words(meaning)}"


def stroke(
    color: str, width: float, meaning: str, *, dashed: bool = False, dotted: bool = False
) -> str:
    """Return an entry: a short line, and its meaning."""
    length, times = (2, 6) if dotted else (4, 4) if dashed else (24, 1)
    size = f'fixedsize="true" width="{length}" height="{max(1, round(width))}"'
    line = f'<td {size} bgcolor="{color}"></td>' * times
    gap = 3 if dashed or dotted else 0
    return f"<td>{_table(f'<tr>{line}</tr>', spacing=gap)}</td>{words(meaning)}"


def words(text: str) -> str:
    """Return an entry of words only."""
    # With the bold spaces Graphviz puts the words on the baseline of the bold title, not lower.
    return f"<td>{text}<b>  </b></td>"


def _table(rows: str, spacing: int = 0) -> str:
    options = f'border="0" cellborder="0" cellpadding="0" cellspacing="{spacing}"'
    return f"<table {options}>{rows}</table>"
