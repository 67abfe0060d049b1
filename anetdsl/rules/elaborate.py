"""Build a network from the statements of a text: count them, read values, resolve names.

A mistake in a statement is reported once. The rest of the text is processed nevertheless, and
`Elaborated.incomplete` has the nodes of which parts are missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from anetdsl.diagnostics import Diagnostic
from anetdsl.ir import (
    MODULES,
    Edge,
    Input,
    Kind,
    Network,
    Node,
    Origin,
    Places,
    Score,
    Sink,
    default_kind,
)
from anetdsl.rules.attributes import AttributeReader
from anetdsl.rules.blocks import blocks_meant
from anetdsl.rules.names import SINK, NameResolver, Reader
from anetdsl.rules.statements import check_statements
from anetdsl.syntax.nodes import ListItem, ListValue, Scalar, StatementNode, SyntaxTree
from anetdsl.vocabulary import DEFAULT_WIDTHS, MAX_NODES, STATEMENTS, UNUSED_BY_OBJECT_STEMS

_REQUIRED_BY_NODES = frozenset(a.name for a in STATEMENTS["node"].attributes if a.required)


@attrs.frozen
class Elaborated:
    """The network of a text, as far as it can be read, and the findings."""

    network: Network
    """All statements that could be read. If the text has errors, parts may be missing."""
    diagnostics: tuple[Diagnostic, ...]
    incomplete: frozenset[str]
    """Nodes that are missing from `network`, or have missing edges."""


def elaborate(tree: SyntaxTree) -> Elaborated:
    """Build the network of a syntax tree, and check its statements, names and values."""
    attributes = AttributeReader.of(tree)
    names = NameResolver(attributes, set(tree.suspects))
    return _Elaboration(tree, attributes, names).run()


@attrs.define
class _Elaboration:
    """The elaboration of one text."""

    tree: SyntaxTree
    attributes: AttributeReader
    names: NameResolver
    found: list[Diagnostic] = attrs.Factory(list)
    kinds: dict[str, Kind | None] = attrs.Factory(dict)
    """Kind of each input by name; None if a mistake hides it."""

    def run(self) -> Elaborated:
        self.found.extend(check_statements(self.tree))
        inputs, nodes = self._statements("input"), self._limited(self._statements("node"))
        for statement in sorted([*inputs, *nodes], key=lambda statement: statement.span.start):
            self.names.define(statement)
        read_inputs = tuple(filter(None, map(self._input, self._defining(inputs))))
        read_nodes = self._nodes(self._defining(nodes))
        single = {keyword: self._single(keyword) for keyword in ("network", "sink")}
        optional = {keyword: self._single(keyword) for keyword in ("origin", "score")}
        network = attrs.evolve(
            self._network(single["network"]),
            inputs=read_inputs,
            nodes=read_nodes,
            sink=self._sink(single["sink"]),
            origin=self._origin(optional["origin"]),
            score=self._score(optional["score"]),
        )
        if single["network"] is None or single["network"].broken:  # its `blocks` may be hidden
            network = attrs.evolve(network, blocks=blocks_meant(network))
        found = (*self.found, *self.names.found, *self.attributes.found)
        return Elaborated(network, found, frozenset(self.names.incomplete))

    def _statements(self, keyword: str) -> list[StatementNode]:
        return [s for s in self.tree.statements if s.keyword.text == keyword]

    def _limited(self, nodes: list[StatementNode]) -> list[StatementNode]:
        """Return the first MAX_NODES nodes. Add a finding if there are more."""
        if len(nodes) > MAX_NODES:
            message = f"more than {MAX_NODES:,} nodes"
            self.found.append(Diagnostic("A205", message, nodes[MAX_NODES].keyword.span))
            self.names.suspects.update(s.name.text for s in nodes[MAX_NODES:] if s.name)
        return nodes[:MAX_NODES]

    def _single(self, keyword: str) -> StatementNode | None:
        """Return the first statement with this keyword. Add the findings of all further ones."""
        statements = self._statements(keyword)
        for statement in statements[1:]:
            if keyword == "sink":
                self._sink(statement)
            else:
                self.attributes.read(statement)
        return statements[0] if statements else None

    def _defining(self, statements: Sequence[StatementNode]) -> Iterator[StatementNode]:
        """Yield the statements that define a name. Add the findings of all others."""
        for statement in statements:
            if self.names.is_defined_by(statement):
                yield statement
                continue
            read = self.attributes.read(statement)
            if statement.name is not None:
                reader = Reader(statement.name.text, read.get("level"))
                self.names.edges(read.get("inputs", ()), reader)

    def _network(self, statement: StatementNode | None) -> Network:
        sink = Sink((), 1)
        if statement is None:
            return Network("", (), (), sink)
        read = self.attributes.read(statement)
        name = statement.name.text if statement.name is not None else ""
        return Network(
            name,
            (),
            (),
            sink,
            blocks=read.get("blocks", "full"),
            widths=read.get("D", DEFAULT_WIDTHS),
            modules=read.get("modules", MODULES[read.get("blocks", "full")]),
            edges=read.get("edges", "learned"),
            attention=read.get("attention", "none"),
            span=statement.span,
            places=_places(statement),
        )

    def _input(self, statement: StatementNode) -> Input | None:
        read = self.attributes.read(statement)
        if statement.name is not None:
            is_hidden = statement.broken or (statement.attribute("kind") and "kind" not in read)
            kind: Kind = read.get("kind", default_kind(read.get("channels", 0)))
            self.kinds[statement.name.text] = None if is_hidden else kind
        if "channels" not in read or statement.name is None:
            return None
        return Input(
            statement.name.text,
            read["channels"],
            read.get("kind", default_kind(read["channels"])),
            span=statement.span,
            places=_places(statement),
        )

    def _nodes(self, statements: Iterator[StatementNode]) -> tuple[Node, ...]:
        # Two passes: suggestions for an unknown source need the levels of all nodes.
        read = [
            (statement, self.attributes.read(statement, self._not_needed(statement)))
            for statement in statements
        ]
        for statement, attributes in read:
            if "level" in attributes and statement.name is not None:
                self.names.levels[statement.name.text] = attributes["level"]
        return tuple(filter(None, itertools.starmap(self._node, read)))

    def _not_needed(self, statement: StatementNode) -> frozenset[str]:
        """Return the required attributes that a node statement may lack: it reads objects only.

        A source whose kind is hidden by a mistake may be an object input, and a stem whose list is
        empty may read one.
        """
        inputs, level = statement.attribute("inputs"), statement.attribute("level")
        if inputs is None or not isinstance(inputs.value, ListValue):
            return frozenset()
        kinds = [self._kind(item.value.text) for item in inputs.value.items]
        is_stem = level is not None and isinstance(level.value, Scalar) and level.value.text == "0"
        reads_objects = (bool(kinds) or is_stem) and all(kind in ("object", None) for kind in kinds)
        return frozenset(UNUSED_BY_OBJECT_STEMS) if reads_objects else frozenset()

    def _kind(self, source: str) -> Kind | None:
        """Return the kind of an input, or None if a mistake hides it; `rgb` for other names."""
        if source in self.names.definitions:
            return self.kinds.get(source, "rgb")
        return None if self.names.may_be_defined(source, Reader("", 0)) else "rgb"

    def _node(self, statement: StatementNode, read: dict[str, Any]) -> Node | None:
        if statement.name is None:
            return None
        name, level, items = statement.name.text, read.get("level"), read.get("inputs", ())
        reader = Reader(name, level)
        edges = self.names.edges(items, reader)
        peers = self._peers(read.get("peers", ()), reader)
        needed = _REQUIRED_BY_NODES - self._not_needed(statement)
        if statement.broken or not needed <= read.keys():
            self.names.incomplete.add(name)
        if level is None or not (needed - {"inputs"}) <= read.keys():
            return None
        hidden = any(self._kind(item.value.text) is None for item in items)
        if hidden and not read.keys() >= {"C", "r"}:
            self.names.incomplete.add(name)
            return None
        if not edges and self.names.contradicts(items, level):
            return None  # The level is probably wrong.
        return Node(
            name,
            level,
            read.get("C"),
            read.get("r"),
            read["stride"],
            edges,
            peers,
            span=statement.span,
            places=_places(statement),
        )

    def _peers(self, items: Sequence[ListItem], reader: Reader) -> tuple[Edge, ...]:
        if reader.is_stem:  # A410 reports that a stem has no peers.
            return tuple(Edge(item.value.text, span=item.span) for item in items)
        return self.names.peers(items, reader)

    def _sink(self, statement: StatementNode | None) -> Sink:
        if statement is None:
            return Sink((), 1)
        read = self.attributes.read(statement)
        return Sink(
            self.names.edges(read.get("inputs", ()), SINK),
            read.get("classes", 1),
            read.get("combine", "mean"),
            read.get("head", "mean"),
            span=statement.span,
            places=_places(statement),
        )

    def _origin(self, statement: StatementNode | None) -> Origin | None:
        if statement is None:
            return None
        return Origin(**self.attributes.read(statement), span=statement.span)

    def _score(self, statement: StatementNode | None) -> Score | None:
        if statement is None:
            return None
        return Score(tuple(self.attributes.read(statement).items()), span=statement.span)


def _places(statement: StatementNode) -> Places:
    head = (("name", statement.name.span),) if statement.name is not None else ()
    attributes = ((a.name.text, a.value.span) for a in statement.attributes if a.value is not None)
    return (*head, *attributes)
