"""A child's text, made of its parent's by edits; what nothing changes stays as it is written."""

from __future__ import annotations

from collections.abc import Iterator

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
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.nodes import StatementNode, SyntaxTree
from anetdsl.syntax.parser import parse_syntax


def child_text(tree: SyntaxTree, parent: Network, genome: Genome, name: str, origin: Origin) -> str:
    """The text of a child: the parent's, with what changed, a name, its origin, and no score."""
    tree = without_lines(tree, parent, genome)
    edits = [
        *child_edits(tree, parent, genome),
        *set_network_name(tree, name),
        *set_origin(tree, origin),
        *set_score(tree, None),
    ]
    return apply(tree.source.text, edits)


def without_lines(tree: SyntaxTree, parent: Network, genome: Genome) -> SyntaxTree:
    """The parent's text without the nodes that the genome does not continue.

    They go one by one: where two stand side by side, what separates them is claimed by both.
    """
    stay = set(genome.lines.values())
    for node in parent.nodes:
        if node.name not in stay:
            text = apply(tree.source.text, remove_statement(tree, find(tree, "node", node.name)))
            tree = parse_syntax(SourceFile(tree.source.name, text))
    return tree


def child_edits(tree: SyntaxTree, parent: Network, genome: Genome) -> Iterator[Edit]:
    """Edits that make the parent's nodes and sink those of the genome, where none has to go."""
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
        yield from set_edges(tree, find(tree, "sink"), genome.network.sink.inputs)


def _node_edits(tree: SyntaxTree, statement: StatementNode, old: Node, new: Node) -> Iterator[Edit]:
    if new.name != old.name and statement.name is not None:
        end = statement.name.span.end
        yield Edit(statement.name.span, new.name)
        yield from keep_column(tree, end, len(new.name) - len(old.name))
    numbers = {"C": (old.channels, new.channels), "r": (old.dilation, new.dilation)}
    changed = {name: str(after) for name, (before, after) in numbers.items() if before != after}
    yield from set_attributes(tree, statement, changed)
    if new.inputs != old.inputs:
        yield from set_edges(tree, statement, new.inputs)


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
