"""Syntax to a network: statements counted, names resolved, values read.

What is wrong with one statement is said once. The rest of the text is elaborated all the same, and
`doubtful` names what must not be judged by what it seems to lack.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import attrs

from anetdsl.diagnostics import Diagnostic, Fix, Label, did_you_mean
from anetdsl.ir import Edge, Input, Network, Node, Origin, Places, Score, Sink, default_kind
from anetdsl.rules import values
from anetdsl.rules.attributes import AttributeReader
from anetdsl.rules.statements import check_statements
from anetdsl.rules.values import Wrong
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, StatementNode, SyntaxTree
from anetdsl.vocabulary import (
    DEFAULT_MODULES,
    DEFAULT_WIDTHS,
    MAX_NODES,
)

P = ParamSpec("P")
T = TypeVar("T")
_MAX_SUGGESTIONS = 30
"""Looking for what was meant takes time; a file with more unknown names has other troubles."""


@attrs.frozen
class Elaborated:
    """What a text means as far as it can be told."""

    network: Network
    """All statements that could be read; with errors, a part of the network at most."""
    diagnostics: tuple[Diagnostic, ...]
    doubtful: frozenset[str]
    """Nodes that are missing from `network`, or stand in it with edges missing."""


def elaborate(tree: SyntaxTree) -> Elaborated:
    """The network of a syntax tree, and what is wrong with its statements, names and values."""
    return _Elaboration(tree, AttributeReader.of(tree)).run()


@attrs.define
class _Elaboration:
    """The state of one elaboration: the findings so far, and what each name stands for."""

    tree: SyntaxTree
    attributes: AttributeReader
    found: list[Diagnostic] = attrs.Factory(list)
    definitions: dict[str, StatementNode] = attrs.Factory(dict)
    levels: dict[str, int] = attrs.Factory(dict)
    doubtful: set[str] = attrs.Factory(set)
    suspects: set[str] = attrs.Factory(set)
    """Names in statements with mistakes: no reason to call them unknown."""
    nameless: set[str] = attrs.Factory(set)
    """Keywords of statements without their names, which may be any unknown one."""
    suggestions: int = 0

    def run(self) -> Elaborated:
        statements = self.tree.statements
        self.suspects.update(self.tree.suspects)
        nodes = [statement for statement in statements if statement.keyword.text == "node"]
        if len(nodes) > MAX_NODES:
            message = f"more than {MAX_NODES:,} nodes"
            self.found.append(Diagnostic("A205", message, nodes[MAX_NODES].keyword.span))
            self.suspects.update(node.name.text for node in nodes[MAX_NODES:] if node.name)
            nodes = nodes[:MAX_NODES]
        self.found.extend(check_statements(self.tree))
        inputs = [statement for statement in statements if statement.keyword.text == "input"]
        for statement in sorted([*inputs, *nodes], key=lambda statement: statement.span.start):
            self._define(statement)
        read_inputs = tuple(filter(None, map(self._input, self._defined(inputs))))
        read_nodes = self._nodes(self._defined(nodes))
        one = {keyword: self._only(keyword) for keyword in ("network", "sink", "origin", "score")}
        network = self._network(one["network"])
        network = attrs.evolve(
            network,
            inputs=read_inputs,
            nodes=read_nodes,
            sink=self._sink(one["sink"]),
            origin=self._origin(one["origin"]),
            score=self._score(one["score"]),
        )
        found = (*self.found, *self.attributes.found)
        return Elaborated(network, found, frozenset(self.doubtful))

    # Statements

    def _only(self, keyword: str) -> StatementNode | None:
        """The first statement of a kind that stands once. Others are read for their mistakes."""
        statements = [s for s in self.tree.statements if s.keyword.text == keyword]
        for statement in statements[1:]:
            if keyword == "sink":
                self._sink(statement)
            else:
                self.attributes.read(statement)
        return statements[0] if statements else None

    def _define(self, statement: StatementNode) -> None:
        if statement.name is None:
            self.nameless.add(statement.keyword.text)
            return
        name = statement.name.text
        first = self.definitions.setdefault(name, statement)
        if first is not statement and first.name is not None:
            self.doubtful.add(name)
            self.found.append(
                Diagnostic(
                    "A301",
                    f"`{name}` is defined twice",
                    statement.name.span,
                    labels=(Label(first.name.span, "first defined here"),),
                )
            )

    def _defined(self, statements: Sequence[StatementNode]) -> Iterator[StatementNode]:
        """The statements that define their name: not the nameless, not the second of a name."""
        for statement in statements:
            if statement.name is not None and self.definitions[statement.name.text] is statement:
                yield statement
            else:
                self._read_in_vain(statement)

    def _read_in_vain(self, statement: StatementNode) -> None:
        """Take down what is wrong with a statement that defines nothing."""
        read = self.attributes.read(statement)
        if statement.name is not None:
            self._edges(read.get("inputs", ()), reader=statement.name.text, level=read.get("level"))

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
            widths=read.get("D", DEFAULT_WIDTHS),
            modules=read.get("modules", DEFAULT_MODULES),
            edges=read.get("edges", "learned"),
            span=statement.span,
            places=_places(statement),
        )

    def _input(self, statement: StatementNode) -> Input | None:
        read = self.attributes.read(statement)
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
        # Two rounds: a suggestion for a mistyped source looks at the levels of all nodes.
        read = [(statement, self.attributes.read(statement)) for statement in statements]
        for statement, attributes in read:
            if "level" in attributes and statement.name is not None:
                self.levels[statement.name.text] = attributes["level"]
        return tuple(filter(None, itertools.starmap(self._node, read)))

    def _node(self, statement: StatementNode, read: dict[str, Any]) -> Node | None:
        if statement.name is None:
            return None
        name, level = statement.name.text, read.get("level")
        edges = self._edges(read.get("inputs", ()), reader=name, level=level)
        if statement.broken or len(read) < 5:
            self.doubtful.add(name)
        if level is None or not {"C", "r", "stride"} <= read.keys():
            return None
        if not edges and self._reads_another_kind(read.get("inputs", ()), level):
            return None
        return Node(
            name,
            level,
            read["C"],
            read["r"],
            read["stride"],
            edges,
            span=statement.span,
            places=_places(statement),
        )

    def _reads_another_kind(self, items: Sequence[ListItem], level: int) -> bool:
        """Whether all known sources contradict the level, which is then what is wrong."""
        sources = [self.definitions.get(item.value.text) for item in items]
        expected = "input" if level == 0 else "node"
        known = {source.keyword.text for source in sources if source is not None}
        return bool(known) and expected not in known

    def _sink(self, statement: StatementNode | None) -> Sink:
        if statement is None:
            return Sink((), 1)
        read = self.attributes.read(statement)
        return Sink(
            self._edges(read.get("inputs", ()), reader=None, level=None),
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

    def _attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `read` gives, or None after taking down what is wrong."""
        try:
            return read(*args, **kwargs)
        except Wrong as wrong:
            self.found.extend(wrong.diagnostics)
            return None

    def _suggest(self, word: str, valid: Sequence[str], taken: set[str]) -> str | None:
        self.suggestions += 1
        if self.suggestions > _MAX_SUGGESTIONS:
            return None
        return did_you_mean(word, [name for name in valid if name not in taken])

    # Edges

    def _edges(
        self, items: Sequence[ListItem], *, reader: str | None, level: int | None
    ) -> tuple[Edge, ...]:
        """The edges of an `inputs` list. `reader` is the node that has it, or None for the sink."""
        edges: list[Edge] = []
        listed = {item.value.text for item in items}
        for item in items:
            source = self._attempt(values.edge_name, item)
            weight = self._weight(item, reader, level)
            if source is not None and self._resolve(source, item, reader, level, listed):
                edges.append(Edge(source, weight, span=item.span))
            elif reader is not None:
                self.doubtful.add(reader)
        return tuple(edges)

    def _weight(self, item: ListItem, reader: str | None, level: int | None) -> float | None:
        scalar = item.weight
        if scalar is None:
            return None
        if reader is None or level == 0:
            where = "into the sink" if reader is None else "from an input to a stem"
            cut = Span(item.value.span.end, scalar.span.end)
            self.found.append(
                Diagnostic(
                    "A407",
                    f"an edge {where} has no weight",
                    scalar.span,
                    fix=Fix("remove the weight", (Edit(cut, ""),)),
                )
            )
            return None
        return self._attempt(values.read_weight, scalar)

    def _resolve(
        self, name: str, item: ListItem, reader: str | None, level: int | None, listed: set[str]
    ) -> bool:
        """Whether `name` is something that `reader` may read; findings where it is not."""
        span = item.value.span
        definition = self.definitions.get(name)
        if definition is None:
            if not self._may_be_defined(name, reader, level):
                self.found.append(self._unknown_name(name, span, reader, level, listed))
            return False
        is_input = definition.keyword.text == "input"
        if reader is not None and level is None:
            return True
        if is_input == (level == 0 and reader is not None):
            return True
        if reader is None:
            message, text = f"the sink reads nodes; `{name}` is an input", "read it through a stem"
        elif level == 0:
            message = f"a stem reads an input; `{name}` is a node"
            text = "a node that reads nodes has a level from 1 to 4"
        else:
            message = f"a node at level {level} reads nodes; `{name}` is an input"
            text = "a stem, a node with `level=0`, reads an input"
        label = Label(definition.name.span if definition.name else span, "defined here")
        self.found.append(Diagnostic("A303", message, span, labels=(label,), help=text))
        return False

    def _may_be_defined(self, name: str, reader: str | None, level: int | None) -> bool:
        """Whether some mistake already reported may be what defines an unknown name."""
        if name in self.suspects or name in self.attributes.suspects:
            return True
        if reader is not None and level is None:
            return bool(self.nameless)
        kind = "input" if level == 0 and reader is not None else "node"
        return kind in self.nameless or kind not in self.attributes.present

    def _unknown_name(
        self, name: str, span: Span, reader: str | None, level: int | None, listed: set[str]
    ) -> Diagnostic:
        if level == 0 and reader is not None:
            valid = [n for n, s in self.definitions.items() if s.keyword.text == "input"]
        else:
            highest = 5 if level is None else level
            valid = [n for n, lower in self.levels.items() if lower < highest]
        guess = self._suggest(name, valid, listed)
        kind = "input" if level == 0 and reader is not None else "node"
        return Diagnostic(
            "A302",
            f"no {kind} is called `{name[:60]}`",
            span,
            help=f"did you mean `{guess}`?" if guess else "",
            fix=_change(span, guess),
        )


def _change(span: Span, guess: str | None) -> Fix | None:
    return Fix(f"change to `{guess}`", (Edit(span, guess),)) if guess is not None else None


def _places(statement: StatementNode) -> Places:
    head = (("name", statement.name.span),) if statement.name is not None else ()
    attributes = ((a.name.text, a.value.span) for a in statement.attributes if a.value is not None)
    return (*head, *attributes)
