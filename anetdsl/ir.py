"""The network as values: what a `.anet` text means once its names are resolved.

Equality ignores where a value was read from, so two texts that differ in layout and comments give
equal networks. `str(network)` is its canonical text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from anetdsl.source import NOWHERE, Span
from anetdsl.vocabulary import DEFAULT_MODULES, DEFAULT_WIDTHS, STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["rgb", "flow"]
"""What a stem makes of an input: `rgb` ones have a temporal convolution, `flow` ones have none."""


Places = tuple[tuple[str, Span], ...]
"""Where the parts of a statement stand: its `name`, and the value of each attribute."""


def _span() -> Any:
    return attrs.field(default=NOWHERE, eq=False, repr=False, kw_only=True)


def _places() -> Any:
    return attrs.field(default=(), eq=False, repr=False, kw_only=True)


@attrs.frozen
class Edge:
    """A connection into a node or the sink. `weight` is sigmoid(w) in (0, 1); None is untrained."""

    source: str
    weight: float | None = None
    span: Span = _span()


@attrs.frozen
class Input:
    """A tensor that the network is given: (N, channels, T, H, W)."""

    name: str
    channels: int
    kind: Kind = "rgb"
    span: Span = _span()
    places: Places = _places()


@attrs.frozen
class Node:
    """One block (paper 3.1, A.1): a stem at level 0, residual modules at levels 1 to 4."""

    name: str
    level: int
    channels: int
    """C: the block's output has 4C channels (a stem's has C)."""
    dilation: int
    """r: the temporal dilation, the paper's temporal resolution."""
    stride: int
    inputs: tuple[Edge, ...]
    span: Span = _span()
    places: Places = _places()

    @property
    def is_stem(self) -> bool:
        """Whether this node reads an input of the network."""
        return self.level == 0

    @property
    def out_channels(self) -> int:
        """Channels of the node's output tensor."""
        return self.channels if self.is_stem else 4 * self.channels


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
    """Where a network came from. It changes nothing about the network."""

    parent: str | None = None
    round: int | None = None
    seed: int | None = None
    ops: tuple[str, ...] = ()
    span: Span = _span()


Measures = tuple[tuple[str, float], ...]
"""Pairs of a measure's name (`top1`, `fitness`, ...) and its value."""


def _in_written_order(measures: Measures) -> Measures:
    """The measures in the vocabulary's order: how a text lists them means nothing."""
    ranks = {a.name: rank for rank, a in enumerate(STATEMENTS["score"].attributes)}
    return tuple(sorted(measures, key=lambda measure: ranks.get(measure[0], len(ranks))))


@attrs.frozen
class Score:
    """How a network did. It changes nothing about the network."""

    values: Measures = attrs.field(converter=_in_written_order)
    span: Span = _span()


@attrs.frozen
class Network:
    """One network, checked or not. Nodes stand in the order of the text."""

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    sink: Sink
    widths: tuple[int, int, int, int] = DEFAULT_WIDTHS
    """D: the widths of the 2D convolutions at levels 1 to 4."""
    modules: tuple[int, int, int, int] = DEFAULT_MODULES
    """Residual modules of a block at levels 1 to 4."""
    edges: Literal["learned", "fixed"] = "learned"
    origin: Origin | None = None
    score: Score | None = None
    span: Span = _span()
    places: Places = _places()

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def input(self, name: str) -> Input:
        """The input of that name. Raises KeyError when there is none."""
        for value in self.inputs:
            if value.name == name:
                return value
        raise KeyError(name)

    def topological_nodes(self) -> tuple[Node, ...]:
        """The nodes so that each follows those it reads; otherwise in the order of the text."""
        return tuple(sorted(self.nodes, key=lambda node: node.level))

    def __str__(self) -> str:
        """Return the canonical text."""
        text: str = _displays["text"](self)
        return text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
        """Return what a notebook shows, by media type."""
        return _displays["notebook"](self)


_displays: dict[str, Callable[[Network], Any]] = {"text": repr, "notebook": lambda _: None}


def set_displays(text: Callable[[Network], str], notebook: Callable[[Network], Any]) -> None:
    """Set the functions behind `str(network)` and a notebook's picture.

    `anetdsl/__init__.py` calls this function, so that this module imports neither the printer nor
    the drawing.
    """
    _displays.update(text=text, notebook=notebook)


def place(value: Input | Node | Sink | Network, part: str) -> Span:
    """Where a part of a statement stands; the whole statement where that is not known."""
    return next((span for name, span in value.places if name == part), value.span)


def default_kind(channels: int) -> Kind:
    """The kind of an input that names none: two channels are a flow field (u, v)."""
    return "flow" if channels == 2 else "rgb"
