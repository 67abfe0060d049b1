"""Syntax nodes: what stands in the text, before names and ranges are looked at. All carry spans."""

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
    """A number, a name or a string, as it is written (a string with its quotes)."""

    kind: ScalarKind
    text: str
    span: Span


@attrs.frozen
class ListItem:
    """One item of a list: a scalar, with `@weight` or without."""

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
    """`name=value`. `value` is None where a syntax error was reported within it."""

    name: Word
    value: Value | None
    span: Span


@attrs.frozen
class StatementNode:
    """One statement. `broken`: a syntax error within it was reported, so do not trust its gaps."""

    keyword: Word
    name: Word | None
    version: Scalar | None
    attributes: tuple[AttributeNode, ...]
    span: Span
    broken: bool = False

    def attribute(self, name: str) -> AttributeNode | None:
        """The first attribute of that name."""
        return next((a for a in self.attributes if a.name.text == name), None)


@attrs.frozen
class SyntaxTree:
    """A file as statements; `tokens` joined are the text."""

    source: SourceFile
    tokens: tuple[Token, ...]
    statements: tuple[StatementNode, ...]
    diagnostics: tuple[Diagnostic, ...]
    unknown_statements: bool = False
    """Whether some text belongs to no known statement, which may be the one that is missed."""
    suspects: frozenset[str] = frozenset()
    """Names that an unknown statement may have defined: no reason to call them unknown."""
