"""Convert the structure lists of the paper's authors to networks and back.

A structure is a list of nodes, in which each node follows the nodes that it reads. A stem is
`[-1, dilation]` (RGB) or `[-2, dilation]` (flow) and has 128 // (number of stems) channels. A block
is `[level, [indexes of its inputs], C, dilation, stride, 0]`; the last 0 may be missing, and the
levels 0 to 3 are the paper's 1 to 4. Learned weights, after the sigmoid, are a list per node: `[]`
for a stem, a sole input or an untrained node, otherwise `[[w, ...]]` in the order of its inputs.

The lists do not hold names, classes, widths and more. `export_document` writes these beside them.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from anetdsl.interchange.document import refuse_errors
from anetdsl.interchange.json_value import InterchangeError, JsonValue
from anetdsl.ir import Edge, Input, Kind, Network, Node, Sink
from anetdsl.vocabulary import (
    DEFAULT_MODULES,
    DEFAULT_WIDTHS,
    MAX_NODES,
    STEM_STRIDE,
    TOP_LEVEL,
)

Widths = tuple[int, int, int, int]

DEFAULT_CLASSES = 339
"""Classes of Moments in Time, the data set of the authors' search."""
STEM_CHANNELS = 128
"""Channels of all stems of a network together."""
STEM_INPUTS = {-1: Input("rgb", 3, "rgb"), -2: Input("flow", 2, "flow")}
STEM_TYPES: dict[tuple[int, Kind], int] = {
    (value.channels, value.kind): stem for stem, value in STEM_INPUTS.items()
}
_BLOCK = "a block [level, [inputs], C, dilation, stride, 0]"
_NODE = f"a stem [-1 or -2, dilation] or {_BLOCK}"


class NotExpressibleError(InterchangeError):
    """A network that the authors' lists cannot represent. `problems` holds all reasons."""

    def __init__(self, name: str, problems: tuple[str, ...]) -> None:
        reasons = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"the authors' lists cannot represent network `{name}`:{reasons}")
        self.problems = problems


def from_structure(
    structure: object,
    weights: object = None,
    *,
    name: str,
    classes: int = DEFAULT_CLASSES,
    widths: Widths = DEFAULT_WIDTHS,
    modules: Widths = DEFAULT_MODULES,
    edges: Literal["learned", "fixed"] = "learned",
) -> Network:
    """Return the network of a structure, with nodes named by their indexes: `s0`, `n4`.

    The sink reads the blocks of the highest level, 3, in order. Without weights (None or `[]`) all
    edges are untrained. The authors freeze the weights that they load; `edges="fixed"` does the
    same. Raises InterchangeError with the place, such as `structure[4][1][0]`.
    """
    rest = Network(
        JsonValue(name, "name").name(), (), (), Sink((), classes), widths, modules, edges
    )
    return read_structure(JsonValue(structure, "structure"), JsonValue(weights, "weights"), rest)


def to_structure(network: Network) -> tuple[list[Any], list[Any] | None]:
    """Return the structure of a network, and its weights if it has any.

    The weight of an untrained edge beside trained ones is written as 0.5, its value. The weight of
    a sole input is left out, because it has no effect. Raises NotExpressibleError with all reasons
    why the lists cannot represent the network.
    """
    if problems := tuple(_problems(network)):
        raise NotExpressibleError(network.name, problems)
    nodes = list_order(network)
    indexes = {node.name: index for index, node in enumerate(nodes)}
    inputs = {value.name: value for value in network.inputs}
    structure: list[Any] = []
    weights: list[Any] = []
    for node in nodes:
        sources = [edge.source for edge in node.inputs]
        if node.is_stem:
            given = inputs[sources[0]]
            structure.append([STEM_TYPES[given.channels, given.kind], node.dilation])
        else:
            reads = [indexes[source] for source in sources]
            structure.append([node.level - 1, reads, node.channels, node.dilation, node.stride, 0])
        weights.append(_weights_of(node))
    return structure, weights if any(weights) else None


def list_order(network: Network) -> tuple[Node, ...]:
    """Return the nodes in text order if each follows the nodes it reads, else sorted by level."""
    seen = {value.name for value in network.inputs}
    for node in network.nodes:
        if not seen.issuperset(edge.source for edge in node.inputs):
            return network.topological_nodes()
        seen.add(node.name)
    return network.nodes


def read_structure(structure: JsonValue, weights: JsonValue, rest: Network) -> Network:
    """Return the network of a structure; `rest` has everything that the lists do not hold.

    Raises InterchangeError.
    """
    rows = structure.items("a list of nodes")
    if len(rows) > MAX_NODES:
        structure.fail(f"more than {MAX_NODES:,} nodes")
    kinds = [_level_of(row) for row in rows]
    stems = sum(kind < 0 for kind in kinds)
    if stems == 0:
        structure.fail("no stem [-1 or -2, dilation], so no node reads the video")
    if stems > STEM_CHANNELS:
        structure.fail(f"{stems} stems cannot share {STEM_CHANNELS} channels")
    if TOP_LEVEL - 1 not in kinds:
        structure.fail("no block of level 3, so the classifier has no input")
    lists: list[JsonValue] | list[None] = [None] * len(rows)
    if weights.raw is not None and weights.raw != []:
        lists = weights.items("a list of weights for each node")
        if len(lists) != len(rows):
            weights.fail(f"expected one list for each of {len(rows)} nodes, not {len(lists)}")
    names = [f"{'s' if kind < 0 else 'n'}{index}" for index, kind in enumerate(kinds)]
    nodes = []
    for index, (row, kind, given) in enumerate(zip(rows, kinds, lists)):
        if kind < 0:
            node = _read_stem(row, names[index], kind, STEM_CHANNELS // stems)
        else:
            node = _read_block(row, index, kinds, names)
        nodes.append(node if given is None else _with_weights(node, given))
    top = tuple(Edge(node.name) for node in nodes if node.level == TOP_LEVEL)
    network = attrs.evolve(
        rest,
        inputs=tuple(value for stem, value in STEM_INPUTS.items() if stem in kinds),
        nodes=tuple(nodes),
        sink=attrs.evolve(rest.sink, inputs=top),
    )
    refuse_errors(network, structure.place)
    return network


def _level_of(row: JsonValue) -> int:
    """Return the first item of a list: -1 or -2 for a stem, 0 to 3 for a block."""
    items = row.items(_NODE)
    if not items:
        row.fail_expected(_NODE)
    level = items[0].integer(-3, 3, "-1 (RGB stem), -2 (flow stem) or a level from 0 to 3")
    if level == -3:
        items[0].fail(
            "an object stem (-3) belongs to AssembleNet++, which the language cannot express"
        )
    return level


def _read_stem(row: JsonValue, name: str, kind: int, channels: int) -> Node:
    items = row.items()
    if len(items) != 2:
        row.fail(f"expected a stem [{kind}, dilation], not {len(items)} items")
    dilation = items[1].attribute("node", "r")
    return Node(name, 0, channels, dilation, STEM_STRIDE, (Edge(STEM_INPUTS[kind].name),))


def _read_block(row: JsonValue, index: int, kinds: list[int], names: list[str]) -> Node:
    items = row.items()
    if len(items) not in (5, 6):
        row.fail(f"expected {_BLOCK}, not {len(items)} items")
    if len(items) == 6:
        items[5].integer(0, 0, "0, a number without meaning")
    if isinstance(items[2].raw, list | tuple):
        items[2].fail(
            "a list of channels belongs to AssembleNet++ (lite), which the language cannot express"
        )
    sources = items[1].items("a list of the indexes of the nodes that the block reads")
    if not sources:
        items[1].fail_expected("the index of at least one node")
    return Node(
        names[index],
        kinds[index] + 1,
        items[2].attribute("node", "C"),
        items[3].attribute("node", "r"),
        items[4].attribute("node", "stride"),
        tuple(Edge(names[_read_index(source, index, kinds)]) for source in sources),
    )


def _read_index(source: JsonValue, index: int, kinds: list[int]) -> int:
    found = source.integer(0, len(kinds) - 1, f"a node's index from 0 to {len(kinds) - 1}")
    if found >= index:
        source.fail(f"node {index} reads node {found}, which is not before it in the list")
    if kinds[found] >= kinds[index]:
        source.fail(
            f"node {index} (level {kinds[index]}) reads node {found} (level {kinds[found]}); "
            "an edge goes from a lower level to a higher one"
        )
    return found


def _with_weights(node: Node, given: JsonValue) -> Node:
    outer = given.items("a list of weights, [[w, ...]] or []")
    if not outer:
        return node
    if node.is_stem or len(node.inputs) == 1:
        what = "a stem" if node.is_stem else "a sole input"
        given.fail(f"{what} has no weights; expected []")
    if len(outer) != 1:
        given.fail(f"expected [[w, ...]], one list within a list, not {len(outer)}")
    values = outer[0].items("a list of weights")
    if len(values) != len(node.inputs):
        outer[0].fail(f"expected {len(node.inputs)} weights, one per input, not {len(values)}")
    edges = (attrs.evolve(edge, weight=value.weight()) for edge, value in zip(node.inputs, values))
    return attrs.evolve(node, inputs=tuple(edges))


def _weights_of(node: Node) -> list[list[float]]:
    trained = any(edge.weight is not None for edge in node.inputs)
    return [[edge.gate for edge in node.inputs]] if node.has_edge_weights and trained else []


def _problems(network: Network) -> list[str]:
    """Return the reasons why the lists cannot represent the network."""
    return [*_input_problems(network), *_stem_problems(network), *_sink_problems(network)]


def _input_problems(network: Network) -> list[str]:
    problems = []
    readers: dict[int, str] = {}
    for value in network.inputs:
        stem = STEM_TYPES.get((value.channels, value.kind))
        if stem is None:
            problems.append(
                f"input `{value.name}` ({value.channels} channels, kind={value.kind}) is neither "
                "RGB (3 channels, kind=rgb) nor flow (2 channels, kind=flow)"
            )
        elif stem in readers:
            problems.append(
                f"input `{value.name}` is a second {value.kind} input after `{readers[stem]}`"
            )
        else:
            readers[stem] = value.name
    return problems


def _stem_problems(network: Network) -> list[str]:
    stems = [node for node in network.nodes if node.is_stem]
    problems = []
    if len(stems) > STEM_CHANNELS:
        problems.append(f"{len(stems)} stems; the authors' stems share {STEM_CHANNELS} channels")
    else:
        for node in stems:
            share = STEM_CHANNELS // len(stems)
            if node.channels != share:
                problems.append(
                    f"stem `{node.name}` has C={node.channels}; the authors' stems have "
                    f"{STEM_CHANNELS} // {len(stems)} stems = {share}"
                )
    problems.extend(
        f"stem `{node.name}` has stride={node.stride}; the authors' stems have {STEM_STRIDE}"
        for node in stems
        if node.stride != STEM_STRIDE
    )
    return problems


def _sink_problems(network: Network) -> list[str]:
    problems = []
    if network.sink.combine != "mean":
        problems.append(f"the sink has combine={network.sink.combine}, not mean")
    top = {node.name for node in network.nodes if node.level == TOP_LEVEL}
    reads: set[str] = set()
    for edge in network.sink.inputs:
        if edge.source not in top:
            problems.append(
                f"the sink reads `{edge.source}`; the authors' sink reads level {TOP_LEVEL} only"
            )
        elif edge.source in reads:
            problems.append(f"the sink reads `{edge.source}` twice")
        reads.add(edge.source)
    problems.extend(
        f"the sink does not read `{node.name}`; the authors' sink reads all of level {TOP_LEVEL}"
        for node in network.nodes
        if node.name in top - reads
    )
    return problems
