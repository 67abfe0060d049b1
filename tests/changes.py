"""Random edits of random texts, each with the equal change of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import strategies as st

from anetdsl.ir import Edge, Network, Node, Origin, Score
from anetdsl.source import Edit
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.text import edits
from anetdsl.text.edits import find
from tests.strategies import Written, names, origins, scores, shares, weights, written

Build = Callable[[SyntaxTree], tuple[Edit, ...]]


@attrs.frozen
class Change:
    """An edit of a text, and the network that the edited text means."""

    case: Written
    name: str
    build: Build = attrs.field(repr=False)
    expected: Network
    statement: tuple[str, str | None] | None = None
    """Keyword and name of the changed statement, if only one changes."""
    loses_comments: bool = False


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw any edit of a random text."""
    case = draw(written())
    kinds = [
        _numbers,
        _peers,
        _edges,
        _one_edge,
        _renaming,
        _insertion,
        _removal,
        _origin_or_score,
        _settings,
    ]
    return draw(draw(st.sampled_from(kinds))(case))


def _on(builder: Any, target: tuple[str, str | None], *arguments: Any) -> Build:
    """Return the builder for the statement with this keyword and name."""
    return lambda tree: builder(tree, find(tree, *target), *arguments)


def _with_node(network: Network, old: Node, new: Node) -> Network:
    return attrs.evolve(network, nodes=tuple(new if n is old else n for n in network.nodes))


_filters = st.integers(1, 8192) | st.tuples(*[st.integers(1, 8192)] * 3)


@st.composite
def _numbers(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.sampled_from(case.network.nodes))
    values = draw(
        st.fixed_dictionaries(
            {},
            optional={"C": _filters, "r": st.integers(1, 256), "stride": st.just(2)},
        )
    )
    fields = {"C": "channels", "r": "dilation", "stride": "stride"}
    new = attrs.evolve(node, **{fields[name]: value for name, value in values.items()})
    texts = {
        name: [*map(str, value)] if isinstance(value, tuple) else str(value)
        for name, value in values.items()
    }
    return Change(
        case,
        f"set {texts}",
        _on(edits.set_attributes, ("node", node.name), texts),
        _with_node(case.network, node, new),
        ("node", node.name),
        loses_comments="C" in values and isinstance(node.channels, tuple),
    )


@st.composite
def _peers(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.sampled_from([n for n in case.network.nodes if not n.is_stem] or [None]))
    if node is None:
        return draw(_numbers(case))
    found = draw(st.lists(st.sampled_from(_sources(case.network, node)), max_size=5, unique=True))
    peers = tuple(Edge(name, draw(shares)) for name in found)
    return Change(
        case,
        f"set peers {peers}",
        _on(edits.set_peers, ("node", node.name), peers),
        _with_node(case.network, node, attrs.evolve(node, peers=peers)),
        ("node", node.name),
        loses_comments=True,
    )


def _sources(network: Network, node: Node | None) -> list[str]:
    if node is not None and node.is_stem:
        return [value.name for value in network.inputs]
    return [n.name for n in network.nodes if node is None or n.level < node.level]


@st.composite
def _edges(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.none() | st.sampled_from(case.network.nodes))
    reader = case.network.sink if node is None else node
    may_weigh = node is not None and not node.is_stem
    edge = st.builds(
        Edge,
        st.sampled_from(_sources(case.network, node)),
        st.none() | weights if may_weigh else st.none(),
    )
    old = st.sampled_from(reader.inputs)
    new = tuple(draw(st.lists(edge | old, max_size=8)))
    if node is None:
        sink = attrs.evolve(case.network.sink, inputs=new)
        expected = attrs.evolve(case.network, sink=sink)
    else:
        expected = _with_node(case.network, node, attrs.evolve(node, inputs=new))
    target = ("sink", None) if node is None else ("node", node.name)
    return Change(
        case,
        f"set edges {new}",
        _on(edits.set_edges, target, new),
        expected,
        target,
        loses_comments=True,
    )


@st.composite
def _one_edge(draw: st.DrawFn, case: Written) -> Change:
    node = draw(st.sampled_from(case.network.nodes))
    inputs, source = node.inputs, draw(st.sampled_from(node.inputs)).source
    kind = draw(st.sampled_from(["add", "remove", "weigh"] if not node.is_stem else ["add"]))
    match kind:
        case "add":
            edge = Edge(draw(st.sampled_from(_sources(case.network, node))))
            build = _on(edits.add_edge, ("node", node.name), edge)
            new = (*inputs, edge)
        case "remove":
            build = _on(edits.remove_edge, ("node", node.name), source)
            new = tuple(e for e in inputs if e.source != source)
        case _:
            weight = draw(st.none() | weights)
            build = _on(edits.set_weight, ("node", node.name), source, weight)
            new = tuple(attrs.evolve(e, weight=weight) if e.source == source else e for e in inputs)
    return Change(
        case,
        f"{kind} {source} {new}",
        build,
        _with_node(case.network, node, attrs.evolve(node, inputs=new)),
        ("node", node.name),
        loses_comments=kind == "remove",
    )


@st.composite
def _renaming(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    taken = [value.name for value in (*network.inputs, *network.nodes)]
    old, new = draw(st.sampled_from(taken)), draw(names.filter(lambda name: name not in taken))

    def renamed(value: Any) -> Any:
        value = attrs.evolve(value, name=new) if getattr(value, "name", "") == old else value
        if not hasattr(value, "inputs"):
            return value
        for field in ("inputs", "peers"):
            edges = getattr(value, field, ())
            changed = (attrs.evolve(e, source=new) if e.source == old else e for e in edges)
            value = attrs.evolve(value, **{field: tuple(changed)}) if edges else value
        return value

    expected = attrs.evolve(
        network,
        inputs=tuple(map(renamed, network.inputs)),
        nodes=tuple(map(renamed, network.nodes)),
        sink=renamed(network.sink),
    )
    return Change(case, f"{old} -> {new}", lambda tree: edits.rename(tree, old, new), expected)


@st.composite
def _insertion(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    taken = [value.name for value in (*network.inputs, *network.nodes)]
    name = draw(names.filter(lambda name: name not in taken))
    lower = [n.name for n in network.nodes if n.level < 4]
    read = draw(st.lists(st.sampled_from(lower), min_size=1, max_size=9))
    found = draw(st.lists(st.sampled_from(lower), max_size=4, unique=True))
    peers = tuple(Edge(peer, draw(shares)) for peer in found)
    node = Node(name, 4, draw(_filters), 1, 2, tuple(map(Edge, read)), peers)
    index = draw(st.integers(0, len(network.nodes) - 1))
    after = network.nodes[index]
    nodes = (*network.nodes[: index + 1], node, *network.nodes[index + 1 :])
    return Change(
        case,
        f"insert {node} after {after.name}",
        lambda tree: edits.insert_node(tree, node, find(tree, "node", after.name)),
        attrs.evolve(network, nodes=nodes),
    )


@st.composite
def _removal(draw: st.DrawFn, case: Written) -> Change:
    network = case.network
    removed = draw(st.sampled_from(network.nodes))

    def without(value: Any) -> Any:
        left = tuple(edge for edge in value.inputs if edge.source != removed.name)
        value = attrs.evolve(value, inputs=left)
        if isinstance(value, Node):
            peers = tuple(peer for peer in value.peers if peer.source != removed.name)
            value = attrs.evolve(value, peers=peers)
        return value

    nodes = (
        node if node.is_stem else without(node) for node in network.nodes if node is not removed
    )
    return Change(
        case,
        f"remove {removed.name}",
        _on(edits.remove_statement, ("node", removed.name)),
        attrs.evolve(network, nodes=tuple(nodes), sink=without(network.sink)),
        loses_comments=True,
    )


@st.composite
def _origin_or_score(draw: st.DrawFn, case: Written) -> Change:
    if draw(st.booleans()):
        origin: Origin | None = draw(st.none() | origins)
        return Change(
            case,
            f"{origin}",
            lambda tree: edits.set_origin(tree, origin),
            attrs.evolve(case.network, origin=origin),
            loses_comments=True,
        )
    score: Score | None = draw(st.none() | scores)
    return Change(
        case,
        f"{score}",
        lambda tree: edits.set_score(tree, score),
        attrs.evolve(case.network, score=score),
        loses_comments=True,
    )


@st.composite
def _settings(draw: st.DrawFn, case: Written) -> Change:
    network, name = case.network, draw(names)
    widths = draw(st.tuples(*[st.integers(1, 8192)] * 4))
    frozen = draw(st.booleans())
    attention: Any = draw(st.sampled_from(["none", "self", "peer"]))
    values = {
        "D": [str(width) for width in widths],
        "edges": "fixed" if frozen else None,
        "attention": attention,
    }

    def build(tree: SyntaxTree) -> tuple[Edit, ...]:
        statement = find(tree, "network")
        return (
            *edits.set_attributes(tree, statement, values),
            *edits.set_network_name(tree, name),
        )

    expected = attrs.evolve(
        network,
        name=name,
        widths=widths,
        edges="fixed" if frozen else "learned",
        attention=attention,
    )
    return Change(case, f"{values}", build, expected, ("network", None), loses_comments=True)
