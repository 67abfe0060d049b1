"""Resolve the names in `inputs` and `peers` lists: A301, A302, A303, A407 and A411.

A name may be missing because of a mistake that another finding reports. Such names are not reported
as unknown; the nodes that read them are `incomplete`.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from anetdsl.diagnostics import Diagnostic, Fix, Label, did_you_mean
from anetdsl.ir import Edge
from anetdsl.rules import values
from anetdsl.rules.attributes import AttributeReader
from anetdsl.rules.values import InvalidValue
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, Scalar, StatementNode
from anetdsl.vocabulary import TOP_LEVEL

_MAX_SUGGESTIONS = 30
"""Number of unknown names for which a similar name is searched, which takes time."""


@attrs.frozen
class Reader:
    """The node or the sink that a list of names belongs to."""

    name: str | None
    """None for the sink."""
    level: int | None
    """None for the sink, and for a node without a valid level."""

    @property
    def is_stem(self) -> bool:
        """True if the reader reads inputs; all others read nodes."""
        return self.name is not None and self.level == 0


SINK = Reader(None, None)


@attrs.define
class NameResolver:
    """The names that a text defines, and the findings about their definitions and uses."""

    attributes: AttributeReader
    suspects: set[str]
    """Names in statements with mistakes. They are not reported as unknown."""
    found: list[Diagnostic] = attrs.Factory(list)
    definitions: dict[str, StatementNode] = attrs.Factory(dict)
    levels: dict[str, int] = attrs.Factory(dict)
    """Levels of the nodes; set before `edges` is called, which suggests names by level."""
    incomplete: set[str] = attrs.Factory(set)
    """Nodes that are missing from the network or have missing edges."""
    nameless: set[str] = attrs.Factory(set)
    """Keywords of statements without a name. Any unknown name may be the missing one."""
    suggestions: int = 0

    def define(self, statement: StatementNode) -> None:
        """Record the name that an `input` or `node` statement defines."""
        if statement.name is None:
            self.nameless.add(statement.keyword.text)
            return
        name = statement.name.text
        first = self.definitions.setdefault(name, statement)
        if first is not statement and first.name is not None:
            self.incomplete.add(name)
            self.found.append(
                Diagnostic(
                    "A301",
                    f"`{name}` is defined twice",
                    statement.name.span,
                    labels=(Label(first.name.span, "first defined here"),),
                )
            )

    def is_defined_by(self, statement: StatementNode) -> bool:
        """Return whether a statement has a name and is the first one that defines it."""
        name = statement.name
        return name is not None and self.definitions[name.text] is statement

    def edges(self, items: Sequence[ListItem], reader: Reader) -> tuple[Edge, ...]:
        """Return the valid edges of an `inputs` list."""
        edges: list[Edge] = []
        listed = {item.value.text for item in items}
        for item in items:
            source = self._source(item)
            weight = self._weight(item, reader)
            if source is not None and self._resolve(source, item, reader, listed):
                edges.append(Edge(source, weight, span=item.span))
            elif reader.name is not None:
                self.incomplete.add(reader.name)
        return tuple(edges)

    def peers(self, items: Sequence[ListItem], reader: Reader) -> tuple[Edge, ...]:
        """Return the valid items of the `peers` list of a node that is no stem."""
        peers: dict[str, Edge] = {}
        listed = {item.value.text for item in items}
        for item in items:
            source = self._source(item, "peers")
            share = self._share(item)
            if source is None or not self._resolve(source, item, reader, listed):
                continue
            if source in peers:
                self.found.append(
                    Diagnostic(
                        "A411",
                        f"`peers` lists `{source[:60]}` twice",
                        item.span,
                        labels=(Label(peers[source].span, "first listed here"),),
                    )
                )
            peers.setdefault(source, Edge(source, share, span=item.span))
        return tuple(peer for peer in peers.values() if peer.weight is not None)

    def contradicts(self, items: Sequence[ListItem], level: int) -> bool:
        """Return whether all known sources are of the wrong kind for a node of this level."""
        sources = [self.definitions.get(item.value.text) for item in items]
        expected = "input" if level == 0 else "node"
        known = {source.keyword.text for source in sources if source is not None}
        return bool(known) and expected not in known

    def _source(self, item: ListItem, attribute: str = "inputs") -> str | None:
        try:
            return values.edge_name(item, attribute)
        except InvalidValue as error:
            self.found.extend(error.diagnostics)
            return None

    def _weight(self, item: ListItem, reader: Reader) -> float | None:
        scalar = item.weight
        if scalar is None:
            return None
        if reader.name is None or reader.is_stem:
            self.found.append(_superfluous_weight(item, scalar, reader))
            return None
        try:
            return values.read_weight(scalar)
        except InvalidValue as error:
            self.found.extend(error.diagnostics)
            return None

    def _share(self, item: ListItem) -> float | None:
        if item.weight is None:
            self.found.append(
                Diagnostic(
                    "A411",
                    f"the peer `{item.value.text[:60]}` has no share",
                    item.value.span,
                    help="such as `s0@0.41`; a peer without a share is left out of the list",
                )
            )
            return None
        try:
            return values.read_share(item.weight)
        except InvalidValue as error:
            self.found.extend(error.diagnostics)
            return None

    def _resolve(self, name: str, item: ListItem, reader: Reader, listed: set[str]) -> bool:
        """Return whether `reader` may read `name`. Add a finding if it may not."""
        span = item.value.span
        definition = self.definitions.get(name)
        if definition is None:
            if not self.may_be_defined(name, reader):
                self.found.append(self._unknown_name(name, span, reader, listed))
            return False
        level_is_unknown = reader.name is not None and reader.level is None
        if level_is_unknown or (definition.keyword.text == "input") == reader.is_stem:
            return True
        self.found.append(_wrong_kind(name, span, definition, reader))
        return False

    def may_be_defined(self, name: str, reader: Reader) -> bool:
        """Return whether a reported mistake may have hidden the definition of an unknown name."""
        if name in self.suspects or name in self.attributes.suspects:
            return True
        if reader.name is not None and reader.level is None:
            return bool(self.nameless)
        kind = "input" if reader.is_stem else "node"
        return kind in self.nameless or kind not in self.attributes.present

    def _unknown_name(self, name: str, span: Span, reader: Reader, listed: set[str]) -> Diagnostic:
        if reader.is_stem:
            valid = [n for n, s in self.definitions.items() if s.keyword.text == "input"]
        else:
            bound = TOP_LEVEL + 1 if reader.level is None else reader.level
            valid = [n for n, level in self.levels.items() if level < bound]
        guess = self._suggest(name, [n for n in valid if n not in listed])
        kind = "input" if reader.is_stem else "node"
        return Diagnostic(
            "A302",
            f"no {kind} is called `{name[:60]}`",
            span,
            help=f"did you mean `{guess}`?" if guess else "",
            fix=Fix(f"change to `{guess}`", (Edit(span, guess),)) if guess else None,
        )

    def _suggest(self, word: str, valid: Sequence[str]) -> str | None:
        self.suggestions += 1
        return None if self.suggestions > _MAX_SUGGESTIONS else did_you_mean(word, valid)


def _superfluous_weight(item: ListItem, weight: Scalar, reader: Reader) -> Diagnostic:
    where = "into the sink" if reader.name is None else "from an input to a stem"
    cut = Span(item.value.span.end, weight.span.end)
    return Diagnostic(
        "A407",
        f"an edge {where} has no weight",
        weight.span,
        fix=Fix("remove the weight", (Edit(cut, ""),)),
    )


def _wrong_kind(name: str, span: Span, definition: StatementNode, reader: Reader) -> Diagnostic:
    if reader.name is None:
        message, text = f"the sink reads nodes; `{name}` is an input", "read it through a stem"
    elif reader.is_stem:
        message = f"a stem reads an input; `{name}` is a node"
        text = "a node that reads nodes has a level from 1 to 4"
    else:
        message = f"a node at level {reader.level} reads nodes; `{name}` is an input"
        text = "only a stem, a node with `level=0`, reads an input"
    label = Label(definition.name.span if definition.name else span, "defined here")
    return Diagnostic("A303", message, span, labels=(label,), help=text)
