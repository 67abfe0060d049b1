"""Convert values of TOML, JSON and options to the types of fields, and describe mismatches."""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from anetdsl.diagnostics import did_you_mean


def as_kind(value: Any, kind: Any) -> Any:
    """Return a value of TOML or JSON as a type: lists become tuples, whole numbers floats.

    Raise ValueError if the value is not of the type.
    """
    if value is None and type(None) in typing.get_args(kind):
        return None
    for choice in choices_of(kind):
        converted = _converted(value, choice)
        if converted is not None:
            return converted
    raise ValueError(f"{shown(value)} has another type")


def choices_of(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, without None."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(part for part in typing.get_args(kind) if part is not type(None))
    return (kind,)


def shown(value: Any) -> str:
    """Return a value for a message, as JSON writes it, in 60 characters at most."""
    return json.dumps(value, ensure_ascii=False, default=str)[:60]


def mismatch(name: str, value: Any, kind: Any, limits: object = None) -> str:
    """Return the message for a value that is not of the type, or not within the limits."""
    choices = choices_of(kind)
    if any(typing.get_origin(choice) is Mapping for choice in choices):
        return without_names(name, value)
    wanted = " or ".join(map(_described, choices)) + ("" if limits is None else f" {limits}")
    message = f"`{name}` must be {wanted}, not {shown(value)}"
    words = [
        word
        for choice in choices
        if typing.get_origin(choice) is typing.Literal
        for word in typing.get_args(choice)
    ]
    guess = did_you_mean(value, words) if isinstance(value, str) else None
    return message + (f"; did you mean `{guess}`?" if guess else "")


def without_names(name: str, value: Any) -> str:
    """Return the message for a value in the place of a table."""
    return f"`{name}` must hold settings by name, not {shown(value)}"


def _converted(value: Any, kind: Any) -> Any:
    """Return the value as this type, or None if it has another type."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value if value in parts and not isinstance(value, bool) else None
    if origin is tuple:
        return _converted_items(value, parts)
    if kind is float:
        return finite_number(value)
    if kind is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    return value if isinstance(value, origin or kind) else None


def finite_number(value: object) -> float | None:
    """Return a finite number as a float; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _converted_items(value: Any, parts: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(value) != len(parts):
        return None
    items = tuple(_converted(item, part) for item, part in zip(value, parts))
    return None if None in items else items


_TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}


def _described(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(f'"{part}"' for part in parts)
    if origin is tuple:
        item = _TYPES.get(parts[0], "a value").split(" ", 1)[-1]
        is_endless = len(parts) == 2 and parts[1] is Ellipsis
        return f"a list of {item}s" if is_endless else f"a list of {len(parts)} {item}s"
    return _TYPES.get(kind, "a value of another type")
