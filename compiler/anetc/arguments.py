"""Check the arguments of the Python functions, as the options of the commands are checked."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from typing import Any

from anetdsl.errors import CannotRun
from anetdsl.settings_reader import Range, named_values

Kinds = Mapping[str, tuple[Any, Range | None]]
"""Type and range of each argument, by name."""


def check_arguments(function: str, arguments: Mapping[str, Any], kinds: Kinds) -> None:
    """Raise CannotRun for an argument of another type or out of its range.

    None is accepted if it belongs to the type.
    """
    values = named_values(arguments, function)
    for name, value in arguments.items():
        kind, limits = kinds[name]
        if value is not None or type(None) not in typing.get_args(kind):
            values.read(name, kind, None if value is None else limits)


def check_type(function: str, name: str, value: object, *types: type[Any]) -> None:
    """Raise CannotRun if an argument has none of these types."""
    if not isinstance(value, types):
        names = {os.PathLike: "a path", type(None): "None"}
        wanted = " or ".join(names.get(kind, kind.__name__) for kind in types)
        raise CannotRun(f"{function}: `{name}` must be {wanted}, not {type(value).__name__}")
