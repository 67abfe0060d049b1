"""Build HTML as a separate type, so that unescaped text cannot enter a page by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NewType

import attrs

from anetdsl.evolve.fitness_values import with_error
from anetdsl.report.charts import escaped, short_number

Markup = NewType("Markup", str)
"""HTML whose texts are escaped."""

_VOID = frozenset({"br", "img", "link", "meta"})


def text(value: object) -> Markup:
    """Escape untrusted text."""
    return Markup(escaped(value))


def joined(parts: Iterable[Markup], between: str = "") -> Markup:
    """Join pieces of HTML with an untrusted text between them."""
    return Markup(escaped(between).join(parts))


def tag(name: str, /, *children: Markup, **attributes: object) -> Markup:
    """Write an element. `class_` is the attribute `class`, `data_v` is `data-v`; None is left out.

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
    """Write a paragraph."""
    return tag("p", *children, class_=class_)


def figure(heading: str, picture: Markup, caption: str) -> Markup:
    """Write a picture with a heading above and a caption below.

    On a narrow screen, the picture can be scrolled sideways.
    """
    return tag(
        "figure",
        tag("h3", text(heading)),
        tag("div", picture, class_="wide", tabindex=0, role="group", aria_label=heading),
        tag("figcaption", text(caption)),
    )


def tiles(figures: Iterable[tuple[str, str, str]]) -> Markup:
    """Write the main figures of a page side by side: label, value and details of each."""
    return tag(
        "dl",
        *(
            tag(
                "div",
                tag("dt", text(label)),
                tag("dd", text(value), *([tag("small", text(details))] if details else [])),
            )
            for label, value, details in figures
        ),
        class_="tiles",
    )


def folded(summary: str, content: Markup, *, opened: bool = False) -> Markup:
    """Write content that is hidden until the reader opens it."""
    return tag("details", tag("summary", text(summary)), content, open="" if opened else None)


@attrs.frozen
class TableColumn:
    """A column of a table. `amount` is a number in few digits, `prose` a longer text.

    A cell of a `number` may be a pair: the number and its standard error.
    """

    heading: str
    kind: Literal["number", "amount", "text", "prose"] = "text"
    decimals: int = 0


_PROSE = ' class="prose"'
Cell = float | str | tuple[float, float | None] | None


def table(
    columns: Sequence[TableColumn],
    rows: Iterable[Sequence[Cell]],
    *,
    caption: str,
    sortable: bool = True,
) -> Markup:
    """Write a table, which can be scrolled sideways on a narrow screen.

    A click on a heading sorts the table by that column, if `sortable` and scripts are allowed.
    Optional end tags of rows and cells are left out, since a table may have 20,000 rows.
    """
    numbers = [f"n{place}" for place, c in enumerate(columns, 1) if c.kind in ("number", "amount")]
    kinds = " ".join([*(["sortable"] if sortable else []), *numbers])
    head = "".join(
        f'<th scope="col"{_PROSE if column.kind == "prose" else ""}>{escaped(column.heading)}'
        for column in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, v) for c, v in zip(columns, row, strict=True))}\n" for row in rows
    )
    inner = Markup(
        f"<caption><span>{escaped(caption)}</span></caption><thead><tr>{head}</thead><tbody>\n{body}</tbody>"
    )
    content = tag("table", inner, class_=kinds or None)
    return tag("div", content, class_="wide", tabindex=0, role="group", aria_label=caption)


def _cell(column: TableColumn, value: Cell) -> str:
    if value is None:
        return "<td>"
    if isinstance(value, tuple):
        number, error = value
        if error is None:
            return f"<td>{number:,.{column.decimals}f}"
        shown = with_error(number, error, column.decimals).replace(" ", "\N{NO-BREAK SPACE}")
        return f'<td data-v="{number:.6g}">{shown}'
    if isinstance(value, float | int):
        if column.kind == "amount":
            return f'<td data-v="{value:.6g}">{short_number(value)}'
        return f"<td>{value:,.{column.decimals}f}"
    return f"<td>{escaped(value)}"
