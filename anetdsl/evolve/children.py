"""A child's text, made of its parent's by edits; what nothing changes stays as it is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import attrs

from anetdsl.edits import (
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
from anetdsl.edits.attributes import keep_column
from anetdsl.evolve.genome import Genome
from anetdsl.ir import Edge, Network, Node, Origin
from anetdsl.printing import write_edge
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import ListValue, StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax


def child_text(tree: SyntaxTree, parent: Network, genome: Genome, name: str, origin: Origin) -> str:
    """The text of a child: the parent's, with what changed, a name, its origin, and no score."""
    tree, edits = child_edits(tree, parent, genome)
    heads = (set_network_name(tree, name), set_origin(tree, origin), set_score(tree, None))
    return apply(tree.source.text, itertools.chain(edits, *heads))


def child_edits(tree: SyntaxTree, parent: Network, genome: Genome) -> tuple[SyntaxTree, list[Edit]]:
    """Edits that make the parent's nodes and sink those of the genome, and the tree that they edit.

    It is the one that is given, unless statements that stand side by side go: what separates them
    is claimed by both, so they are gone from the tree already, one by one.
    """
    stay = set(genome.lines.values())
    gone = [node.name for node in parent.nodes if node.name not in stay]
    edits = list(_changes(tree, parent, genome))
    removals = [edit for name in gone for edit in remove_statement(tree, find(tree, "node", name))]
    if not _overlap([*edits, *removals]):
        return tree, [*edits, *removals]
    for name in gone:
        text = apply(tree.source.text, remove_statement(tree, find(tree, "node", name)))
        tree = parse_syntax(SourceFile(tree.source.name, text))
    return tree, list(_changes(tree, parent, genome))


def _overlap(edits: Iterable[Edit]) -> bool:
    spans = sorted((edit.span.start, edit.span.end) for edit in edits)
    return any(left[1] > right[0] for left, right in itertools.pairwise(spans))


def _changes(tree: SyntaxTree, parent: Network, genome: Genome) -> Iterator[Edit]:
    """Edits to the nodes that stay, to the sink, and new nodes."""
    old = {node.name: node for node in parent.nodes}
    statements = {
        statement.name.text: statement
        for statement in tree.statements
        if statement.keyword.text == "node" and statement.name is not None
    }
    new: dict[str, list[Node]] = {}
    anchor = next(iter(statements))
    for node in genome.network.nodes:
        line = genome.lines.get(node.name)
        if line is None:
            new.setdefault(anchor, []).append(node)
        else:
            anchor = line
            yield from _node_edits(tree, statements[line], old[line], node)
    for anchor, nodes in new.items():
        yield from insert_nodes(tree, nodes, statements[anchor])
    if genome.network.sink.inputs != parent.sink.inputs:
        yield from _inputs_edits(tree, find(tree, "sink"), genome.network.sink.inputs)


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
    nodes = tuple(
        attrs.evolve(node, inputs=tuple(Edge(edge.source) for edge in node.inputs))
        if (not keeps or len(node.inputs) == 1)
        and any(edge.weight is not None for edge in node.inputs)
        else node
        for node in network.nodes
    )
    return attrs.evolve(network, nodes=nodes)
