"""Pictures as values, and their DOT text.

Names and titles come from strangers. They reach the text in two ways only: through `identifier`,
which keeps letters, digits and `_` and spells out the rest, and through `shown`, which escapes what
markup gives a meaning to. All else that is written is numbers and words of our own.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping
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

    @property
    def places(self) -> dict[str, int]:
        """The column of each box, by its identifier."""
        return {box.id: number for number, c in enumerate(self.columns) for box in c.boxes}


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
    import graphviz  # only who draws shall wait for it

    graph = graphviz.Digraph(identifier(picture.name) or "network")
    graph.attr("graph", **_written(_graph_attributes(picture)))
    graph.attr("node", **_written(_NODE))
    graph.attr("edge", **_written(_EDGE))
    headings = [_heading_id(number) for number in range(len(picture.columns))]
    for heading, column in zip(headings, picture.columns):
        # A rank for each column, held in place by a chain of unseen arrows between the headings.
        with graph.subgraph() as rank:
            rank.attr(rank="same")
            rank.node(heading, column.heading, **_written(_HEADING))
            for box in column.boxes:
                rank.node(box.id, f"<{box.label}>", **_written(box.attributes))
    for left, right in itertools.pairwise(headings):
        graph.edge(left, right, style="invis")
    places = picture.places
    for arrow in picture.arrows:
        label = f"<{_beside(arrow.label)}>" if arrow.label else None
        graph.edge(arrow.tail, arrow.head, label, **_written(_arrow_attributes(arrow, places)))
    graph.attr(label=f"<{picture.caption}>")
    return str(graph.source)


_NODE: Attributes = {
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
_EDGE: Attributes = {"arrowsize": 0.6, "fontname": FONT, "fontsize": 8, "fontcolor": INK}
_HEADING: Attributes = {
    "shape": "plaintext",
    "style": "",
    "fontsize": 10,
    "fontcolor": FAINT_INK,
    "width": 0,
    "height": 0.3,
}


def _graph_attributes(picture: Picture) -> Attributes:
    across = picture.direction == "LR"
    streams = max((len(column.boxes) for column in picture.columns), default=1)
    # Arrows stay apart only if a picture of many streams is wide as well as high.
    spread = min(max(1.0, streams / 6), 4.0)
    return {
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


def _arrow_attributes(arrow: Arrow, place: Mapping[str, int]) -> Attributes:
    if place.get(arrow.tail, -1) >= place.get(arrow.head, -1):
        # Only a network with errors has such an edge; it must not move a column.
        return {**arrow.attributes, "constraint": "false"}
    return arrow.attributes


def _heading_id(number: int) -> str:
    """An identifier that no name can have."""
    return f"(column {number})"


def _beside(markup: str) -> str:
    """Markup with room around it, so that it stands clear of its arrow."""
    options = 'border="0" cellborder="0" cellspacing="0" cellpadding="3"'
    return f"<table {options}><tr><td>{markup}</td></tr></table>"


def _written(attributes: Attributes) -> dict[str, str]:
    """Attributes for the graphviz package, which quotes them."""
    return {
        key: value if isinstance(value, str) else f"{value:.4g}"
        for key, value in attributes.items()
    }
