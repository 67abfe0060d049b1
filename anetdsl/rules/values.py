"""Attribute values: from what is written to what it means, or a finding that says why not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

from anetdsl.diagnostics import Diagnostic, Fix, did_you_mean
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, ListValue, Scalar, Value
from anetdsl.vocabulary import Attribute

_WHOLE = re.compile(r"[+-]?[0-9]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_LONGEST_NUMBER = 60
T = TypeVar("T")


class Wrong(Exception):
    """A value that cannot be used: what is wrong with it, in findings."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics


def read_int(value: Value, attribute: Attribute) -> int:
    """A whole number within the attribute's bounds. Raises Wrong."""
    scalar = _scalar(value, attribute, "number")
    if not _WHOLE.fullmatch(scalar.text):
        raise Wrong(_wrong_type(value, attribute))
    number = int(scalar.text) if len(scalar.text) <= _LONGEST_NUMBER else math.inf
    if not attribute.low <= number <= attribute.high:
        raise Wrong(_out_of_range(scalar, attribute))
    return int(number)


def read_number(value: Value, attribute: Attribute) -> float:
    """A finite number. Raises Wrong."""
    scalar = _scalar(value, attribute, "number")
    number = float(scalar.text)
    if not math.isfinite(number):
        raise Wrong(
            Diagnostic("A405", f"`{attribute.name}` is too large to be stored", scalar.span)
        )
    return number


def read_choice(value: Value, attribute: Attribute) -> str:
    """One of the attribute's words. Raises Wrong."""
    scalar = _scalar(value, attribute, "name")
    if scalar.text not in attribute.choices:
        guess = did_you_mean(scalar.text, attribute.choices)
        raise Wrong(
            Diagnostic(
                "A406",
                f"`{attribute.name}` is {attribute.expected()}, not `{scalar.text}`",
                scalar.span,
                help=f"did you mean `{guess}`?" if guess else "",
                fix=_replace(scalar.span, guess) if guess else None,
            )
        )
    return scalar.text


def read_string(value: Value, attribute: Attribute) -> str:
    """The text that a "string" stands for. Raises Wrong."""
    return _unescape(_scalar(value, attribute, "string"))


def read_ints(value: Value, attribute: Attribute) -> tuple[int, ...]:
    """A list of whole numbers of the attribute's length. Raises Wrong."""
    items = _read_each(value, attribute, read_int)
    if len(items) != attribute.length:
        raise Wrong(
            Diagnostic(
                "A409",
                f"`{attribute.name}` has {len(items)} items, not {attribute.length}",
                value.span,
                help="one for each of the levels 1 to 4",
            )
        )
    return items


def read_strings(value: Value, attribute: Attribute) -> tuple[str, ...]:
    """A list of "strings". Raises Wrong."""
    return _read_each(value, attribute, read_string)


def read_edge_items(value: Value, attribute: Attribute) -> tuple[ListItem, ...]:
    """The items of an `inputs` list, which has at least one. Raises Wrong."""
    if not isinstance(value, ListValue):
        raise Wrong(_wrong_type(value, attribute))
    if not value.items:
        raise Wrong(Diagnostic("A409", f"`{attribute.name}` is empty", value.span))
    return value.items


def read_weight(scalar: Scalar) -> float:
    """An edge's weight, in the open interval (0, 1). Raises Wrong."""
    weight = float(scalar.text)
    if not 0.0 < weight < 1.0:
        raise Wrong(
            Diagnostic(
                "A408",
                f"an edge's weight lies between 0 and 1, both excluded; this is {scalar.text[:40]}",
                scalar.span,
                help="a weight is sigmoid(w) of the learned w; leave it out for an untrained edge",
            )
        )
    return weight


def edge_name(item: ListItem) -> str:
    """The name that an item of an `inputs` list refers to. Raises Wrong where it is no name."""
    if item.value.kind != "name":
        raise Wrong(
            Diagnostic(
                "A404",
                f"`inputs` lists names, not {_describe(item.value)}",
                item.value.span,
                help="such as `inputs=[s0, s1@0.41]`",
            )
        )
    return item.value.text


def _scalar(value: Value, attribute: Attribute, kind: str) -> Scalar:
    if not isinstance(value, Scalar) or value.kind != kind:
        raise Wrong(_wrong_type(value, attribute))
    return value


def _read_each(
    value: Value, attribute: Attribute, read: Callable[[Value, Attribute], T]
) -> tuple[T, ...]:
    """The items of a list that has no weights. Raises Wrong with what is wrong with each."""
    if not isinstance(value, ListValue):
        raise Wrong(_wrong_type(value, attribute))
    items: list[T] = []
    found: list[Diagnostic] = []
    for item in value.items:
        if item.weight is not None:
            message = f"items of `{attribute.name}` have no weight"
            found.append(Diagnostic("A407", message, item.weight.span))
        try:
            items.append(read(item.value, attribute))
        except Wrong as wrong:
            found.extend(wrong.diagnostics)
    if found:
        raise Wrong(*found)
    return tuple(items)


def _wrong_type(value: Value, attribute: Attribute) -> Diagnostic:
    return Diagnostic(
        "A404",
        f"`{attribute.name}` is {attribute.expected()}, not {_describe(value)}",
        value.span,
    )


def _out_of_range(scalar: Scalar, attribute: Attribute) -> Diagnostic:
    return Diagnostic(
        "A405",
        f"`{attribute.name}` is {attribute.expected()}",
        scalar.span,
    )


def _describe(value: Value) -> str:
    match value:
        case ListValue():
            return "a list"
        case Scalar(kind="string"):
            return "a string"
        case Scalar(text=text):
            return f"`{text[:40]}`"


def _unescape(scalar: Scalar) -> str:
    body = scalar.text[1:-1]
    for match in _ESCAPE.finditer(body):
        if match[1] not in _ESCAPES:
            start = scalar.span.start + 1 + match.start()
            raise Wrong(
                Diagnostic(
                    "A102",
                    f"`{match[0]}` is no escape",
                    Span(start, start + 2),
                    help='escapes are `\\"`, `\\\\`, `\\n`, `\\r` and `\\t`',
                )
            )
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], body)


def _replace(span: Span, text: str) -> Fix:
    return Fix(f"change to `{text}`", (Edit(span, text),))
