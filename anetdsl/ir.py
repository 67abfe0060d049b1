"""The values that make up a network: inputs, nodes, edges, the sink, origin and score.

A `.anet` text becomes a `Network` once its names are resolved. Equality ignores the places in the
text: two texts that differ in layout and comments only give equal networks. The rules that several
modules need (which nodes the sink needs, path lengths, strides, edge weights) are methods here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from anetdsl.source import NOWHERE, Span
from anetdsl.vocabulary import DEFAULT_MODULES, DEFAULT_WIDTHS, STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

UNTRAINED_WEIGHT = 0.5
"""sigmoid(0), the value of an edge weight before training."""

Kind = Literal["rgb", "flow"]
"""Kind of an input. A stem that reads an `rgb` input has a temporal convolution; one that reads a
`flow` input has none."""

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
    channels: int
    """C. A block's output has 4C channels; a stem's output has C channels."""
    dilation: int
    """r, the dilation of temporal convolutions (the paper's temporal resolution)."""
    stride: int
    inputs: tuple[Edge, ...]
    span: Span = _span()
    places: Places = _places()

    @property
    def is_stem(self) -> bool:
        """True if the node reads an input of the network."""
        return self.level == 0

    @property
    def out_channels(self) -> int:
        """Number of channels of the node's output."""
        return self.channels if self.is_stem else 4 * self.channels

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
    widths: tuple[int, int, int, int] = DEFAULT_WIDTHS
    """D, the output channels of the 2D convolutions at levels 1 to 4."""
    modules: tuple[int, int, int, int] = DEFAULT_MODULES
    """Number of residual modules in a block at levels 1 to 4."""
    edges: Literal["learned", "fixed"] = "learned"
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

    def topological_nodes(self) -> tuple[Node, ...]:
        """Return the nodes such that each follows the nodes it reads, else in text order."""
        return tuple(sorted(self.nodes, key=lambda node: node.level))

    def needed_by_sink(self) -> frozenset[str]:
        """Return the names of the nodes and inputs that the sink's result depends on.

        The network may contain errors.
        """
        edges = {value.name: () for value in self.inputs} | {n.name: n.inputs for n in self.nodes}
        needed: set[str] = set()
        waiting = list(self.sink.inputs)
        while waiting:
            name = waiting.pop().source
            if name in edges and name not in needed:
                needed.add(name)
                waiting.extend(edges[name])
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
        text: str = _displays["text"](self)
        return text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        """Return the network's text and drawing for a notebook, by media type."""
        return _displays["notebook"](self)


_displays: dict[str, Callable[[Network], Any]] = {"text": repr, "notebook": lambda _: None}


def set_displays(text: Callable[[Network], str], notebook: Callable[[Network], Any]) -> None:
    """Set the functions that implement `str(network)` and the display in a notebook.

    `anetdsl/__init__.py` calls this function, so that this module imports neither the printer nor
    the drawing, which import this module.
    """
    _displays.update(text=text, notebook=notebook)


def place(value: Input | Node | Sink | Network, part: str) -> Span:
    """Return the place of a part of a statement, or of the statement if that is not known."""
    return next((span for name, span in value.places if name == part), value.span)


def default_kind(channels: int) -> Kind:
    """Return the kind of an input that states none: two channels are a flow field (u, v)."""
    return "flow" if channels == 2 else "rgb"
