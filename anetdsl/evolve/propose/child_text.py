"""A child's text, made of its parent's by edits; what nothing changes stays as it is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import attrs

from anetdsl.checking import check_source
from anetdsl.evolve.propose.draft import DraftNetwork, reading, with_parts
from anetdsl.ir import Edge, Network, Node, Origin
from anetdsl.rereading import Reading, read, reread
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import ListValue, StatementNode, SyntaxTree
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
from anetdsl.text.edits.attribute_edits import keep_column
from anetdsl.text.printing import write_edge


@attrs.frozen
class Parent:
    """A text that was read for the search, and what reading children of it takes."""

    tree: SyntaxTree
    network: Network
    reading: Reading | None
    """None where the text has warnings: each child is read as a whole."""

    @classmethod
    def of(cls, source: SourceFile, network: Network) -> Parent:
        """A text that has passed its checks for the search, and the network that it means."""
        return cls(parse_syntax(source), network, read(source.text))


def child_text(parent: Parent, draft: DraftNetwork, name: str, origin: Origin) -> str | None:
    """The text of a child, read again, or None where it has errors that a search must not make.

    It is the parent's with what changed, a name, an origin, and no score.
    """
    tree, edits = child_edits(parent.tree, parent.network, draft, name, origin)
    if tree is parent.tree and parent.reading is not None:
        again = reread(parent.reading, edits)
        if again is not None:
            return again.text
    text = apply(tree.source.text, edits)
    is_sound = check_source(SourceFile(name, text), search=True).network is not None
    return text if is_sound else None


def child_edits(
    tree: SyntaxTree, parent: Network, draft: DraftNetwork, name: str, origin: Origin | None
) -> tuple[SyntaxTree, list[Edit]]:
    """Edits that make the parent's text a child's, and the tree of the text that they edit.

    It is the one that is given, unless two of them claim the same gap, as where nodes go that
    stand side by side. Then what goes is gone from it already, each by itself.
    """
    stay = set(draft.lines.values())
    gone = [node.name for node in parent.nodes if node.name not in stay]
    edits = [
        *_changes(tree, parent, draft, name, origin),
        *set_score(tree, None),
        *(edit for line in gone for edit in remove_statement(tree, find(tree, "node", line))),
    ]
    if not _overlap(edits):
        return tree, edits
    for line in gone:
        tree = _applied(tree, remove_statement(tree, find(tree, "node", line)))
    tree = _applied(tree, set_score(tree, None))
    tree = _applied(tree, _changes(tree, parent, draft, name, origin))
    return tree, []


def _applied(tree: SyntaxTree, edits: Iterable[Edit]) -> SyntaxTree:
    return parse_syntax(SourceFile(tree.source.name, apply(tree.source.text, edits)))


def _overlap(edits: Iterable[Edit]) -> bool:
    spans = sorted((edit.span.start, edit.span.end) for edit in edits)
    return any(left[1] > right[0] for left, right in itertools.pairwise(spans))


def _changes(
    tree: SyntaxTree, parent: Network, draft: DraftNetwork, name: str, origin: Origin | None
) -> Iterator[Edit]:
    """Edits to the heads, to the nodes that stay, to the sink, and new nodes."""
    yield from set_network_name(tree, name)
    yield from set_origin(tree, origin)
    old = {node.name: node for node in parent.nodes}
    statements = {
        statement.name.text: statement
        for statement in tree.statements
        if statement.keyword.text == "node" and statement.name is not None
    }
    new: dict[str, list[Node]] = {}
    anchor = next(iter(statements))
    for node in draft.network.nodes:
        line = draft.lines.get(node.name)
        if line is None:
            new.setdefault(anchor, []).append(node)
        else:
            anchor = line
            yield from _node_edits(tree, statements[line], old[line], node)
    for anchor, nodes in new.items():
        yield from insert_nodes(tree, nodes, statements[anchor])
    if draft.network.sink.inputs != parent.sink.inputs:
        yield from _inputs_edits(tree, find(tree, "sink"), draft.network.sink.inputs)


def _node_edits(tree: SyntaxTree, statement: StatementNode, old: Node, new: Node) -> Iterator[Edit]:
    if new.name != old.name and statement.name is not None:
        end = statement.name.span.end
        yield Edit(statement.name.span, new.name)
        yield from keep_column(tree, end, len(new.name) - len(old.name))
    numbers = {"C": (old.channels, new.channels), "r": (old.dilation, new.dilation)}
    changed = {name: str(after) for name, (before, after) in numbers.items() if before != after}
    yield from set_attributes(tree, statement, changed)
    if new.inputs != old.inputs:
        yield from _inputs_edits(tree, statement, new.inputs)


def _inputs_edits(
    tree: SyntaxTree, statement: StatementNode, edges: Sequence[Edge]
) -> Iterable[Edit]:
    """As `set_edges`; a list that is written plainly is replaced, which gives the same text."""
    attribute = statement.attribute("inputs")
    value = attribute.value if attribute is not None else None
    if isinstance(value, ListValue):
        items = ", ".join([tree.source.text[i.span.start : i.span.end] for i in value.items])
        if tree.source.text.startswith(f"[{items}]", value.span.start):
            return (Edit(value.span, f"[{', '.join(map(write_edge, edges))}]"),)
    return set_edges(tree, statement, edges)


def untrained(network: Network, *, keep_weights: bool = False) -> Network:
    """The network as it is before its training: without learned weights, unless they are to stay.

    A sole input has none in any case. Fixed weights stay.
    """
    keeps = keep_weights or network.edges == "fixed"
    nodes: list[Node] = []
    for node in network.nodes:
        has_weights = any(edge.weight is not None for edge in node.inputs)
        if has_weights and (not keeps or len(node.inputs) == 1):
            node = reading(node, tuple([Edge(edge.source) for edge in node.inputs]))
        nodes.append(node)
    return with_parts(network, nodes, network.sink)
