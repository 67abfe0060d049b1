"""Validators of the fields of settings: ranges of numbers, and lists that are not empty."""

from __future__ import annotations

import math
from typing import Any

import attrs

from anetdsl.errors import CannotRun
from anetdsl.settings_reader.value_types import shown


class InvalidSetting(CannotRun, ValueError):
    """A value of a setting is out of its range. `setting` is the name of its field."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


@attrs.frozen
class Range:
    """An attrs validator of finite numbers from `low` to `high`. It also accepts None.

    In a tuple each number must be in the range. If `is_open`, the bounds themselves are excluded.
    """

    low: float
    high: float = math.inf
    is_open: bool = False

    def __call__(self, _instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        """Raise InvalidSetting if the value of a field is out of range."""
        self.check(attribute.name, value)

    def check(self, name: str, value: Any) -> None:
        """Raise InvalidSetting, with the name of the setting, if the value is out of range."""
        is_list = isinstance(value, tuple)
        for item in value if is_list else (value,):
            if item is not None and not self.contains(item):
                each = "each value of " if is_list else ""
                message = f"{each}`{name}` must be {self}, not {shown(item)}"
                raise InvalidSetting(name, message)

    def contains(self, number: Any) -> bool:
        """Return whether a number is finite and in the range."""
        if isinstance(number, float) and not math.isfinite(number):
            return False
        is_inside = self.low <= number <= self.high
        return bool(is_inside and not (self.is_open and number in (self.low, self.high)))

    def __str__(self) -> str:
        """Return the range in words."""
        if self.high == math.inf:
            return f"above {self.low:g}" if self.is_open else f"at least {self.low:g}"
        if self.is_open:
            return f"between {self.low:g} and {self.high:g}, both excluded"
        return f"from {self.low} to {self.high}"


def at_least(low: float) -> Range:
    """Return a validator of finite numbers that are at least `low`."""
    return Range(low)


def above(low: float) -> Range:
    """Return a validator of finite numbers greater than `low`."""
    return Range(low, is_open=True)


def between(low: float, high: float, *, is_open: bool = False) -> Range:
    """Return a validator of numbers from `low` to `high`."""
    return Range(low, high, is_open)


def not_empty(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Raise InvalidSetting if the list of a field is empty. This is an attrs validator."""
    if not value:
        raise InvalidSetting(attribute.name, f"`{attribute.name}` must not be empty")
