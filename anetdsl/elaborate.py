"""Syntax to a network: statements counted, names resolved, values read.

What is wrong with one statement is said once. The rest of the text is elaborated all the same, and
`doubtful` names what must not be judged by what it seems to lack.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import attrs

from anetdsl import values
from anetdsl.diagnostics import Diagnostic, Fix, Label, did_you_mean
from anetdsl.ir import Edge, Input, Network, Node, Origin, Places, Score, Sink, default_kind
from anetdsl.source import Edit, Span
from anetdsl.statements import check_statements
from anetdsl.syntax.nodes import AttributeNode, ListItem, StatementNode, SyntaxTree, Value
from anetdsl.values import Wrong
from anetdsl.vocabulary import (
    DEFAULT_MODULES,
    DEFAULT_WIDTHS,
    MAX_NODES,
    REQUIRED,
    STATEMENTS,
    Attribute,
)

P = ParamSpec("P")
T = TypeVar("T")
_MAX_SUGGESTIONS = 100
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
    return _Elaboration(tree).run()


@attrs.define
class _Elaboration:
    """The state of one elaboration: the findings so far, and what each name stands for."""

    tree: SyntaxTree
    found: list[Diagnostic] = attrs.Factory(list)
    definitions: dict[str, StatementNode] = attrs.Factory(dict)
    levels: dict[str, int] = attrs.Factory(dict)
    doubtful: set[str] = attrs.Factory(set)
    suspects: set[str] = attrs.Factory(set)
    """Names that some mistake already reported may define: no reason to call them unknown."""
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
        for statement in itertools.chain(inputs, nodes):
            self._define(statement)
        read_inputs = tuple(filter(None, map(self._input, self._defined(inputs))))
        read_nodes = self._nodes(self._defined(nodes))
        one = {keyword: self._first(keyword) for keyword in ("network", "sink", "origin", "score")}
        network = self._network(one["network"])
        network = attrs.evolve(
            network,
            inputs=read_inputs,
            nodes=read_nodes,
            sink=self._sink(one["sink"]),
            origin=self._origin(one["origin"]),
            score=self._score(one["score"]),
        )
        return Elaborated(network, tuple(self.found), frozenset(self.doubtful))

    # Statements

    @functools.cached_property
    def _lost_attributes(self) -> frozenset[str]:
        """Attributes of statements that the file lacks: perhaps only their keyword is gone."""
        lost = [STATEMENTS[keyword] for keyword in REQUIRED if self._first(keyword) is None]
        return frozenset(attribute.name for kind in lost for attribute in kind.attributes)

    def _first(self, keyword: str) -> StatementNode | None:
        return next((s for s in self.tree.statements if s.keyword.text == keyword), None)

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
                self._attributes(statement)

    def _network(self, statement: StatementNode | None) -> Network:
        sink = Sink((), 1)
        if statement is None:
            return Network("", (), (), sink)
        read = self._attributes(statement)
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
        read = self._attributes(statement)
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
        read = [(statement, self._attributes(statement)) for statement in statements]
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

    def _sink(self, statement: StatementNode | None) -> Sink:
        if statement is None:
            return Sink((), 1)
        read = self._attributes(statement)
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
        return Origin(**self._attributes(statement), span=statement.span)

    def _score(self, statement: StatementNode | None) -> Score | None:
        if statement is None:
            return None
        return Score(tuple(self._attributes(statement).items()), span=statement.span)

    # Attributes

    def _attributes(self, statement: StatementNode) -> dict[str, Any]:
        """The values of a statement's attributes that can be read; findings for the others."""
        kind = STATEMENTS[statement.keyword.text]
        seen: dict[str, AttributeNode] = {}
        read: dict[str, Any] = {}
        for node in statement.attributes:
            name = node.name.text
            attribute = kind.attribute(name)
            if (name in seen or attribute is None) and name in self._lost_attributes:
                continue
            if name in seen:
                if not statement.broken:
                    self.found.append(_repeated(node, seen[name]))
                continue
            seen[name] = node
            if attribute is None:
                unknown = self._unknown_attribute(node, statement, seen)
                if unknown.fix is None:
                    self.suspects.add(name)
                # Without a likely meaning, it is part of a mistake that has been reported.
                if not statement.broken or (node.value is not None and unknown.fix is not None):
                    self.found.append(unknown)
            elif node.value is not None:
                value = self._attempt(_read, node.value, attribute)
                if value is not None:
                    read[name] = value
        misnamed = any(kind.attribute(name) is None for name in seen)
        if not statement.broken and not misnamed:
            missing = [a for a in kind.attributes if a.required and a.name not in seen]
            if missing:
                self.found.append(_missing(statement, missing))
        return read

    def _attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `read` gives, or None after taking down what is wrong."""
        try:
            return read(*args, **kwargs)
        except Wrong as wrong:
            self.found.append(wrong.diagnostic)
            return None

    def _unknown_attribute(
        self, node: AttributeNode, statement: StatementNode, seen: dict[str, AttributeNode]
    ) -> Diagnostic:
        keyword, name = statement.keyword.text, node.name.text
        names = [a.name for a in STATEMENTS[keyword].attributes]
        written = {a.name.text for a in statement.attributes} | seen.keys()
        guess = self._suggest(name, [n for n in names if n not in written])
        if guess is not None:
            text = f"did you mean `{guess}`?"
        elif names:
            text = f"attributes of `{keyword}` are " + ", ".join(f"`{n}`" for n in names)
        else:
            text = f"`{keyword}` has no attributes"
        return Diagnostic(
            "A401",
            f"`{keyword}` has no attribute `{name[:60]}`",
            node.name.span,
            help=text,
            fix=_change(node.name.span, guess),
        )

    def _suggest(self, word: str, valid: Sequence[str]) -> str | None:
        self.suggestions += 1
        return did_you_mean(word, valid) if self.suggestions <= _MAX_SUGGESTIONS else None

    # Edges

    def _edges(
        self, items: Sequence[ListItem], *, reader: str | None, level: int | None
    ) -> tuple[Edge, ...]:
        """The edges of an `inputs` list. `reader` is the node that has it, or None for the sink."""
        edges: list[Edge] = []
        for item in items:
            source = self._attempt(values.edge_name, item)
            weight = self._weight(item, reader, level)
            if source is not None and self._resolve(source, item, reader, level):
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

    def _resolve(self, name: str, item: ListItem, reader: str | None, level: int | None) -> bool:
        """Whether `name` is something that `reader` may read; findings where it is not."""
        span = item.value.span
        definition = self.definitions.get(name)
        if definition is None:
            if name not in self.suspects and not self._may_be_nameless(reader, level):
                self.found.append(self._unknown_name(name, span, reader, level))
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

    def _may_be_nameless(self, reader: str | None, level: int | None) -> bool:
        """Whether what is read may be defined by a statement that lacks its name."""
        if reader is not None and level is None:
            return bool(self.nameless)
        return ("input" if level == 0 and reader is not None else "node") in self.nameless

    def _unknown_name(
        self, name: str, span: Span, reader: str | None, level: int | None
    ) -> Diagnostic:
        if level == 0 and reader is not None:
            valid = [n for n, s in self.definitions.items() if s.keyword.text == "input"]
        else:
            highest = 5 if level is None else level
            valid = [n for n, lower in self.levels.items() if lower < highest]
        guess = self._suggest(name, valid)
        kind = "input" if level == 0 and reader is not None else "node"
        return Diagnostic(
            "A302",
            f"no {kind} is called `{name[:60]}`",
            span,
            help=f"did you mean `{guess}`?" if guess else "",
            fix=_change(span, guess),
        )


def _read(value: Value, attribute: Attribute) -> object:
    match attribute.type:
        case "int":
            return values.read_int(value, attribute)
        case "number":
            return values.read_number(value, attribute)
        case "choice":
            return values.read_choice(value, attribute)
        case "string":
            return values.read_string(value, attribute)
        case "ints":
            return values.read_ints(value, attribute)
        case "strings":
            return values.read_strings(value, attribute)
        case "edges":
            return values.read_edge_items(value, attribute)


def _repeated(node: AttributeNode, first: AttributeNode) -> Diagnostic:
    return Diagnostic(
        "A402",
        f"`{node.name.text[:60]}` is given twice",
        node.name.span,
        labels=(Label(first.name.span, "first given here"),),
    )


def _missing(statement: StatementNode, missing: Sequence[Attribute]) -> Diagnostic:
    keyword, name = statement.keyword, statement.name
    what = f"{keyword.text} `{name.text[:60]}`" if name else f"the {keyword.text}"
    names = " and ".join(f"`{attribute.name}`" for attribute in missing)
    return Diagnostic(
        "A403",
        f"{what} has no {names}",
        name.span if name else keyword.span,
        help="; ".join(f"`{a.name}`, {a.meaning}, is {a.expected()}" for a in missing),
    )


def _change(span: Span, guess: str | None) -> Fix | None:
    return Fix(f"change to `{guess}`", (Edit(span, guess),)) if guess is not None else None


def _places(statement: StatementNode) -> Places:
    head = (("name", statement.name.span),) if statement.name is not None else ()
    attributes = ((a.name.text, a.value.span) for a in statement.attributes if a.value is not None)
    return (*head, *attributes)
