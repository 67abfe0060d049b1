"""The picture of what changed between two networks, such as parent and child (paper, Figure 2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
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
    identifier,
    shown,
    small,
    write,
)
from anetdsl.drawing.network import SINK_ID, by_level, extent, has_resolution
from anetdsl.ir import Input, Network, Node

Change = Literal["added", "removed", "changed", "kept"]


class _Look(NamedTuple):
    """How a change looks: what the colour tells, the sign and the outline tell as well."""

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
    """DOT text of a picture of both networks, nodes matched by name, with what changed set off.

    What was added is green, bold and marked `+`; what was removed is red, dashed and marked `-`; a
    node whose attributes changed is blue, doubly outlined, marked `~`, and says `r 8 -> 2`. With
    `weights`, an edge whose weight changed in its first two digits says so too.
    """
    difference = diff(old, new)
    if title is None:
        title = new.name if old.name == new.name else f"{old.name} -> {new.name}"
    changes: dict[tuple[str, str], list[AttributeChange]] = defaultdict(list)
    for change in difference.attributes:
        changes[change.statement, change.owner].append(change)
    entries = [
        *(legend.words(_in_words(change)) for change in changes["network", ""]),
        *(
            legend.swatch(look.fill, look.line, f"{look.sign}{change}")
            for change, look in _LOOKS.items()
            if look.sign
        ),
    ]
    sink = _box(SINK_ID, "sink", {"classes": new.sink.classes}, "kept", changes["sink", ""])
    picture = Picture(
        name=new.name,
        caption=legend.caption(shown(title, longest=80), entries),
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
"""What changed, by statement and name."""


def _input_boxes(difference: NetworkDiff, changes: _Changes) -> Iterator[Box]:
    fates = _fates(difference.inputs_added, difference.inputs_removed)
    for value in (*difference.new.inputs, *difference.inputs_removed):
        yield _box(
            identifier(value.name),
            value.name,
            {"channels": value.channels},
            fates.get(value.name, "kept"),
            changes["input", value.name],
        )


def _levels(difference: NetworkDiff, changes: _Changes, direction: Direction) -> Iterator[Column]:
    fates = _fates(difference.nodes_added, difference.nodes_removed)

    def box(node: Node) -> Box:
        fate = fates.get(node.name, "kept")
        network = difference.old if fate == "removed" else difference.new
        values = {"C": node.channels}
        if has_resolution(node, network):
            values["r"] = node.dilation
        size = extent(node.channels, direction)
        changed = changes["node", node.name]
        return _box(identifier(node.name), node.name, values, fate, changed, size)

    for heading, nodes in by_level((*difference.new.nodes, *difference.nodes_removed)):
        yield Column(heading, tuple(map(box, nodes)))


def _fates(added: Sequence[Input | Node], removed: Sequence[Input | Node]) -> dict[str, Change]:
    fates: dict[str, Change] = {thing.name: "added" for thing in added}
    return fates | {thing.name: "removed" for thing in removed}


def _box(
    id: str,
    name: str,
    values: dict[str, int],
    fate: Change,
    changes: Sequence[AttributeChange],
    size: Attributes | None = None,
) -> Box:
    """A box that tells its main attributes, and every attribute that has changed."""
    look = _LOOKS["changed" if changes else fate]
    changed = {change.attribute for change in changes}
    plain = "  ".join(f"{key}={value}" for key, value in values.items() if key not in changed)
    rows = [small(plain)] if plain else []
    rows.extend(small(f"<b>{_in_words(change)}</b>") for change in changes)
    label = "<br/>".join((f"<b>{look.sign}{shown(name)}</b>", *rows))
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
                yield _arrow(*ends, "changed", _became(_number(change.old), _number(change.new)))
            else:
                yield _arrow(*ends, "kept")
    for gone in difference.edges_removed:
        yield _arrow(gone.source, gone.target, "removed")


def _arrow(source: str, target: str, change: Change, label: str = "") -> Arrow:
    look = _LOOKS[change]
    head = SINK_ID if target == SINK else identifier(target)
    return Arrow(identifier(source), head, {"color": look.line, **look.arrow}, label)


def _number(weight: float | None) -> str:
    return "untrained" if weight is None else f"{weight:.2f}"


def _in_words(change: AttributeChange) -> str:
    return f"{change.attribute} {_became(_value(change.old), _value(change.new))}"


def _became(old: str, new: str) -> str:
    return f"{old} -&gt; {new}"


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
