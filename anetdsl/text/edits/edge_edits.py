"""Change the edges into a node or the sink in its `inputs` list, and the peers of a node."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.ir import Edge
from anetdsl.source import Edit
from anetdsl.syntax.nodes import ListItem, ListValue, StatementNode, SyntaxTree
from anetdsl.text.edits.attribute_edits import set_attribute, set_attributes
from anetdsl.text.edits.removal import remove_statement
from anetdsl.text.printing import write_edge, write_number


def set_edges(
    tree: SyntaxTree, statement: StatementNode, edges: Sequence[Edge]
) -> tuple[Edit, ...]:
    """Return edits that give a node or the sink these edges in this order.

    An edge that is in both lists keeps its line, its comment, and the notation of an equal weight.
    The new list may be empty, although `check` reports an empty list as an error.
    """
    return set_attribute(tree, statement, "inputs", [write_edge(edge) for edge in edges])


def set_peers(
    tree: SyntaxTree, statement: StatementNode, peers: Sequence[Edge]
) -> tuple[Edit, ...]:
    """Return edits that give a node these peers in this order; without peers, the list goes.

    A peer that is in both lists keeps its line, its comment, and the notation of an equal share.
    """
    items = [write_edge(peer) for peer in peers]
    return set_attributes(tree, statement, {"peers": items or None})


def remove_node(tree: SyntaxTree, statement: StatementNode) -> tuple[Edit, ...]:
    """Return edits that remove a node, as `remove_statement`, and its name from lists of peers.

    Edges from the node are not removed; use `set_edges`.
    """
    removed = statement.name.text if statement.name is not None else None
    edits = list(remove_statement(tree, statement))
    for other in tree.statements:
        peers = _items(other, "peers")
        left = [_written(item) for item in peers if item.value.text != removed]
        if other is not statement and len(left) < len(peers):
            edits.extend(set_attributes(tree, other, {"peers": left or None}))
    return tuple(edits)


def add_edge(tree: SyntaxTree, statement: StatementNode, edge: Edge) -> tuple[Edit, ...]:
    """Return edits that add an edge at the end."""
    written = [_written(item) for item in _items(statement)]
    return set_attribute(tree, statement, "inputs", [*written, write_edge(edge)])


def remove_edge(tree: SyntaxTree, statement: StatementNode, source: str) -> tuple[Edit, ...]:
    """Return edits that remove every edge from `source`. Raises KeyError if there is none."""
    items = _items(statement)
    left = [_written(item) for item in items if item.value.text != source]
    if len(left) == len(items):
        raise KeyError(source)
    return set_attribute(tree, statement, "inputs", left)


def set_weight(
    tree: SyntaxTree, statement: StatementNode, source: str, weight: float | None
) -> tuple[Edit, ...]:
    """Return edits that set the weight of every edge from `source`; None removes the weight.

    Raises KeyError if there is no such edge.
    """
    items = _items(statement)
    if all(item.value.text != source for item in items):
        raise KeyError(source)
    new = source if weight is None else f"{source}@{write_number(weight)}"
    changed = [new if item.value.text == source else _written(item) for item in items]
    return set_attribute(tree, statement, "inputs", changed)


def edges_of(statement: StatementNode) -> tuple[Edge, ...]:
    """Return the edges of a node or the sink in order, without weights."""
    return tuple(Edge(item.value.text) for item in _items(statement))


def _items(statement: StatementNode, keyword: str = "inputs") -> tuple[ListItem, ...]:
    attribute = statement.attribute(keyword)
    value = attribute.value if attribute is not None else None
    return value.items if isinstance(value, ListValue) else ()


def _written(item: ListItem) -> str:
    return item.value.text if item.weight is None else f"{item.value.text}@{item.weight.text}"
