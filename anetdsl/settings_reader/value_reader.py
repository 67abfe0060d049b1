"""Make attrs values of named values."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from anetdsl.settings_reader.ranges import InvalidSetting
from anetdsl.settings_reader.sources import NamedValues
from anetdsl.settings_reader.value_types import choices_of

T = TypeVar("T")


def read_value(given: NamedValues, cls: type[T]) -> T:
    """Return a value of an attrs class, with the defaults of its fields for what is not given.

    Fields that are attrs values themselves are tables. The metadata of a field may have a function
    that makes its value or raises ValueError (`reader`), and the name of the setting in files of
    earlier versions (`old_name`). Raise CannotRun with the place of a mistake.
    """
    given = _with_new_names(given, cls)
    for name, field in _fields(cls).items():
        if field.default is attrs.NOTHING and name not in given.values:
            raise given.error(f"`{name}` is missing")
    return _made(given, cls, {})


def read_changes(given: NamedValues, value: T) -> T:
    """Return an attrs value with the given values in place of its own, as `read_value`."""
    cls = type(value)
    given = _with_new_names(given, cls)
    return _made(given, cls, {name: getattr(value, name) for name in _fields(cls)})


def _fields(cls: type[Any]) -> dict[str, attrs.Attribute[Any]]:
    return attrs.fields_dict(cls)


def _with_new_names(given: NamedValues, cls: type[Any]) -> NamedValues:
    """Return the values with the names of the fields in place of old names."""
    for name, field in _fields(cls).items():
        old: str = field.metadata.get("old_name", "")
        if old in given.values:
            if name in given.values:
                raise given.error(
                    f"`{old}` is the old name of `{name}`; leave out one of them", old
                )
            given = given.renamed(old, name)
    return given


def _made(given: NamedValues, cls: type[T], current: Mapping[str, Any]) -> T:
    fields, kinds = _fields(cls), typing.get_type_hints(cls)
    given.check_names(fields)
    values = dict(current)
    for name in given.values:
        values[name] = _read_field(given, fields[name], kinds[name], current.get(name))
    try:
        return cls(**values)
    except InvalidSetting as error:
        raise given.error(str(error), error.setting) from None


def _read_field(given: NamedValues, field: attrs.Attribute[Any], kind: Any, current: object) -> Any:
    name = field.name
    value = given.values[name]
    reader: Callable[[object], Any] | None = field.metadata.get("reader")
    if reader is not None:
        try:
            return reader(value)
        except ValueError as error:
            raise given.error(f"`{name}`: {error}", name) from None
    if attrs.has(type(current)):
        return read_changes(given.table(name), current)
    classes = [choice for choice in choices_of(kind) if attrs.has(choice)]
    if classes and value is not None:
        return read_value(given.table(name), classes[0])
    return given.read(name, kind)
