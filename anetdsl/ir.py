"""The values that make up a network: inputs, nodes, edges, the sink, origin and score.

A `.anet` text becomes a `Network` once its names are resolved. Equality ignores the places in the
text: two texts that differ in layout and comments only give equal networks. The rules that several
modules need (which nodes the sink needs, path lengths, strides, edge weights) are methods here.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from anetdsl.displays import display
from anetdsl.source import NOWHERE, Span
from anetdsl.vocabulary import (
    DEFAULT_MODULES,
    DEFAULT_WIDTHS,
    LITE_MODULES,
    LITE_STEM_STRIDE,
    OBJECT_STEM_STRIDE,
    STATEMENTS,
    STEM_STRIDE,
)

UNTRAINED_WEIGHT = 0.5
"""sigmoid(0), the value of an edge weight before training."""

Kind = Literal["rgb", "flow", "object"]
"""Kind of an input. A stem that reads an `rgb` input has a temporal convolution; one that reads a
`flow` input has none; one that reads an `object` input is a max pool."""

Blocks = Literal["full", "lite"]
"""Kind of all blocks of a network: the paper's, or the lite blocks of AssembleNet++."""

Attention = Literal["none", "self", "peer"]
"""Attention of all connections of a network (AssembleNet++)."""

Triple = tuple[int, int, int]
"""Widths f0, f1, f2 of the modules of a lite block."""

MODULES: dict[Blocks, tuple[int, int, int, int]] = {"full": DEFAULT_MODULES, "lite": LITE_MODULES}
"""Residual modules of a block at levels 1 to 4 by default."""

Places = tuple[tuple[str, Span], ...]
"""Places of the parts of a statement in the text: of its `name` and of each attribute's value."""


def _span() -> Any:
    return attrs.field(default=NOWHERE, eq=False, repr=False, kw_only=True)


def _places() -> Any:
    return attrs.field(default=(), eq=False, repr=False, kw_only=True)


@attrs.frozen
class Edge:
    """A connection from a node or an input into a node or the sink."""

    source: str
    weight: float | None = None
    """sigmoid(w) in (0, 1), w the learned parameter; None if the edge is untrained."""
    span: Span = _span()

    @property
    def gate(self) -> float:
        """Factor of the source's output in the sum of several inputs; 0.5 for an untrained edge.

        A sole input has no factor: use `Node.edge_weight`.
        """
        return UNTRAINED_WEIGHT if self.weight is None else self.weight


@attrs.frozen
class Input:
    """An input of the network: a tensor (N, channels, T, H, W)."""

    name: str
    channels: int
    kind: Kind = "rgb"
    span: Span = _span()
    places: Places = _places()


@attrs.frozen
class Node:
    """A block (paper 3.1, A.1): a stem at level 0, residual modules at levels 1 to 4."""

    name: str
    level: int
    channels: int | Triple | None
    """C. A block's output has 4C channels; a stem's output has C channels. In a lite block C is
    (f0, f1, f2), and the output has f2 channels. The stem of an object input has None."""
    dilation: int | None
    """r, the dilation of temporal convolutions (the paper's temporal resolution).

    It has no effect in the stem of a flow or an object input. Only the latter may have None.
    """
    stride: int
    inputs: tuple[Edge, ...]
    peers: tuple[Edge, ...] = ()
    """Learned shares of nodes of lower levels in the peer attention of this node's connections.

    The share of a peer is softmax(h), averaged over the connections. Only ratios of shares matter.
    """
    span: Span = _span()
    places: Places = _places()

    @property
    def is_stem(self) -> bool:
        """True if the node reads an input of the network."""
        return self.level == 0

    @property
    def filters(self) -> tuple[int, ...]:
        """C as a tuple: one number, three for a lite block, none for the stem of an object input.

        Splits halve all of these numbers, and merges add them up.
        """
        if self.channels is None:
            return ()
        return (self.channels,) if isinstance(self.channels, int) else self.channels

    @property
    def width(self) -> int:
        """C of a full block, or of a stem that has one. Raise TypeError for other nodes."""
        if not isinstance(self.channels, int):
            raise TypeError(f"{self.name}: C is {self.channels}, not one number")
        return self.channels

    @property
    def triple(self) -> Triple:
        """Widths (f0, f1, f2) of a lite block. Raise TypeError for other nodes."""
        if not isinstance(self.channels, tuple):
            raise TypeError(f"{self.name}: C is {self.channels}, not three numbers")
        return self.channels

    @property
    def rate(self) -> int:
        """Dilation r; 1 if the node has none."""
        return 1 if self.dilation is None else self.dilation

    @property
    def has_edge_weights(self) -> bool:
        """True if the edges into the node have weights: it is no stem and has several inputs."""
        return not self.is_stem and len(self.inputs) > 1

    def edge_weight(self, edge: Edge) -> float:
        """Return the weight by which search and pruning rank an edge into this node.

        A sole input has no weight and counts as 1 (semantics 12). Other edges count as their gate.
        """
        return edge.gate if len(self.inputs) > 1 else 1.0


@attrs.frozen
class Sink:
    """The classifier (paper A.4)."""

    inputs: tuple[Edge, ...]
    classes: int
    combine: Literal["mean", "concat"] = "mean"
    head: Literal["mean", "maxpool"] = "mean"
    span: Span = _span()
    places: Places = _places()


@attrs.frozen
class Origin:
    """Parent and operations of a network in a search. They have no effect on its computation."""

    parent: str | None = None
    candidate: int | None = None
    """Number of the candidate in its search, from 0."""
    seed: int | None = None
    ops: tuple[str, ...] = ()
    span: Span = _span()


Measures = tuple[tuple[str, float], ...]
"""Pairs of a measure's name (`top1`, `fitness`, ...) and its value."""


def _in_vocabulary_order(measures: Measures) -> Measures:
    """Return the measures in the vocabulary's order; their order in a text has no meaning."""
    ranks = {a.name: rank for rank, a in enumerate(STATEMENTS["score"].attributes)}
    return tuple(sorted(measures, key=lambda measure: ranks.get(measure[0], len(ranks))))


@attrs.frozen
class Score:
    """Measured results of the network. They have no effect on what the network computes."""

    values: Measures = attrs.field(converter=_in_vocabulary_order)
    span: Span = _span()


@attrs.frozen
class Network:
    """A network, checked or not. Nodes are in the order of the text."""

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    sink: Sink
    blocks: Blocks = attrs.field(default="full", kw_only=True)
    widths: tuple[int, int, int, int] = DEFAULT_WIDTHS
    """D, the output channels of the 2D convolutions at levels 1 to 4. Lite blocks have none."""
    modules: tuple[int, int, int, int] = attrs.Factory(
        lambda network: MODULES[network.blocks], takes_self=True
    )
    """Number of residual modules in a block at levels 1 to 4."""
    edges: Literal["learned", "fixed"] = "learned"
    attention: Attention = attrs.field(default="none", kw_only=True)
    origin: Origin | None = None
    score: Score | None = None
    span: Span = _span()
    places: Places = _places()

    def node(self, name: str) -> Node:
        """Return the node with this name. Raise KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def input(self, name: str) -> Input:
        """Return the input with this name. Raise KeyError if there is none."""
        for value in self.inputs:
            if value.name == name:
                return value
        raise KeyError(name)

    def stem_stride(self, node: Node) -> int:
        """Return the stride that a stem must have."""
        kinds = {value.name: value.kind for value in self.inputs}
        if any(kinds.get(edge.source) == "object" for edge in node.inputs):
            return OBJECT_STEM_STRIDE
        return LITE_STEM_STRIDE if self.blocks == "lite" else STEM_STRIDE

    def uses_rate(self, node: Node) -> bool:
        """Return whether the r of a node has an effect: it has a temporal convolution.

        The stem of an object input has none, and neither has that of a flow input in a network of
        full blocks.
        """
        if not node.is_stem or not node.inputs:
            return True
        without = ("object",) if self.blocks == "lite" else ("object", "flow")
        kinds = {value.name: value.kind for value in self.inputs}
        return not all(kinds.get(edge.source) in without for edge in node.inputs)

    def out_channels(self) -> dict[str, int]:
        """Return, by node, the number of channels of the node's output.

        Stems of object inputs are left out if the input is missing.
        """
        inputs = {value.name: value.channels for value in self.inputs}
        found: dict[str, int] = {}
        for node in self.nodes:
            match node.channels:
                case None:
                    sources = [edge.source for edge in node.inputs if edge.source in inputs]
                    if sources:
                        found[node.name] = inputs[sources[0]]
                case int():
                    found[node.name] = node.channels if node.is_stem else 4 * node.channels
                case _:
                    found[node.name] = node.channels[2]
        return found

    def fused_channels(self) -> dict[str, int]:
        """Return, by node that reads nodes, the number of channels of the sum of its inputs.

        It is the largest number of channels among the inputs. Stems of object inputs count only if
        the node reads no others (semantics 3).
        """
        channels = self.out_channels()
        objects = {node.name for node in self.nodes if node.channels is None}
        found: dict[str, int] = {}
        for node in self.nodes:
            sources = [edge.source for edge in node.inputs if edge.source in channels]
            if sources and not node.is_stem:
                others = [source for source in sources if source not in objects]
                found[node.name] = max(channels[source] for source in others or sources)
        return found

    def peers_by_level(self) -> dict[int, tuple[Node, ...]]:
        """Return, by level from 1, all nodes of lower levels: the peers of the level's nodes.

        The order is that of the parameters: object stems, flow stems, RGB stems, then level by
        level; within each the order of the text (semantics 3).
        """
        kinds = {value.name: value.kind for value in self.inputs}
        ranks = {"object": 0, "flow": 1, "rgb": 2}

        def rank(node: Node) -> tuple[int, int]:
            kind = kinds.get(node.inputs[0].source) if node.is_stem and node.inputs else None
            return node.level, ranks[kind] if kind else 0

        nodes = sorted(self.nodes, key=rank)
        levels = {node.level for node in nodes if node.level > 0}
        return {level: tuple(node for node in nodes if node.level < level) for level in levels}

    def topological_nodes(self) -> tuple[Node, ...]:
        """Return the nodes such that each follows the nodes it reads, else in text order."""
        return tuple(sorted(self.nodes, key=lambda node: node.level))

    def needed_by_sink(self) -> frozenset[str]:
        """Return the names of the nodes and inputs that the sink's result depends on.

        With peer attention, a node depends on all nodes of lower levels, also on those that it
        does not read. The network may contain errors.
        """
        edges = {value.name: () for value in self.inputs} | {n.name: n.inputs for n in self.nodes}
        sources = {name: [edge.source for edge in read] for name, read in edges.items()}
        if self.attention == "peer":
            peers = self.peers_by_level()
            for node in self.nodes:
                sources[node.name] += [peer.name for peer in peers.get(node.level, ())]
        needed: set[str] = set()
        waiting = [edge.source for edge in self.sink.inputs]
        while waiting:
            name = waiting.pop()
            if name in sources and name not in needed:
                needed.add(name)
                waiting.extend(sources[name])
        return frozenset(needed)

    def path_lengths(self) -> dict[str, int]:
        """Return, by node, the number of nodes on the longest path from an input to this node.

        The path includes the stem and the node itself.
        """
        lengths: dict[str, int] = {}
        for node in self.topological_nodes():
            below = 0
            if not node.is_stem:
                below = max((lengths.get(edge.source, 0) for edge in node.inputs), default=0)
            lengths[node.name] = below + 1
        return lengths

    def longest_path(self) -> int:
        """Return the number of nodes on the longest path from an input to the sink."""
        lengths = self.path_lengths()
        return max((lengths.get(edge.source, 0) for edge in self.sink.inputs), default=0)

    def total_strides(self) -> dict[str, int]:
        """Return, by node, the factor by which the node's output is smaller than the input.

        A node's inputs are pooled to the smallest of them. Nodes are left out if an input is
        missing, has no total stride itself, or is on the same level or above.
        """
        totals: dict[str, int] = {}
        for node in self.topological_nodes():
            below = [totals.get(edge.source) for edge in node.inputs]
            if node.is_stem:
                totals[node.name] = node.stride
            elif below and None not in below:
                totals[node.name] = max(t for t in below if t is not None) * node.stride
        return totals

    def __str__(self) -> str:
        """Return the canonical text."""
        return str(display("text", self))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        """Return the network's text, picture and cost for a notebook, by media type."""
        return display("notebook", self)

    def stats(
        self, *, frames: int = 32, size: tuple[int, int] = (224, 224), classes: int | None = None
    ) -> Any:
        """Return the `CostTable` of a clip of `size` (height, width); raises as `anetdsl.cost`."""
        return display("stats", self, frames=frames, size=size, classes=classes)


def place(value: Input | Node | Sink | Network, part: str) -> Span:
    """Return the place of a part of a statement, or of the statement if that is not known."""
    return next((span for name, span in value.places if name == part), value.span)


def default_kind(channels: int) -> Kind:
    """Return the kind of an input that states none: two channels are a flow field (u, v)."""
    return "flow" if channels == 2 else "rgb"
