"""Read attribute values. An invalid value raises InvalidValue with its findings."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

import attrs

from anetdsl.diagnostics import Diagnostic, Fix, did_you_mean
from anetdsl.source import Edit, Span
from anetdsl.syntax.nodes import ListItem, ListValue, Scalar, Value
from anetdsl.vocabulary import Attribute

_WHOLE = re.compile(r"[+-]?[0-9]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_LONGEST_NUMBER = 60
_EXAMPLES = {"inputs": "s0, s1@0.41", "peers": "s0@0.59, s1@0.41"}
T = TypeVar("T")


class InvalidValue(Exception):
    """An attribute's value is invalid; `diagnostics` has the findings."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics


def read_int(value: Value, attribute: Attribute) -> int:
    """Return a whole number within the attribute's bounds. Raise InvalidValue."""
    scalar = _scalar(value, attribute, "number")
    if not _WHOLE.fullmatch(scalar.text):
        raise InvalidValue(_wrong_type(value, attribute))
    number = int(scalar.text) if len(scalar.text) <= _LONGEST_NUMBER else math.inf
    if not attribute.low <= number <= attribute.high:
        raise InvalidValue(_out_of_range(scalar, attribute))
    return int(number)


def read_number(value: Value, attribute: Attribute) -> float:
    """Return a finite number. Raise InvalidValue."""
    scalar = _scalar(value, attribute, "number")
    number = float(scalar.text)
    if not math.isfinite(number):
        raise InvalidValue(
            Diagnostic(
                "A405", f"`{attribute.name}` is too large for a floating-point number", scalar.span
            )
        )
    return number


def read_choice(value: Value, attribute: Attribute) -> str:
    """Return one of the attribute's choices. Raise InvalidValue."""
    scalar = _scalar(value, attribute, "name")
    if scalar.text not in attribute.choices:
        guess = did_you_mean(scalar.text, attribute.choices)
        raise InvalidValue(
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
    """Return the text of a "string", with escapes replaced. Raise InvalidValue."""
    return _unescape(_scalar(value, attribute, "string"))


def read_ints(value: Value, attribute: Attribute) -> tuple[int, ...]:
    """Return a list of whole numbers of the attribute's length. Raise InvalidValue."""
    items = _read_each(value, attribute, read_int)
    if len(items) != attribute.length:
        raise InvalidValue(_wrong_length(value, attribute, "one for each of the levels 1 to 4"))
    return items


def read_filters(value: Value, attribute: Attribute) -> int | tuple[int, ...]:
    """Return the C of a node: a whole number, or a list of three. Raise InvalidValue."""
    number = attrs.evolve(attribute, type="int")
    if not isinstance(value, ListValue):
        return read_int(value, number)
    items = _read_each(value, number, read_int)
    if len(items) != attribute.length:
        help = "a lite block has a list of three widths, a full block one number"
        raise InvalidValue(_wrong_length(value, attribute, help))
    return items


def read_strings(value: Value, attribute: Attribute) -> tuple[str, ...]:
    """Return a list of "strings". Raise InvalidValue."""
    return _read_each(value, attribute, read_string)


def read_edge_items(value: Value, attribute: Attribute) -> tuple[ListItem, ...]:
    """Return the items of a list of names, at least one. Raise InvalidValue."""
    if not isinstance(value, ListValue):
        raise InvalidValue(_wrong_type(value, attribute))
    if not value.items:
        raise InvalidValue(Diagnostic("A409", f"`{attribute.name}` is empty", value.span))
    return value.items


def read_weight(scalar: Scalar) -> float:
    """Return an edge's weight, in the open interval (0, 1). Raise InvalidValue."""
    weight = float(scalar.text)
    if not 0.0 < weight < 1.0:
        raise InvalidValue(
            Diagnostic(
                "A408",
                f"the weight of an edge is above 0 and below 1, not {scalar.text[:40]}",
                scalar.span,
                help="it is sigmoid(w) of the learned w; an untrained edge has no weight",
            )
        )
    return weight


def read_share(scalar: Scalar) -> float:
    """Return the share of a peer, above 0 and at most 1. Raise InvalidValue."""
    share = float(scalar.text)
    if not 0.0 < share <= 1.0:
        raise InvalidValue(
            Diagnostic(
                "A411",
                f"the share of a peer is above 0 and at most 1, not {scalar.text[:40]}",
                scalar.span,
                help="a peer without a share is left out of the list",
            )
        )
    return share


def edge_name(item: ListItem, attribute: str = "inputs") -> str:
    """Return the name in an item of a list of names. Raise InvalidValue for other items."""
    if item.value.kind != "name":
        raise InvalidValue(
            Diagnostic(
                "A404",
                f"`{attribute}` is a list of names, not of {_describe(item.value)}",
                item.value.span,
                help=f"such as `{attribute}=[{_EXAMPLES[attribute]}]`",
            )
        )
    return item.value.text


def _scalar(value: Value, attribute: Attribute, kind: str) -> Scalar:
    if not isinstance(value, Scalar) or value.kind != kind:
        raise InvalidValue(_wrong_type(value, attribute))
    return value


def _read_each(
    value: Value, attribute: Attribute, read: Callable[[Value, Attribute], T]
) -> tuple[T, ...]:
    """Return the items of a list without weights. Raise InvalidValue with all findings."""
    if not isinstance(value, ListValue):
        raise InvalidValue(_wrong_type(value, attribute))
    items: list[T] = []
    found: list[Diagnostic] = []
    for item in value.items:
        if item.weight is not None:
            message = f"items of `{attribute.name}` have no weight"
            found.append(Diagnostic("A407", message, item.weight.span))
        try:
            items.append(read(item.value, attribute))
        except InvalidValue as error:
            found.extend(error.diagnostics)
    if found:
        raise InvalidValue(*found)
    return tuple(items)


def _wrong_length(value: Value, attribute: Attribute, help: str) -> Diagnostic:
    count = len(value.items) if isinstance(value, ListValue) else 1
    return Diagnostic(
        "A409",
        f"`{attribute.name}` has {count} item{'s' * (count != 1)}, not {attribute.length}",
        value.span,
        help=help,
    )


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
            raise InvalidValue(
                Diagnostic(
                    "A102",
                    f"`{match[0]}` is not a valid escape",
                    Span(start, start + 2),
                    help='escapes are `\\"`, `\\\\`, `\\n`, `\\r` and `\\t`',
                )
            )
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], body)


def _replace(span: Span, text: str) -> Fix:
    return Fix(f"change to `{text}`", (Edit(span, text),))
