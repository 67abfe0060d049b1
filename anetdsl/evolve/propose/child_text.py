"""Write a child's text: edit the parent's text, then format it as `anetc fmt` does.

Comments of the parent stay. The child differs from a formatted parent by the lines that changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import attrs

from anetdsl.checking import check_source
from anetdsl.errors import AnetError
from anetdsl.evolve.propose.draft import DraftNetwork, with_edges, with_parts
from anetdsl.ir import Edge, Network, Node, Origin
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import (
    apply,
    find,
    insert_nodes,
    remove_statement,
    set_attributes,
    set_edges,
    set_network_name,
    set_origin,
    set_score,
)
from anetdsl.text.edits.attribute_edits import Text
from anetdsl.text.formatting import FormatterBug, format_source
from anetdsl.text.printing import write_edge

TextChange = Callable[[SyntaxTree], Iterable[Edit]]


@attrs.frozen
class Parent:
    """The text of a parent, parsed once for all of its children."""

    tree: SyntaxTree
    network: Network

    @classmethod
    def of(cls, source: SourceFile, network: Network) -> Parent:
        """Return the parent with this text. The network has passed the checks of the search."""
        return cls(parse_syntax(source), network)


def child_text(parent: Parent, draft: DraftNetwork, name: str, origin: Origin) -> str | None:
    """Return the text of a child, with its name and origin and without a score.

    Return None if the text has errors, or warnings that a search must not produce.
    """
    tree, edits = child_edits(parent.tree, parent.network, draft, name, origin)
    try:
        text = format_source(SourceFile(name, apply(tree.source.text, edits)), verify=False)
    except AnetError:
        return None
    network = check_source(SourceFile(name, text), search=True).network
    if network is None:
        return None
    if network != attrs.evolve(draft.network, name=name, origin=origin, score=None):
        raise FormatterBug(f"the text of {name} does not describe the network of {name}")
    return text


def child_edits(
    tree: SyntaxTree, parent: Network, draft: DraftNetwork, name: str, origin: Origin | None
) -> tuple[SyntaxTree, list[Edit]]:
    """Return a tree and edits of its text that make the child's text.

    The tree is the given tree of the parent. If two edits would change the same gap, as with
    adjacent nodes that are both removed, the changes are applied one after another, and the tree
    is the result, without edits.
    """
    continued = set(draft.statements.values())
    removed = [node.name for node in parent.nodes if node.name not in continued]

    def remove(node: str) -> TextChange:
        return lambda tree: remove_statement(tree, find(tree, "node", node))

    changes: list[TextChange] = [
        *map(remove, removed),
        lambda tree: set_score(tree, None),
        lambda tree: set_network_name(tree, name),
        lambda tree: set_origin(tree, origin),
        lambda tree: _node_changes(tree, parent, draft),
    ]
    edits = [edit for change in changes for edit in change(tree)]
    if not _overlap(edits):
        return tree, edits
    for change in changes:
        text = apply(tree.source.text, change(tree))
        tree = parse_syntax(SourceFile(tree.source.name, text))
    return tree, []


def _overlap(edits: Iterable[Edit]) -> bool:
    spans = sorted((edit.span.start, edit.span.end) for edit in edits)
    return any(left[1] > right[0] for left, right in itertools.pairwise(spans))


def _node_changes(tree: SyntaxTree, parent: Network, draft: DraftNetwork) -> Iterator[Edit]:
    """Yield edits of nodes that stay, of new nodes and of the sink."""
    old_nodes = {node.name: node for node in parent.nodes}
    statements = {
        statement.name.text: statement
        for statement in tree.statements
        if statement.keyword.text == "node" and statement.name is not None
    }
    new_nodes: dict[str, list[Node]] = {}
    anchor = next(iter(statements))
    for node in draft.network.nodes:
        continued = draft.statements.get(node.name)
        if continued is None:
            new_nodes.setdefault(anchor, []).append(node)
        else:
            anchor = continued
            yield from _node_edits(tree, statements[continued], old_nodes[continued], node)
    for anchor, nodes in new_nodes.items():
        yield from insert_nodes(tree, nodes, statements[anchor])
    if draft.network.sink.inputs != parent.sink.inputs:
        yield from set_edges(tree, find(tree, "sink"), draft.network.sink.inputs)


def _node_edits(tree: SyntaxTree, statement: StatementNode, old: Node, new: Node) -> Iterator[Edit]:
    if new.name != old.name and statement.name is not None:
        yield Edit(statement.name.span, new.name)
    changed: dict[str, Text | None] = {}
    if new.channels != old.channels:
        filters = list(map(str, new.filters))
        changed["C"] = filters if isinstance(new.channels, tuple) else filters[0]
    if new.dilation != old.dilation:
        changed["r"] = str(new.dilation)
    if new.peers != old.peers:
        changed["peers"] = list(map(write_edge, new.peers)) or None
    yield from set_attributes(tree, statement, changed)
    if new.inputs != old.inputs:
        yield from set_edges(tree, statement, new.inputs)


def untrained(network: Network, *, keep_weights: bool = False) -> Network:
    """Return the network without learned edge weights and peers, as it is before its training.

    With `keep_weights` both stay. A sole input never has a weight. Fixed weights stay.
    """
    keeps = keep_weights or network.edges == "fixed"
    nodes: list[Node] = []
    for node in network.nodes:
        has_weights = any(edge.weight is not None for edge in node.inputs)
        if has_weights and (not keeps or len(node.inputs) == 1):
            node = with_edges(node, tuple([Edge(edge.source) for edge in node.inputs]))
        if node.peers and not keep_weights:
            node = with_edges(node, node.inputs, ())
        nodes.append(node)
    return with_parts(network, nodes, network.sink)
