"""Draw the differences between two networks, such as parent and child (paper, Figure 2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from anetdsl.diff import SINK, AttributeChange, NetworkDiff, diff
from anetdsl.drawing import legend
from anetdsl.drawing.dot import (
    Arrow,
    Attributes,
    Box,
    Column,
    Direction,
    Picture,
    escaped,
    identifier,
    small,
    write,
)
from anetdsl.drawing.network import SINK_ID, by_level, extent, filters_text
from anetdsl.ir import Input, Network, Node

Change = Literal["added", "removed", "changed", "kept"]


class _Look(NamedTuple):
    """Appearance of a change. Sign and outline distinguish the changes without the colours, too."""

    sign: str
    fill: str
    line: str
    box: Attributes
    arrow: Attributes


_LOOKS: dict[Change, _Look] = {
    "added": _Look(
        "+ ", "#CDEFE0", "#00664A", {"penwidth": 2.6}, {"penwidth": 2.6, "arrowsize": 0.7}
    ),
    "removed": _Look(
        "- ",
        "#FBE3D8",
        "#C2410C",
        {"penwidth": 1.4, "style": "rounded,filled,dashed"},
        {"penwidth": 1.4, "style": "dashed", "arrowhead": "empty"},
    ),
    "changed": _Look(
        "~ ", "#D8E8F6", "#0B4F80", {"penwidth": 1.4, "peripheries": 2}, {"penwidth": 1.8}
    ),
    "kept": _Look("", "#FAFAFA", "#A0A0A0", {}, {"penwidth": 1.0}),
}


def diff_source(
    old: Network,
    new: Network,
    *,
    weights: bool = False,
    title: str | None = None,
    direction: Direction = "LR",
) -> str:
    """Return DOT text of a drawing of both networks in one. Nodes are matched by name.

    Added parts are green, bold and marked `+`. Removed parts are red, dashed and marked `-`. A node
    with changed attributes is blue, has a double outline, is marked `~` and names each change, such
    as `r 8 -> 2`. With `weights`, the changes of edge weights are written on the edges if the first
    two digits differ.
    """
    difference = diff(old, new)
    if title is None:
        title = new.name if old.name == new.name else f"{old.name} -> {new.name}"
    changes: dict[tuple[str, str], list[AttributeChange]] = defaultdict(list)
    for change in difference.attributes:
        changes[change.statement, change.owner].append(change)
    entries = [
        *(legend.words(_change_text(change)) for change in changes["network", ""]),
        *(
            legend.swatch(look.fill, look.line, f"{look.sign}{change}")
            for change, look in _LOOKS.items()
            if look.sign
        ),
    ]
    sink = _box(SINK_ID, "sink", {"classes": new.sink.classes}, "kept", changes["sink", ""])
    picture = Picture(
        name=new.name,
        caption=legend.caption(escaped(title, longest=80), entries),
        columns=(
            Column("inputs", tuple(_input_boxes(difference, changes))),
            *_levels(difference, changes, direction),
            Column("output", (sink,)),
        ),
        arrows=tuple(_arrows(difference, weights=weights)),
        direction=direction,
    )
    return write(picture)


_Changes = dict[tuple[str, str], list[AttributeChange]]
"""Changed attributes, by kind of statement and name of the owner."""


def _input_boxes(difference: NetworkDiff, changes: _Changes) -> Iterator[Box]:
    changed = _added_or_removed(difference.inputs_added, difference.inputs_removed)
    for value in (*difference.new.inputs, *difference.inputs_removed):
        yield _box(
            identifier(value.name),
            value.name,
            {"channels": value.channels},
            changed.get(value.name, "kept"),
            changes["input", value.name],
        )


def _levels(difference: NetworkDiff, changes: _Changes, direction: Direction) -> Iterator[Column]:
    changed = _added_or_removed(difference.nodes_added, difference.nodes_removed)

    def box(node: Node) -> Box:
        change = changed.get(node.name, "kept")
        network = difference.old if change == "removed" else difference.new
        values = {"C": filters_text(node)} if node.filters else {}
        if network.uses_rate(node):
            values["r"] = str(node.dilation)
        size = extent(node, direction)
        attributes = changes["node", node.name]
        return _box(identifier(node.name), node.name, values, change, attributes, size)

    for heading, nodes in by_level((*difference.new.nodes, *difference.nodes_removed)):
        yield Column(heading, tuple(map(box, nodes)))


def _added_or_removed(
    added: Sequence[Input | Node], removed: Sequence[Input | Node]
) -> dict[str, Change]:
    changes: dict[str, Change] = {part.name: "added" for part in added}
    return changes | {part.name: "removed" for part in removed}


def _box(
    id: str,
    name: str,
    values: Mapping[str, object],
    change: Change,
    attributes: Sequence[AttributeChange],
    size: Attributes | None = None,
) -> Box:
    """Return a box with the main attributes (`values`) and every changed attribute."""
    look = _LOOKS["changed" if attributes else change]
    changed = {attribute.attribute for attribute in attributes}
    plain = "  ".join(f"{key}={value}" for key, value in values.items() if key not in changed)
    rows = [small(plain)] if plain else []
    rows.extend(small(f"<b>{_change_text(attribute)}</b>") for attribute in attributes)
    label = "<br/>".join((f"<b>{look.sign}{escaped(name)}</b>", *rows))
    return Box(id, label, {"fillcolor": look.fill, "color": look.line, **look.box, **(size or {})})


def _arrows(difference: NetworkDiff, *, weights: bool) -> Iterator[Arrow]:
    added = Counter((edge.source, edge.target) for edge in difference.edges_added)
    reweighted = {(change.source, change.target): change for change in difference.edges_reweighted}
    new = difference.new
    for target, edges in (
        *((node.name, node.inputs) for node in new.nodes),
        (SINK, new.sink.inputs),
    ):
        for edge in edges:
            ends = edge.source, target
            change = reweighted.get(ends)
            if added[ends]:
                added[ends] -= 1
                yield _arrow(*ends, "added")
            elif weights and change is not None and _number(change.old) != _number(change.new):
                yield _arrow(*ends, "changed", f"{_number(change.old)} -> {_number(change.new)}")
            else:
                yield _arrow(*ends, "kept")
    for edge_removed in difference.edges_removed:
        yield _arrow(edge_removed.source, edge_removed.target, "removed")


def _arrow(source: str, target: str, change: Change, label: str = "") -> Arrow:
    look = _LOOKS[change]
    head = SINK_ID if target == SINK else identifier(target)
    return Arrow(identifier(source), head, {"color": look.line, **look.arrow}, label)


def _number(weight: float | None) -> str:
    return "untrained" if weight is None else f"{weight:.2f}"


def _change_text(change: AttributeChange) -> str:
    """Return the change as markup."""
    return f"{change.attribute} {_value(change.old)} -&gt; {_value(change.new)}"


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
