"""Find the part of a text at an offset: a keyword, a name, an attribute or a value."""

from __future__ import annotations

from typing import Literal

import attrs

from anetdsl.language_server.analysis import Analysis
from anetdsl.source import Span
from anetdsl.syntax.nodes import AttributeNode, ListValue, StatementNode
from anetdsl.vocabulary import STATEMENTS

PlaceKind = Literal["keyword", "name", "attribute", "source", "weight", "value"]


@attrs.frozen
class TextPlace:
    """A word of a statement and its role.

    `name` is the statement's own name, `source` a name in an `inputs` list, `weight` the number
    after it, and `value` any other value of an attribute.
    """

    kind: PlaceKind
    span: Span
    text: str
    statement: StatementNode
    attribute: AttributeNode | None = None


def place_at(analysis: Analysis, offset: int) -> TextPlace | None:
    """Return what stands at an offset, or ends there, or None."""
    statement = analysis.statement_at(offset)
    if statement is None:
        return None
    if _touches(statement.keyword.span, offset):
        return TextPlace("keyword", statement.keyword.span, statement.keyword.text, statement)
    if statement.name is not None and _touches(statement.name.span, offset):
        return TextPlace("name", statement.name.span, statement.name.text, statement)
    for attribute in statement.attributes:
        if _touches(attribute.name.span, offset):
            name = attribute.name
            return TextPlace("attribute", name.span, name.text, statement, attribute)
        if attribute.value is not None and _touches(attribute.value.span, offset):
            return _in_value(attribute, statement, offset, analysis.text)
    return None


def _in_value(
    attribute: AttributeNode, statement: StatementNode, offset: int, text: str
) -> TextPlace | None:
    value = attribute.value
    assert value is not None
    if isinstance(value, ListValue):
        known = STATEMENTS[statement.keyword.text].attribute(attribute.name.text)
        has_names = known is not None and known.type == "edges"
        for item in value.items:
            if _touches(item.value.span, offset):
                kind: PlaceKind = "source" if has_names and item.value.kind == "name" else "value"
                return TextPlace(kind, item.value.span, item.value.text, statement, attribute)
            if item.weight is not None and _touches(item.weight.span, offset):
                weight = item.weight
                return TextPlace("weight", weight.span, item.value.text, statement, attribute)
    written = text[value.span.start : value.span.end]
    return TextPlace("value", value.span, written, statement, attribute)


def _touches(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end


def defined_name(place: TextPlace | None) -> str | None:
    """Return the name of an input or a node that is defined or read at a place, or None."""
    if place is None:
        return None
    is_definition = place.kind == "name" and place.statement.keyword.text in ("input", "node")
    return place.text if is_definition or place.kind == "source" else None
