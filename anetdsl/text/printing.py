"""Print a network as its canonical text, as `str(network)` does."""

from __future__ import annotations

from collections.abc import Iterable

from anetdsl.ir import MODULES, Edge, Input, Network, Node, Origin, Score, Sink, default_kind
from anetdsl.text.layout import Cell, Item, Line, Row, render
from anetdsl.vocabulary import DEFAULT_WIDTHS, LANGUAGE_VERSION

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def network_text(network: Network) -> str:
    """Return the canonical text. Parsing it gives an equal network; `fmt` does not change it."""
    return render(lines_of(network))


def quote(text: str) -> str:
    """Return a string as it is written in a .anet text."""
    return f'"{text.translate(_ESCAPES)}"'


def write_number(value: float) -> str:
    """Return a number in the shortest form that is parsed to the same value."""
    return repr(value if isinstance(value, int) else float(value))


def write_edge(edge: Edge) -> str:
    """Return an edge as an item of an `inputs` list."""
    return edge.source if edge.weight is None else f"{edge.source}@{write_number(edge.weight)}"


def lines_of(network: Network) -> list[Line]:
    """Return the network as lines for `anetdsl.text.layout`, without default values."""
    head = [_word("keyword", "network"), _word("name", network.name)]
    if network.blocks != "full":
        head.append(_value("blocks", network.blocks))
    if network.widths != DEFAULT_WIDTHS:
        head.append(_items("D", map(str, network.widths)))
    if network.modules != MODULES[network.blocks]:
        head.append(_items("modules", map(str, network.modules)))
    if network.edges != "learned":
        head.append(_value("edges", network.edges))
    if network.attention != "none":
        head.append(_value("attention", network.attention))
    version = (_word("keyword", "anet"), _word("name", str(LANGUAGE_VERSION)))
    lines: list[Line] = [Row(version), None, Row(tuple(head))]
    if network.origin is not None:
        lines.append(Row(origin_cells(network.origin)))
    if network.score is not None:
        lines.append(Row(score_cells(network.score)))
    lines.append(None)
    lines.extend(Row(_input_cells(value), "input") for value in network.inputs)
    level: int | None = None
    for node in network.nodes:
        if node.level != level:
            lines.append(None)
            level = node.level
        lines.append(Row(node_cells(node), "node"))
    return [*lines, None, Row(_sink_cells(network.sink))]


def _word(key: str, text: str) -> Cell:
    return Cell(key, text)


def _value(key: str, value: object) -> Cell:
    return Cell(key, f"{key}={value}")


def _items(key: str, items: Iterable[str]) -> Cell:
    return Cell(key, f"{key}=", tuple(Item(item) for item in items))


def node_cells(node: Node) -> tuple[Cell, ...]:
    """Return a node statement as cells for `anetdsl.text.layout`."""
    cells = [_word("keyword", "node"), _word("name", node.name), _value("level", node.level)]
    if isinstance(node.channels, tuple):
        cells.append(_items("C", map(str, node.channels)))
    elif node.channels is not None:
        cells.append(_value("C", node.channels))
    if node.dilation is not None:
        cells.append(_value("r", node.dilation))
    cells.append(_value("stride", node.stride))
    cells.append(_items("inputs", map(write_edge, node.inputs)))
    if node.peers:
        cells.append(_items("peers", map(write_edge, node.peers)))
    return tuple(cells)


def _input_cells(value: Input) -> tuple[Cell, ...]:
    cells = (
        _word("keyword", "input"),
        _word("name", value.name),
        _value("channels", value.channels),
    )
    return (
        cells
        if value.kind == default_kind(value.channels)
        else (*cells, _value("kind", value.kind))
    )


def _sink_cells(sink: Sink) -> tuple[Cell, ...]:
    cells = [
        _word("keyword", "sink"),
        _items("inputs", map(write_edge, sink.inputs)),
        _value("classes", sink.classes),
    ]
    if sink.combine != "mean":
        cells.append(_value("combine", sink.combine))
    if sink.head != "mean":
        cells.append(_value("head", sink.head))
    return tuple(cells)


def origin_cells(origin: Origin) -> tuple[Cell, ...]:
    """Return an origin statement as cells for `anetdsl.text.layout`."""
    cells = [_word("keyword", "origin")]
    if origin.parent is not None:
        cells.append(_value("parent", quote(origin.parent)))
    if origin.candidate is not None:
        cells.append(_value("candidate", origin.candidate))
    if origin.seed is not None:
        cells.append(_value("seed", origin.seed))
    if origin.ops:
        cells.append(_items("ops", map(quote, origin.ops)))
    return tuple(cells)


def score_cells(score: Score) -> tuple[Cell, ...]:
    """Return a score statement as cells for `anetdsl.text.layout`."""
    values = (_value(key, write_number(value)) for key, value in score.values)
    return (_word("keyword", "score"), *values)
