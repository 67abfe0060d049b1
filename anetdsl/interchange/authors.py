"""Convert the structure lists of the paper's authors to networks and back.

A structure is a list of nodes, in which each node follows the nodes that it reads. A stem is
`[-1, dilation]` (RGB), `[-2, dilation]` (flow) or `[-3, dilation]` (objects, AssembleNet++) and has
128 // (number of stems) channels; that of objects is a pool and has the classes of objects. A block
is `[level, [indexes of its inputs], C, dilation, stride, 0]`; the last 0 may be missing, and the
levels 0 to 3 are the paper's 1 to 4. If C is a list of three widths, the network has lite blocks,
and its stems have 24 channels. Learned weights, after the sigmoid, are a list per node: `[]` for a
stem, a sole input or an untrained node, otherwise `[[w, ...]]` in the order of its inputs.

The lists do not hold names, classes, widths, attention, peers and more. `export_document` writes
these beside them.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from anetdsl.interchange.document import refuse_errors
from anetdsl.interchange.json_value import InterchangeError, JsonValue
from anetdsl.ir import MODULES, Attention, Blocks, Edge, Input, Network, Node, Sink
from anetdsl.vocabulary import DEFAULT_WIDTHS, MAX_NODES, TOP_LEVEL

Widths = tuple[int, int, int, int]

DEFAULT_CLASSES = 339
"""Classes of Moments in Time, the data set of the authors' search."""
STEM_CHANNELS = 128
"""Channels of all stems of a network together."""
LITE_STEM_CHANNELS = 24
"""Channels of each stem of a network with lite blocks."""
OBJECT_CLASSES = 151
"""Channels of the object input in the authors' code: the classes of ADE20K and one for the rest."""
OBJECT_DILATION = 4
"""Dilation of all published object stems. It has no effect, so that a text leaves it out."""
STEM_INPUTS = {
    -1: Input("rgb", 3, "rgb"),
    -2: Input("flow", 2, "flow"),
    -3: Input("object", OBJECT_CLASSES, "object"),
}
_BLOCK = "a block [level, [inputs], C, dilation, stride, 0]"
_NODE = f"a stem [-1, -2 or -3, dilation] or {_BLOCK}"


def stem_type(value: Input) -> int | None:
    """Return -1, -2 or -3 for the stems of an input, or None if the lists have no such input."""
    for stem, given in STEM_INPUTS.items():
        same_channels = value.channels == given.channels or value.kind == "object"
        if value.kind == given.kind and same_channels:
            return stem
    return None


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
    modules: Widths | None = None,
    edges: Literal["learned", "fixed"] = "learned",
    attention: Attention = "none",
    object_classes: int = OBJECT_CLASSES,
) -> Network:
    """Return the network of a structure, with nodes named by their indexes: `s0`, `n4`.

    The sink reads the blocks of the highest level, 3, in order. Without weights (None or `[]`) all
    edges are untrained. The authors freeze the weights that they load; `edges="fixed"` does the
    same. `modules` are by default those of the kind of blocks. Raises InterchangeError with the
    place, such as `structure[4][1][0]`.
    """
    rest = Network(
        JsonValue(name, "name").name(),
        (),
        (),
        Sink((), classes),
        widths=widths,
        edges=edges,
        attention=attention,
    )
    return read_structure(
        JsonValue(structure, "structure"),
        JsonValue(weights, "weights"),
        rest,
        modules,
        object_classes,
    )


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
            dilation = OBJECT_DILATION if node.dilation is None else node.dilation
            structure.append([stem_type(inputs[sources[0]]), dilation])
        else:
            reads = [indexes[source] for source in sources]
            filters = list(node.filters) if network.blocks == "lite" else node.width
            structure.append([node.level - 1, reads, filters, node.dilation, node.stride, 0])
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


def read_structure(
    structure: JsonValue,
    weights: JsonValue,
    rest: Network,
    modules: Widths | None = None,
    object_classes: int = OBJECT_CLASSES,
) -> Network:
    """Return the network of a structure; `rest` has everything that the lists do not hold.

    `modules` replaces the numbers of modules of the kind of blocks. Raises InterchangeError.
    """
    rows = structure.items("a list of nodes")
    if len(rows) > MAX_NODES:
        structure.fail(f"more than {MAX_NODES:,} nodes")
    kinds = [_level_of(row) for row in rows]
    stems = sum(kind < 0 for kind in kinds)
    if stems == 0:
        structure.fail("no stem [-1, -2 or -3, dilation], so no node reads the video")
    blocks: Blocks = "lite" if _has_triples(rows, kinds) else "full"
    share = LITE_STEM_CHANNELS if blocks == "lite" else STEM_CHANNELS // stems
    if blocks == "full" and stems > STEM_CHANNELS:
        structure.fail(f"{stems} stems cannot share {STEM_CHANNELS} channels")
    if TOP_LEVEL - 1 not in kinds:
        structure.fail("no block of level 3, so the classifier has no input")
    lists: list[JsonValue] | list[None] = [None] * len(rows)
    if weights.raw is not None and weights.raw != []:
        lists = weights.items("a list of weights for each node")
        if len(lists) != len(rows):
            weights.fail(f"expected one list for each of {len(rows)} nodes, not {len(lists)}")
    described = attrs.evolve(
        rest,
        inputs=tuple(_input(stem, object_classes) for stem in STEM_INPUTS if stem in kinds),
        blocks=blocks,
        modules=modules or MODULES[blocks],
    )
    names = [f"{'s' if kind < 0 else 'n'}{index}" for index, kind in enumerate(kinds)]
    nodes = []
    for index, (row, kind, given) in enumerate(zip(rows, kinds, lists)):
        if kind < 0:
            node = _read_stem(row, names[index], kind, share, described)
        else:
            node = _read_block(row, index, kinds, names)
        nodes.append(node if given is None else _with_weights(node, given))
    top = tuple(Edge(node.name) for node in nodes if node.level == TOP_LEVEL)
    network = attrs.evolve(
        described,
        nodes=tuple(nodes),
        sink=attrs.evolve(rest.sink, inputs=top),
    )
    refuse_errors(network, structure.place)
    return network


def _level_of(row: JsonValue) -> int:
    """Return the first item of a list: -1, -2 or -3 for a stem, 0 to 3 for a block."""
    items = row.items(_NODE)
    if not items:
        row.fail_expected(_NODE)
    return items[0].integer(
        -3, 3, "-1 (RGB stem), -2 (flow stem), -3 (object stem) or a level from 0 to 3"
    )


def _has_triples(rows: list[JsonValue], kinds: list[int]) -> bool:
    """Return whether a block has a list of three widths, so that the network has lite blocks."""
    blocks = [row.items() for row, kind in zip(rows, kinds) if kind >= 0]
    return any(len(items) > 2 and isinstance(items[2].raw, list | tuple) for items in blocks)


def _input(stem: int, object_classes: int) -> Input:
    value = STEM_INPUTS[stem]
    return attrs.evolve(value, channels=object_classes) if value.kind == "object" else value


def _read_stem(row: JsonValue, name: str, kind: int, channels: int, network: Network) -> Node:
    items = row.items()
    if len(items) != 2:
        row.fail(f"expected a stem [{kind}, dilation], not {len(items)} items")
    dilation = items[1].attribute("node", "r")
    value = STEM_INPUTS[kind]
    node = Node(name, 0, channels, dilation, 1, (Edge(value.name),))
    if value.kind == "object":
        node = attrs.evolve(
            node, channels=None, dilation=None if dilation == OBJECT_DILATION else dilation
        )
    return attrs.evolve(node, stride=network.stem_stride(node))


def _read_block(row: JsonValue, index: int, kinds: list[int], names: list[str]) -> Node:
    items = row.items()
    if len(items) not in (5, 6):
        row.fail(f"expected {_BLOCK}, not {len(items)} items")
    if len(items) == 6:
        items[5].integer(0, 0, "0, a number without meaning")
    sources = items[1].items("a list of the indexes of the nodes that the block reads")
    if not sources:
        items[1].fail_expected("the index of at least one node")
    return Node(
        names[index],
        kinds[index] + 1,
        items[2].filters(),
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
        stem = stem_type(value)
        if stem is None:
            problems.append(
                f"input `{value.name}` ({value.channels} channels, kind={value.kind}) is neither "
                "RGB (3 channels, kind=rgb) nor flow (2 channels, kind=flow) nor objects "
                "(kind=object)"
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
    if network.blocks == "lite":
        return [
            f"stem `{node.name}` has C={node.channels}; the authors' lite stems have "
            f"{LITE_STEM_CHANNELS}"
            for node in stems
            if node.channels not in (LITE_STEM_CHANNELS, None)
        ]
    if len(stems) > STEM_CHANNELS:
        return [f"{len(stems)} stems; the authors' stems share {STEM_CHANNELS} channels"]
    share = STEM_CHANNELS // len(stems)
    return [
        f"stem `{node.name}` has C={node.channels}; the authors' stems have "
        f"{STEM_CHANNELS} // {len(stems)} stems = {share}"
        for node in stems
        if node.channels not in (share, None)
    ]


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
