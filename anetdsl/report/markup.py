"""HTML as a type of its own: what is not yet escaped cannot be put into a page by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NewType

import attrs

from anetdsl.report.charts import escaped, short_number

Markup = NewType("Markup", str)
"""HTML that can stand in a page as it is."""

_VOID = frozenset({"br", "img", "meta"})


def text(value: object) -> Markup:
    """Untrusted text."""
    return Markup(escaped(value))


def joined(parts: Iterable[Markup], between: str = "") -> Markup:
    """Pieces one behind the other, with an untrusted text between them."""
    return Markup(escaped(between).join(parts))


def tag(name: str, /, *children: Markup, **attributes: object) -> Markup:
    """An element. `class_` is the attribute `class`, `data_v` is `data-v`; None is left out.

    >>> tag("p", text("a < b"), class_="x")
    '<p class="x">a &lt; b</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{''.join(children)}</{name}>")


def paragraph(*children: Markup, class_: str | None = None) -> Markup:
    """A paragraph."""
    return tag("p", *children, class_=class_)


def figure(heading: str, picture: Markup, caption: str) -> Markup:
    """A picture with its heading above and, below, what is to be seen in it.

    On a narrow screen the picture can be moved sideways.
    """
    return tag(
        "figure",
        tag("h3", text(heading)),
        tag("div", picture, class_="wide", tabindex=0, role="group", aria_label=heading),
        tag("figcaption", text(caption)),
    )


def folded(summary: str, content: Markup, *, opened: bool = False) -> Markup:
    """Content that is shown when its summary is pressed."""
    return tag("details", tag("summary", text(summary)), content, open="" if opened else None)


@attrs.frozen
class TableColumn:
    """A table's column. `amount` is a number in few digits, `said` a text of some length."""

    heading: str
    kind: Literal["number", "amount", "text", "said"] = "text"
    decimals: int = 0


_SAID = ' class="said"'
Cell = float | str | None


def table(
    columns: Sequence[TableColumn],
    rows: Iterable[Sequence[Cell]],
    *,
    caption: str,
    sortable: bool = True,
) -> Markup:
    """A table, which can be moved sideways on a narrow screen.

    Where scripts run, a press on a heading sorts it by that column. Rows are written without the
    end tags that HTML can do without: there may be 20,000 of them.
    """
    numbers = [f"n{place}" for place, c in enumerate(columns, 1) if c.kind in ("number", "amount")]
    kinds = " ".join([*(["sortable"] if sortable else []), *numbers])
    head = "".join(
        f'<th scope="col"{_SAID if column.kind == "said" else ""}>{escaped(column.heading)}'
        for column in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, v) for c, v in zip(columns, row, strict=True))}\n" for row in rows
    )
    inner = Markup(
        f"<caption>{escaped(caption)}</caption><thead><tr>{head}</thead><tbody>\n{body}</tbody>"
    )
    shown = tag("table", inner, class_=kinds or None)
    return tag("div", shown, class_="wide", tabindex=0, role="group", aria_label=caption)


def _cell(column: TableColumn, value: Cell) -> str:
    if value is None:
        return "<td>"
    if isinstance(value, float | int):
        if column.kind == "amount":
            return f'<td data-v="{value:.6g}">{short_number(value)}'
        return f"<td>{value:,.{column.decimals}f}"
    return f"<td>{escaped(value)}"
