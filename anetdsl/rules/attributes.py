"""Read the attributes of statements: each is known, given once, and has a valid value (A4xx)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

import attrs

from anetdsl.diagnostics import Diagnostic, Fix, Label, did_you_mean
from anetdsl.rules import values
from anetdsl.rules.values import InvalidValue
from anetdsl.source import Edit
from anetdsl.syntax.nodes import AttributeNode, StatementNode, SyntaxTree, Value
from anetdsl.vocabulary import REQUIRED, STATEMENTS, Attribute

_MAX_SUGGESTIONS = 100
"""Number of unknown attributes for which a similar name is searched, which takes time."""


@attrs.define
class AttributeReader:
    """Reader of the attributes of one file's statements. It collects the findings."""

    present: frozenset[str]
    """Keywords of the statements in the file."""
    owners: dict[str, str]
    """For each attribute of a missing statement the keyword, which may be all that is missing."""
    found: list[Diagnostic] = attrs.Factory(list)
    suspects: set[str] = attrs.Factory(set)
    """Unknown attributes, which may be misplaced names."""
    reported: set[str] = attrs.Factory(set)
    """Keywords that were reported as missing."""
    suggestions: int = 0

    @classmethod
    def of(cls, tree: SyntaxTree) -> AttributeReader:
        """Return a reader for the statements of a tree."""
        present = frozenset(statement.keyword.text for statement in tree.statements)
        missing = [kind for keyword, kind in STATEMENTS.items() if keyword not in present]
        return cls(present, {a.name: kind.keyword for kind in missing for a in kind.attributes})

    def read(self, statement: StatementNode, not_needed: Container[str] = ()) -> dict[str, Any]:
        """Return the valid attribute values of a statement. Add the findings about all others.

        The required attributes in `not_needed` may be missing in this statement.
        """
        kind = STATEMENTS[statement.keyword.text]
        seen: dict[str, AttributeNode] = {}
        read: dict[str, Any] = {}
        has_unknown = False
        for node in statement.attributes:
            name = node.name.text
            attribute = kind.attribute(name)
            if attribute is not None:
                name = attribute.name
            if (name in seen or attribute is None) and name in self.owners:
                self.found.extend(self._of_missing_statement(node, statement))
                has_unknown = True
            elif name in seen:
                if not statement.broken:
                    self.found.append(_repeated(node, seen[name]))
                read.pop(name, None)  # It is unclear which of the two values is meant.
            elif attribute is None:
                self.found.extend(self._unknown(node, statement))
                has_unknown = True
            elif node.value is not None:
                try:
                    read[name] = _read_value(node.value, attribute)
                except InvalidValue as error:
                    self.found.extend(error.diagnostics)
            seen.setdefault(name, node)
        if not statement.broken and not has_unknown:
            missing = [
                a
                for a in kind.attributes
                if a.required and a.name not in seen and a.name not in not_needed
            ]
            if missing:
                self.found.append(_missing(statement, missing))
        return read

    def _of_missing_statement(
        self, node: AttributeNode, statement: StatementNode
    ) -> Iterator[Diagnostic]:
        """Yield a finding about the attributes of a missing statement, once for each statement."""
        owner = self.owners[node.name.text]
        if owner in REQUIRED or owner in self.reported or statement.broken:
            return  # Another finding reports this mistake.
        self.reported.add(owner)
        yield Diagnostic(
            "A401",
            _unknown_message(node, statement),
            node.name.span,
            help=f"is `{owner}` missing before it?",
        )

    def _unknown(self, node: AttributeNode, statement: StatementNode) -> Iterator[Diagnostic]:
        keyword, name = statement.keyword.text, node.name.text
        names = [a.name for a in STATEMENTS[keyword].attributes]
        guess = self._suggest(name, statement)
        if guess is not None:
            text = f"did you mean `{guess}`?"
            fix = Fix(f"change to `{guess}`", (Edit(node.name.span, guess),))
        else:
            text = f"attributes of `{keyword}` are " + ", ".join(f"`{n}`" for n in names)
            fix = None
            self.suspects.add(name)
        # In a broken statement, an attribute without a suggestion is part of a reported mistake.
        if not statement.broken or (node.value is not None and fix is not None):
            message = _unknown_message(node, statement)
            yield Diagnostic("A401", message, node.name.span, help=text, fix=fix)

    def _suggest(self, name: str, statement: StatementNode) -> str | None:
        """Return a similar attribute that the statement does not have yet, or None."""
        self.suggestions += 1
        if self.suggestions > _MAX_SUGGESTIONS:
            return None
        written = {a.name.text for a in statement.attributes}
        names = [a.name for a in STATEMENTS[statement.keyword.text].attributes]
        return did_you_mean(name, [n for n in names if n not in written])


def _read_value(value: Value, attribute: Attribute) -> Any:
    """Return the value of an attribute. Raise InvalidValue."""
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
        case "filters":
            return values.read_filters(value, attribute)
        case "strings":
            return values.read_strings(value, attribute)
        case "edges":
            return values.read_edge_items(value, attribute)


def _unknown_message(node: AttributeNode, statement: StatementNode) -> str:
    return f"`{statement.keyword.text}` has no attribute `{node.name.text[:60]}`"


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
    *others, last = (f"`{attribute.name}`" for attribute in missing)
    names = f"{', '.join(others)} and {last}" if others else last
    if len(missing) > 2:
        text = "; ".join(f"`{a.name}` is {a.expected()}" for a in missing)
    else:
        text = "; ".join(f"`{a.name}`, {a.meaning}, is {a.expected()}" for a in missing)
    place = name.span if name else keyword.span
    return Diagnostic("A403", f"{what} has no {names}", place, help=text)
