"""Syntax nodes with spans: the text as parsed, before names and ranges are checked."""

from __future__ import annotations

from typing import Literal

import attrs
from lark import Token

from anetdsl.diagnostics import Diagnostic
from anetdsl.source import SourceFile, Span

ScalarKind = Literal["number", "name", "string"]


@attrs.frozen
class Word:
    """A keyword or a name."""

    text: str
    span: Span


@attrs.frozen
class Scalar:
    """A number, a name or a string as written; a string includes its quotes."""

    kind: ScalarKind
    text: str
    span: Span


@attrs.frozen
class ListItem:
    """One item of a list: a scalar with an optional `@weight`."""

    value: Scalar
    weight: Scalar | None
    span: Span


@attrs.frozen
class ListValue:
    """A list in brackets."""

    items: tuple[ListItem, ...]
    span: Span


Value = Scalar | ListValue


@attrs.frozen
class AttributeNode:
    """An attribute `name=value`. `value` is None if a syntax error was reported in it."""

    name: Word
    value: Value | None
    span: Span


@attrs.frozen
class StatementNode:
    """One statement. `broken`: a syntax error in it was reported, so parts of it may be missing."""

    keyword: Word
    name: Word | None
    version: Scalar | None
    attributes: tuple[AttributeNode, ...]
    span: Span
    broken: bool = False

    def attribute(self, name: str) -> AttributeNode | None:
        """Return the first attribute with this name, or None."""
        return next((a for a in self.attributes if a.name.text == name), None)


@attrs.frozen
class SyntaxTree:
    """A file as statements. The concatenated `tokens` equal the text."""

    source: SourceFile
    tokens: tuple[Token, ...]
    statements: tuple[StatementNode, ...]
    diagnostics: tuple[Diagnostic, ...]
    unknown_statements: bool = False
    """True if a part of the text belongs to no known statement and may be a missing statement."""
    suspects: frozenset[str] = frozenset()
    """Names that an unknown statement may define. They are not reported as unknown."""
