"""Compare two networks: the differences as values and as lines of text.

Inputs and nodes are compared by name: a renamed node is one removed and one added node. A
difference is falsy exactly if the networks are equal. The following do not change what is computed
and are listed apart, as `notes`: the network's name, `origin`, `score`, and the order of nodes,
inputs and edges (a sum has no order).

    ~ node n7: r 8 -> 2
    + edge s0@0.3 -> n9
    ~ edge n10 -> n14: 0.99 -> 0.41
    - node n4 level=1 C=64 r=4 stride=1 inputs=[s2, s3]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import attrs

from anetdsl.cost import Cost, cost
from anetdsl.ir import Edge, Input, Network, Node, Origin, Score
from anetdsl.text.printing import node_cells, write_edge, write_number

SINK = "sink"
"""Target of edges into the sink. No node has this name, because it is a keyword."""
Statement = Literal["network", "input", "node", "sink"]
_Named = TypeVar("_Named", Input, Node)

_FIELDS: dict[Statement, dict[str, str]] = {
    "network": {
        "blocks": "blocks",
        "D": "widths",
        "modules": "modules",
        "edges": "edges",
        "attention": "attention",
    },
    "input": {"channels": "channels", "kind": "kind"},
    "node": {
        "level": "level",
        "C": "channels",
        "r": "dilation",
        "stride": "stride",
    },
    "sink": {"classes": "classes", "combine": "combine", "head": "head"},
}
"""Fields of `anetdsl.ir`, by statement and by the attribute's name in the language."""
_TOTALS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "activation_bytes": "activation bytes",
    "temporal_field": "temporal receptive field",
    "spatial_field": "spatial receptive field",
    "depth": "depth",
    "blocks": "blocks",
}


@attrs.frozen
class EdgeRef:
    """An edge from `source` (a node or an input) into `target` (a node or the sink)."""

    source: str
    target: str
    weight: float | None = None


@attrs.frozen
class WeightChange:
    """An edge that both networks have, with different weights. None is untrained."""

    source: str
    target: str
    old: float | None
    new: float | None


@attrs.frozen
class AttributeChange:
    """An attribute with different values, named as in the language.

    `owner` is the name of the input or node. It is empty for the network and the sink.
    """

    statement: Statement
    owner: str
    attribute: str
    old: Any
    new: Any


@attrs.frozen
class Note:
    """A difference that does not change what is computed.

    Examples of `subject`: `name`, `origin candidate`, `score top1`, `order of nodes`,
    `order of inputs of n7`. A value that a network does not have is None.
    """

    subject: str
    old: Any
    new: Any


@attrs.frozen
class CostChange:
    """Costs of two networks for the same clip."""

    old: Cost
    new: Cost

    def lines(self) -> tuple[str, ...]:
        """Return a line for each different total, such as `parameters: 32 -> 16 (-50.0%)`."""
        found = []
        for key, label in _TOTALS.items():
            old, new = getattr(self.old, key), getattr(self.new, key)
            if old != new:
                found.append(f"{label}: {old:,} -> {new:,} ({(new - old) / old:+.1%})")
        return tuple(found)


@attrs.frozen
class NetworkDiff:
    """The differences from `old` to `new`, in the order of the texts.

    `edges_added` and `edges_removed` include the edges of added and removed nodes.
    """

    old: Network
    new: Network
    inputs_added: tuple[Input, ...]
    inputs_removed: tuple[Input, ...]
    nodes_added: tuple[Node, ...]
    nodes_removed: tuple[Node, ...]
    edges_added: tuple[EdgeRef, ...]
    edges_removed: tuple[EdgeRef, ...]
    edges_reweighted: tuple[WeightChange, ...]
    attributes: tuple[AttributeChange, ...]
    peers: tuple[AttributeChange, ...]
    """Changed lists of peers, which are learned as edge weights are."""
    notes: tuple[Note, ...]

    def __bool__(self) -> bool:
        return self.changes_network or bool(self.notes)

    @property
    def changes_network(self) -> bool:
        """True if the networks do not compute the same."""
        return any(
            (
                self.inputs_added,
                self.inputs_removed,
                self.nodes_added,
                self.nodes_removed,
                self.edges_added,
                self.edges_removed,
                self.edges_reweighted,
                self.attributes,
                self.peers,
            )
        )

    def cost(self, **conditions: Any) -> CostChange:
        """Return the costs of both checked networks; `conditions` as for `anetdsl.cost.cost`."""
        return CostChange(cost(self.old, **conditions), cost(self.new, **conditions))

    def lines(self, *, notes: bool = True) -> tuple[str, ...]:
        """Return the differences as lines: `-` removed, `+` added, `~` changed, `#` a note.

        The line of an added or removed node includes the edges into it. Other edges have a line
        each.
        """
        return (*_lines(self), *(map(_note_line, self.notes) if notes else ()))

    def __str__(self) -> str:
        return "\n".join(self.lines())


def diff(old: Network, new: Network) -> NetworkDiff:
    """Return the differences from `old` to `new`, networks without repeated names."""
    inputs_removed, inputs_added, inputs = _match(old.inputs, new.inputs)
    nodes_removed, nodes_added, nodes = _match(old.nodes, new.nodes)
    readers: list[tuple[str, Sequence[Edge], Sequence[Edge]]] = [
        *((node.name, node.inputs, ()) for node in nodes_removed),
        *((node.name, (), node.inputs) for node in nodes_added),
        *((after.name, before.inputs, after.inputs) for before, after in nodes),
        (SINK, old.sink.inputs, new.sink.inputs),
    ]
    added: list[EdgeRef] = []
    removed: list[EdgeRef] = []
    reweighted: list[WeightChange] = []
    for target, old_edges, new_edges in readers:
        before, after = _numbered(old_edges), _numbered(new_edges)
        for key, weight in before.items():
            if key not in after:
                removed.append(EdgeRef(key[0], target, weight))
            elif weight != after[key]:
                reweighted.append(WeightChange(key[0], target, weight, after[key]))
        added.extend(
            EdgeRef(key[0], target, weight) for key, weight in after.items() if key not in before
        )
    return NetworkDiff(
        old,
        new,
        inputs_added,
        inputs_removed,
        nodes_added,
        nodes_removed,
        tuple(added),
        tuple(removed),
        tuple(reweighted),
        attributes=(
            *_changes("network", "", old, new),
            *(change for a, b in inputs for change in _changes("input", a.name, a, b)),
            *(change for a, b in nodes for change in _changes("node", a.name, a, b)),
            *_changes("sink", "", old.sink, new.sink),
        ),
        peers=tuple(change for a, b in nodes for change in _peer_changes(a, b)),
        notes=(
            *_notes("", {"name": old.name}, {"name": new.name}),
            *_order_note("inputs", _names(old.inputs), _names(new.inputs)),
            *_order_note("nodes", _names(old.nodes), _names(new.nodes)),
            *(
                note
                for target, a, b in readers
                for note in _order_note(f"inputs of {target}", _numbered(a), _numbered(b))
            ),
            *(
                note
                for a, b in nodes
                for note in _order_note(
                    f"peers of {a.name}", _numbered(a.peers), _numbered(b.peers)
                )
            ),
            *_notes("origin", _origin_values(old.origin), _origin_values(new.origin)),
            *_notes("score", _score_values(old.score), _score_values(new.score)),
        ),
    )


def _match(
    old: Sequence[_Named], new: Sequence[_Named]
) -> tuple[tuple[_Named, ...], tuple[_Named, ...], list[tuple[_Named, _Named]]]:
    """Return the parts in `old` only, the parts in `new` only, and the pairs of the same name."""
    before = {part.name: part for part in old}
    after = _names(new)
    return (
        tuple(part for part in old if part.name not in after),
        tuple(part for part in new if part.name not in before),
        [(before[part.name], part) for part in new if part.name in before],
    )


def _names(parts: Iterable[Input | Node]) -> dict[str, None]:
    """Return the names in order, as keys."""
    return dict.fromkeys(part.name for part in parts)


def _numbered(edges: Iterable[Edge]) -> dict[tuple[str, int], float | None]:
    """Return the weights by source and number of repetition: a list may name a source twice."""
    weights: dict[tuple[str, int], float | None] = {}
    times: Counter[str] = Counter()
    for edge in edges:
        weights[edge.source, times[edge.source]] = edge.weight
        times[edge.source] += 1
    return weights


def _changes(
    statement: Statement, owner: str, old: object, new: object
) -> Iterator[AttributeChange]:
    for attribute, field in _FIELDS[statement].items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield AttributeChange(statement, owner, attribute, before, after)


def _peer_changes(old: Node, new: Node) -> Iterator[AttributeChange]:
    """Yield the change of a node's peers, if any. Their order has no meaning."""
    before, after = (tuple(sorted(map(write_edge, node.peers))) for node in (old, new))
    if before != after:
        yield AttributeChange("node", old.name, "peers", before, after)


def _order_note(what: str, old: Mapping[Any, object], new: Mapping[Any, object]) -> Iterator[Note]:
    """Yield a note if the keys that both have are in different orders."""
    before = [key for key in old if key in new]
    after = [key for key in new if key in old]
    if before != after:
        yield Note(
            f"order of {what}", *(tuple(map(_source_name, keys)) for keys in (before, after))
        )


def _source_name(key: str | tuple[str, int]) -> str:
    return key if isinstance(key, str) else key[0]


def _notes(
    what: str, old: Mapping[str, object] | None, new: Mapping[str, object] | None
) -> Iterator[Note]:
    """Yield a note for each different value, or one for the statement if only one text has it."""
    before, after = dict(old or {}), dict(new or {})
    keys = [key for key in before | after if before.get(key) != after.get(key)]
    for key in keys:
        yield Note(f"{what} {key}".strip(), before.get(key), after.get(key))
    if not keys and (old is None) != (new is None):
        yield Note(what, old, new)
    yield from _order_note(what, before, after)


def _origin_values(origin: Origin | None) -> dict[str, object] | None:
    if origin is None:
        return None
    values = {"parent": origin.parent, "candidate": origin.candidate, "seed": origin.seed}
    known: dict[str, object] = {key: value for key, value in values.items() if value is not None}
    return {**known, "ops": origin.ops} if origin.ops else known


def _score_values(score: Score | None) -> dict[str, object] | None:
    return None if score is None else dict(score.values)


def _lines(difference: NetworkDiff) -> Iterator[str]:
    changes: dict[tuple[Statement, str], list[str]] = defaultdict(list)
    for change in (*difference.attributes, *difference.peers):
        text = f"{change.attribute} {_value_text(change.old)} -> {_value_text(change.new)}"
        changes[change.statement, change.owner].append(text)
    sink = changes.pop(("sink", ""), None)
    with_own_line = _names(difference.nodes_added) | _names(difference.nodes_removed)
    for mark, inputs in (("-", difference.inputs_removed), ("+", difference.inputs_added)):
        for value in inputs:
            yield f"{mark} input {value.name} channels={value.channels} kind={value.kind}"
    for mark, nodes in (("-", difference.nodes_removed), ("+", difference.nodes_added)):
        for node in nodes:
            yield f"{mark} " + " ".join(cell.flat for cell in node_cells(node))
    for (statement, owner), texts in changes.items():
        yield f"~ {statement} {owner}".rstrip() + ": " + ", ".join(texts)
    for mark, edges in (("-", difference.edges_removed), ("+", difference.edges_added)):
        for edge in edges:
            if edge.target not in with_own_line:
                source = write_edge(Edge(edge.source, edge.weight))
                yield f"{mark} edge {source} -> {edge.target}"
    for weights in difference.edges_reweighted:
        change_text = f"{_weight_text(weights.old)} -> {_weight_text(weights.new)}"
        yield f"~ edge {weights.source} -> {weights.target}: {change_text}"
    if sink is not None:
        yield "~ sink: " + ", ".join(sink)


def _note_line(note: Note) -> str:
    return f"# {note.subject}: {_value_text(note.old)} -> {_value_text(note.new)}"


def _weight_text(weight: float | None) -> str:
    return "untrained" if weight is None else write_number(weight)


def _value_text(value: object) -> str:
    """Return a value as the language writes it, but strings without quotes."""
    match value:
        case None:
            return "none"
        case float():
            return write_number(value)
        case tuple():
            return "[" + ", ".join(map(_value_text, value)) + "]"
        case dict():
            return "present"
        case str() if not value.isprintable():
            return ascii(value)
        case _:
            return str(value)
