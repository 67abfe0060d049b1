"""Networks for tests: Table 4 of the paper, and random networks without errors."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from anetdsl.interchange.authors import from_structure
from anetdsl.ir import Edge, Input, Network, Node, Origin, Score, Sink

TABLE_4 = [
    [-1, 4],
    [-1, 4],
    [-2, 1],
    [-2, 1],
    [0, [2, 3], 64, 4, 1, 0],
    [0, [0], 64, 2, 1, 0],
    [1, [1, 4, 5], 64, 1, 2, 0],
    [1, [4, 5], 64, 8, 2, 0],
    [1, [4, 5], 64, 2, 2, 0],
    [1, [0, 1, 4, 5], 64, 8, 2, 0],
    [2, [0, 1, 5, 6, 9], 128, 4, 2, 0],
    [2, [6, 7, 8], 128, 1, 2, 0],
    [2, [5, 6, 8, 9], 128, 4, 2, 0],
    [2, [4, 5, 6, 8, 9], 128, 8, 2, 0],
    [3, [10, 11, 12, 13], 512, 4, 2, 0],
]


def table_4(classes: int = 339) -> Network:
    """Return the network of Table 4 with nodes s0 to s3 and n4 to n14."""
    return from_structure(TABLE_4, name="table_4", classes=classes)


NAMES = st.from_regex(r"\A[a-z_][A-Za-z0-9_]{0,5}\Z").filter(
    lambda name: name not in {"anet", "network", "input", "node", "sink", "origin", "score"}
)
WEIGHTS = st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ORIGINS = st.builds(
    Origin,
    parent=st.none() | TEXTS,
    candidate=st.none() | st.integers(0, 10**9),
    seed=st.none() | st.integers(0, 2**63),
    ops=st.lists(TEXTS, max_size=2).map(tuple),
)
SCORES = st.dictionaries(
    st.sampled_from(["top1", "top5", "mAP", "loss", "fitness"]),
    st.floats(allow_nan=False, allow_infinity=False),
).map(lambda values: Score(tuple(values.items())))


SHARES = st.floats(0, 1, exclude_min=True)


@st.composite
def networks(draw: st.DrawFn, *, authors: bool = False) -> Network:
    """Draw a small network without errors; with `authors`, one for the authors' lists."""
    names = iter(draw(st.lists(NAMES, min_size=13, max_size=13, unique=True)))
    inputs = [
        Input(next(names), 3, "rgb"),
        Input(next(names), 2, "flow"),
        Input(next(names), draw(st.integers(1, 5)), "object"),
    ]
    if not authors:
        kinds: Any = st.sampled_from(["rgb", "flow", "object"])
        inputs = [Input(value.name, draw(st.integers(1, 4)), draw(kinds)) for value in inputs]
    inputs = draw(st.permutations(inputs))[: draw(st.integers(1, len(inputs)))]
    blocks: Any = draw(st.sampled_from(["full", "full", "lite"]))
    count = draw(st.integers(1, 3))
    share = 24 if blocks == "lite" else 128 // count
    channels = st.just(share) if authors else st.integers(1, 5)
    nodes = [
        _stem(next(names), draw(st.sampled_from(inputs)), draw(channels), draw, blocks)
        for _ in range(count)
    ]
    levels = sorted(draw(st.lists(st.integers(1, 4), max_size=4)))
    if authors and blocks == "lite":  # the sink of lite blocks reads the one block of level 4
        levels = [level for level in levels if level < 4]
    top_channels = draw(st.integers(1, 3))
    for level in [*levels, 4] if authors else levels:
        lower = [node.name for node in nodes if node.level < level]
        sources = draw(st.lists(st.sampled_from(lower), min_size=1, max_size=4))
        filters: Any = top_channels if level == 4 else draw(st.integers(1, 3))
        if blocks == "lite":
            filters = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), filters)
        nodes.append(
            Node(
                next(names),
                level,
                filters,
                draw(st.integers(1, 3)),
                draw(st.sampled_from([1, 2, 2, 4])),
                tuple(Edge(source, draw(WEIGHTS)) for source in sources),
                draw(_peers(lower)),
            )
        )
    attentions: Any = st.sampled_from(["none", "self", "peer"])
    network = Network(
        name=draw(NAMES),
        inputs=tuple(inputs),
        nodes=tuple(draw(st.permutations(nodes))),
        sink=Sink((), 1),
        blocks=blocks,
        widths=draw(st.tuples(*[st.integers(1, 5)] * 4)),
        modules=draw(st.tuples(*[st.integers(1, 4)] * 4)),
        edges=draw(st.sampled_from(["learned", "fixed"])),
        attention=draw(attentions),
        origin=draw(st.none() | ORIGINS),
        score=draw(st.none() | SCORES),
    )
    return attrs.evolve(network, sink=draw(_sinks(network, authors)))


def _stem(name: str, source: Input, channels: int, draw: st.DrawFn, blocks: Any) -> Node:
    """Draw a stem; that of an object input has no C and may have an r."""
    edges, rates = (Edge(source.name),), st.integers(1, 3)
    if source.kind == "object":
        return Node(name, 0, None, draw(st.none() | rates | st.just(4)), 4, edges)
    return Node(name, 0, channels, draw(rates), 2 if blocks == "lite" else 4, edges)


@st.composite
def _peers(draw: st.DrawFn, lower: list[str]) -> tuple[Edge, ...]:
    found = draw(st.lists(st.sampled_from(lower), max_size=3, unique=True))
    return tuple(Edge(name, draw(SHARES)) for name in found)


@st.composite
def _sinks(draw: st.DrawFn, network: Network, authors: bool) -> Sink:
    nodes = list(network.nodes)
    if authors:
        reads = draw(st.permutations([node for node in nodes if node.level == 4]))
    else:
        most = 1 if network.blocks == "lite" else 3
        reads = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=most))
    combine: Any = "mean"
    channels = network.out_channels()
    different = len({channels[node.name] for node in reads}) > 1
    if different or (not authors and draw(st.booleans())):
        combine = "concat"
    head: Any = draw(st.sampled_from(["mean", "maxpool"]))
    edges = tuple(Edge(node.name) for node in reads)
    return Sink(edges, draw(st.integers(1, 5)), combine, head)
