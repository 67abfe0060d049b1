"""Pictures as values, and their DOT text.

Names and titles come from strangers. They reach the text in two ways only: through `identifier`,
which keeps letters, digits and `_` and spells out the rest, and through `shown`, which escapes what
markup gives a meaning to. All else that is written is numbers and words of our own.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Literal

import attrs

Direction = Literal["LR", "TB"]
"""LR: a column per level, inputs on the left. TB: a row per level, inputs on top."""
Attributes = Mapping[str, str | float]

FONT = "Helvetica"
INK = "#222222"
FAINT_INK = "#707070"


@attrs.frozen
class Box:
    """An input, a node or the sink. `label` is markup, made of `shown` texts."""

    id: str
    label: str
    attributes: Attributes


@attrs.frozen
class Arrow:
    """An edge between the boxes of those identifiers. `label` is markup; it stands beside."""

    tail: str
    head: str
    attributes: Attributes
    label: str = ""


@attrs.frozen
class Column:
    """Boxes side by side under a heading: a column of an LR picture, a row of a TB one."""

    heading: str
    boxes: tuple[Box, ...]


@attrs.frozen
class Picture:
    """All that is drawn. `caption` is markup; it stands beneath."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    arrows: tuple[Arrow, ...]
    direction: Direction = "LR"


def identifier(name: str) -> str:
    """A name as an identifier that needs no escapes. Different names give different ones.

    >>> identifier("n4"), identifier("a-b")
    ('n4', 'a{2d}b')
    """
    return "".join(c if c == "_" or c.isalnum() else f"{{{ord(c):x}}}" for c in name)


def shown(text: str, longest: int = 24) -> str:
    """Untrusted text as markup: escaped, of one line, cut in its middle when it is long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) > longest:
        text = f"{text[: longest - 11]}...{text[-8:]}"
    return html.escape(text) if text.strip() else "(unnamed)"


def small(markup: str, color: str | None = None) -> str:
    """Markup in the size of a box's second line."""
    paint = f' color="{color}"' if color else ""
    return f'<font point-size="9"{paint}>{markup}</font>'


def write(picture: Picture) -> str:
    """The picture as DOT text: the same picture gives the same text on every machine."""
    lines = [
        f'digraph "{identifier(picture.name) or "network"}" {{',
        *(f"  {line}" for line in _defaults(picture)),
        *(f"  {line}".rstrip() for line in _ranks(picture.columns)),
        "",
        *(f"  {line}" for line in _arrows(picture)),
        "",
        f"  label=<{picture.caption}>;",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _defaults(picture: Picture) -> Iterator[str]:
    across = picture.direction == "LR"
    streams = max((len(column.boxes) for column in picture.columns), default=1)
    # Arrows stay apart only if a picture of many streams is wide as well as high.
    spread = min(max(1.0, streams / 6), 4.0)
    graph: Attributes = {
        "rankdir": picture.direction,
        "ranksep": (0.75 if across else 0.5) * spread,
        "nodesep": 0.2,
        "pad": 0.15,
        "outputorder": "edgesfirst",
        "bgcolor": "white",
        "fontname": FONT,
        "fontsize": 9,
        "fontcolor": INK,
        "labelloc": "b",
    }
    node: Attributes = {
        "shape": "box",
        "style": "rounded,filled",
        "fillcolor": "white",
        "color": INK,
        "fontname": FONT,
        "fontsize": 12,
        "fontcolor": INK,
        "margin": "0.09,0.04",
        "width": 0.85,
        "height": 0.5,
    }
    edge: Attributes = {"arrowsize": 0.6, "fontname": FONT, "fontsize": 8, "fontcolor": INK}
    yield f"graph [{_listed(graph)}];"
    yield f"node [{_listed(node)}];"
    yield f"edge [{_listed(edge)}];"


_HEADING: Attributes = {
    "shape": "plaintext",
    "style": "",
    "fontsize": 10,
    "fontcolor": FAINT_INK,
    "width": 0,
    "height": 0.3,
}


def _ranks(columns: tuple[Column, ...]) -> Iterator[str]:
    """A rank for each column, held in place by a chain of unseen arrows between the headings."""
    for number, column in enumerate(columns):
        yield ""
        yield "{"
        yield "  rank=same;"
        yield f'  {_heading_id(number)} [label="{column.heading}", {_listed(_HEADING)}];'
        for box in column.boxes:
            attributes = f", {_listed(box.attributes)}" if box.attributes else ""
            yield f'  "{box.id}" [label=<{box.label}>{attributes}];'
        yield "}"
    yield ""
    yield f"{' -> '.join(map(_heading_id, range(len(columns))))} [style=invis];"


def _heading_id(number: int) -> str:
    """An identifier that no name can have."""
    return f'"(column {number})"'


def _arrows(picture: Picture) -> Iterator[str]:
    place = {
        box.id: number for number, column in enumerate(picture.columns) for box in column.boxes
    }
    for arrow in picture.arrows:
        attributes = dict(arrow.attributes)
        if place.get(arrow.tail, -1) >= place.get(arrow.head, -1):
            # Only a network with errors has such an edge; it must not move a column.
            attributes["constraint"] = "false"
        label = f"label=<{_beside(arrow.label)}>, " if arrow.label else ""
        yield f'"{arrow.tail}" -> "{arrow.head}" [{label}{_listed(attributes)}];'


def _beside(markup: str) -> str:
    """Markup with room around it, so that it stands clear of its arrow."""
    options = 'border="0" cellborder="0" cellspacing="0" cellpadding="3"'
    return f"<table {options}><tr><td>{markup}</td></tr></table>"


def _listed(attributes: Attributes) -> str:
    return ", ".join(f"{key}={_value(value)}" for key, value in attributes.items())


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value if value.isascii() and value.isalpha() else f'"{value}"'
    return f"{value:.4g}"
