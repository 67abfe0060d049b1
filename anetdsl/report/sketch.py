"""Draw a network and its changes since its parent in a small picture (Figure 2).

The picture has a column for each level, from the stems to the last level, and a box for each node
with its name and temporal resolution. Nodes are in the order of the text, so that the equal parts
of parent and child look alike. The drawing does not use Graphviz: it is small and follows the
colours of the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import attrs

from anetdsl.diff import NetworkDiff
from anetdsl.ir import Network, Node
from anetdsl.report.charts import element, escaped
from anetdsl.report.charts.style import abbreviate, stroke, text_line, width_of
from anetdsl.report.charts.svg import number
from anetdsl.report.markup import Markup

_BOX_HEIGHT = 30.0
_GAP = 12.0
_BETWEEN = 58.0
_LONGEST = 8
_SMALL = 10.0


@attrs.frozen
class _Box:
    """Place of a node: its left edge, the height of its middle, its width."""

    x: float
    y: float
    width: float


def sketch(network: Network, since: NetworkDiff | None = None, *, described: str) -> Markup:
    """Draw a network as SVG, and mark the changes `since` its parent if they are given.

    Added nodes and edges are green, changed nodes are blue; both have a thicker outline. Removed
    edges are red and dashed. Removed nodes are not drawn. An edge is thicker and darker the higher
    its learned weight. `described` is the description for screen readers.
    """
    columns: dict[int, list[Node]] = defaultdict(list)
    for node in network.nodes:
        columns[node.level].append(node)
    tallest = max((len(nodes) for nodes in columns.values()), default=1)
    height = tallest * (_BOX_HEIGHT + _GAP) + 30
    boxes: dict[str, _Box] = {}
    x = 8.0
    headings = []
    for level in sorted(columns):
        nodes = columns[level]
        width = max(width_of(abbreviate(node.name, _LONGEST), 12.0) for node in nodes) + 14
        width = max(width, 52.0 if level == 0 else 40.0)
        top = (height - 30 - len(nodes) * (_BOX_HEIGHT + _GAP)) / 2 + 26
        for place, node in enumerate(nodes):
            y = top + place * (_BOX_HEIGHT + _GAP) + _BOX_HEIGHT / 2
            boxes[node.name] = _Box(x, y, width)
        heading = "stems" if level == 0 else f"level {level}"
        headings.append(
            text_line(heading, x + width / 2, 14, color="faint", anchor="middle", size=_SMALL)
        )
        x += width + _BETWEEN
    total = x - _BETWEEN + 8
    attributes: dict[str, object] = {
        "class": "chart sketch",
        "role": "img",
        "viewBox": f"0 0 {number(total)} {number(height)}",
        "width": round(total),
        "height": round(height),
    }
    drawn = element(
        "svg",
        attributes,
        element("title", {}, escaped(described)),
        *headings,
        *_edges(network, since, boxes),
        *_nodes(network, since, boxes),
    )
    return Markup(drawn)


def _nodes(network: Network, since: NetworkDiff | None, boxes: dict[str, _Box]) -> Iterator[str]:
    """Yield the boxes with their texts."""
    added = {node.name for node in since.nodes_added} if since else set()
    changed = {change.owner for change in since.attributes} if since else set()
    kinds = {value.name: value.kind for value in network.inputs}
    for node in network.nodes:
        box = boxes[node.name]
        color = "3" if node.name in added else "1" if node.name in changed else "faint"
        outline = {
            **stroke(color, 1.0 if color == "faint" else 2.4),
            "x": box.x,
            "y": box.y - _BOX_HEIGHT / 2,
            "width": box.width,
            "height": _BOX_HEIGHT,
            "rx": 5,
        }
        outline["class"] = f"{outline['class']} f-paper"
        outline["fill"] = "#ffffff"
        middle = box.x + box.width / 2
        kind = kinds.get(node.inputs[0].source, "") if node.is_stem and node.inputs else ""
        below = f"{kind} r={node.dilation}" if kind == "rgb" else kind or f"r={node.dilation}"
        filters = f"C={node.channels}, r={node.dilation}" if node.filters else "max pool"
        tooltip = f"{node.name}: level {node.level}, {filters}"
        yield element(
            "g",
            {},
            element("title", {}, escaped(tooltip)),
            element("rect", outline),
            text_line(abbreviate(node.name, _LONGEST), middle, box.y - 1, anchor="middle", size=12),
            text_line(below, middle, box.y + 11, color="faint", anchor="middle", size=_SMALL),
        )


def _edges(network: Network, since: NetworkDiff | None, boxes: dict[str, _Box]) -> Iterator[str]:
    """Yield the edges: unchanged ones by rising weight, then removed ones, then added ones."""
    new = {(edge.source, edge.target) for edge in since.edges_added} if since else set()
    shades: dict[int, list[str]] = defaultdict(list)
    added = []
    for node in network.nodes:
        for edge in node.inputs:
            path = _path(boxes, edge.source, node.name)
            if (edge.source, node.name) in new:
                added.append(path)
            else:
                shades[round(node.edge_weight(edge) * 4)].append(path)
    removed = (
        [_path(boxes, edge.source, edge.target) for edge in since.edges_removed] if since else []
    )
    for shade, paths in sorted(shades.items()):
        pen = {**stroke("ink", 0.9 + 0.2 * shade), "stroke-opacity": 0.15 + 0.16 * shade}
        yield element("path", {**pen, "d": "".join(paths)}) if any(paths) else ""
    if any(removed):
        pen = {**stroke("2", 1.3), "stroke-dasharray": "4 3", "stroke-opacity": 0.75}
        yield element("path", {**pen, "d": "".join(removed)})
    if any(added):
        yield element("path", {**stroke("3", 1.8), "d": "".join(added)})


def _path(boxes: dict[str, _Box], source: str, target: str) -> str:
    """Return a curve from one box to another; an empty text if one of them is not drawn."""
    begin, end = boxes.get(source), boxes.get(target)
    if begin is None or end is None:
        return ""
    x0, x1 = begin.x + begin.width, end.x
    bend = max(20.0, (x1 - x0) * 0.5)
    return (
        f"M{number(x0)} {number(begin.y)}C{number(x0 + bend)} {number(begin.y)} "
        f"{number(x1 - bend)} {number(end.y)} {number(x1)} {number(end.y)}"
    )
