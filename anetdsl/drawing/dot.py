"""Drawings as values, and their DOT text.

Names and titles may come from an untrusted file. They reach the DOT text in two ways only: through
`identifier`, which keeps letters, digits and `_` and encodes the rest, and through `escaped`, which
escapes the characters that have a meaning in markup. Everything else is written by this package.
"""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    import graphviz

Direction = Literal["LR", "TB"]
"""LR: a column per level, inputs on the left. TB: a row per level, inputs on top."""
Attributes = Mapping[str, str | float]

FONT = "Helvetica"
INK = "#222222"
FAINT_INK = "#707070"


@attrs.frozen
class Box:
    """An input, a node or the sink. `label` is markup made of `escaped` texts."""

    id: str
    label: str
    attributes: Attributes


@attrs.frozen
class Arrow:
    """An edge between two boxes, given by their identifiers. `label` is trusted plain text."""

    tail: str
    head: str
    attributes: Attributes
    label: str = ""


@attrs.frozen
class Column:
    """Boxes side by side with a heading: a column of an LR drawing, a row of a TB drawing."""

    heading: str
    boxes: tuple[Box, ...]


@attrs.frozen
class Picture:
    """A whole drawing. `caption` is markup below it."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    arrows: tuple[Arrow, ...]
    direction: Direction = "LR"

    @property
    def has_labels(self) -> bool:
        """True if an arrow has a label."""
        return any(arrow.label for arrow in self.arrows)


def identifier(name: str) -> str:
    """Return an identifier that needs no escapes. Different names give different identifiers.

    >>> identifier("n4"), identifier("a-b")
    ('n4', 'a{2d}b')
    """
    return "".join(c if c == "_" or c.isalnum() else f"{{{ord(c):x}}}" for c in name)


def escaped(text: str, longest: int = 24) -> str:
    """Return untrusted text as one line of markup, shortened in the middle if it is long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) > longest:
        text = f"{text[: longest - 11]}...{text[-8:]}"
    return html.escape(text) if text.strip() else "(unnamed)"


def small(markup: str, color: str | None = None) -> str:
    """Return markup in the font size of a box's second line."""
    paint = f' color="{color}"' if color else ""
    return f'<font point-size="9"{paint}>{markup}</font>'


def write(picture: Picture) -> str:
    """Return the DOT text, which depends on nothing but the picture."""
    import graphviz  # imported here because it slows down the start of commands that do not draw

    graph = graphviz.Digraph(identifier(picture.name) or "network")
    graph.attr("graph", **_written(_graph_attributes(picture)))
    graph.attr("node", **_written(_NODE))
    graph.attr("edge", **_written(_EDGE))
    headings = [_heading_id(number) for number in range(len(picture.columns))]
    for heading, column in zip(headings, picture.columns):
        # Each column is a rank of Graphviz. Invisible arrows between the headings fix their order.
        with graph.subgraph() as rank:
            rank.attr(rank="same")
            rank.node(heading, column.heading, **_written(_HEADING))
            for box in column.boxes:
                rank.node(box.id, f"<{box.label}>", **_written(box.attributes))
    between: Attributes = {"style": "invis", **({"minlen": 2} if picture.has_labels else {})}
    for left, right in itertools.pairwise(headings):
        graph.edge(left, right, **_written(between))
    _write_arrows(graph, picture)
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
_ARROW_LABEL: Attributes = {
    "style": "filled",
    "color": "white",
    "fontsize": 8,
    "margin": "0.03,0.02",
    "width": 0,
    "height": 0,
}


def _graph_attributes(picture: Picture) -> Attributes:
    streams = max((len(column.boxes) for column in picture.columns), default=1)
    # With many streams, arrows overlap unless the distance between columns grows as well.
    spread = min(max(1.0, streams / 6), 4.0)
    if picture.has_labels:
        spread *= 0.75  # each column is followed by a rank for labels
    return {
        "rankdir": picture.direction,
        "ranksep": (0.75 if picture.direction == "LR" else 0.5) * spread,
        "nodesep": 0.2,
        "pad": 0.15,
        "outputorder": "edgesfirst",
        "bgcolor": "white",
        "fontname": FONT,
        "fontsize": 9,
        "fontcolor": INK,
        "labelloc": "b",
    }


def _write_arrows(graph: graphviz.Digraph, picture: Picture) -> None:
    """Write the arrows, each label as a white box in the middle of its arrow.

    Graphviz would put the label of an edge beside the edge, often closer to another edge.
    """
    places = {box.id: number for number, c in enumerate(picture.columns) for box in c.boxes}
    entry, exit = ("w", "e") if picture.direction == "LR" else ("n", "s")
    repeated: Counter[str] = Counter()
    for arrow in picture.arrows:
        attributes = _written(arrow.attributes)
        if places.get(arrow.tail, -1) >= places.get(arrow.head, -1):
            # Only a network with errors has such an edge. It must not move a column.
            label = arrow.label or None
            graph.edge(arrow.tail, arrow.head, label, constraint="false", **attributes)
        elif arrow.label:
            box = f"({arrow.tail} -> {arrow.head})"
            repeated[box] += 1
            if repeated[box] > 1:
                box += f" {repeated[box]}"
            graph.node(box, arrow.label, **_written(_ARROW_LABEL))
            graph.edge(arrow.tail, box, headport=entry, **{**attributes, "arrowhead": "none"})
            graph.edge(box, arrow.head, tailport=exit, **attributes)
        else:
            graph.edge(arrow.tail, arrow.head, **attributes)


def _heading_id(number: int) -> str:
    """Return an identifier that differs from those of all names."""
    return f"(column {number})"


def _written(attributes: Attributes) -> dict[str, str]:
    """Return the attributes as the package graphviz takes them. It adds the quotes."""
    return {
        key: value if isinstance(value, str) else f"{value:.4g}"
        for key, value in attributes.items()
    }
