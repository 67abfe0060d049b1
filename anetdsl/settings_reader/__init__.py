"""Read settings of all kinds: turn named values of TOML, JSON or options into attrs values.

Every message names the place and has one of these forms:

    search.toml:4: there is no setting `candidats` in [search]; did you mean `candidates`?
    search.toml:4: `candidates` must be a whole number, not "abc"
    search.toml:4: `candidates` must be at least 1, not 0

The fields of the attrs class give names, types and defaults. Ranges are validators of the fields
(`at_least`, `between`, ...), so that a value out of range cannot be made elsewhere either.
"""

from anetdsl.settings_reader.ranges import (
    InvalidSetting,
    Range,
    above,
    at_least,
    between,
    not_empty,
)
from anetdsl.settings_reader.sources import (
    NamedValues,
    named_values,
    option_values,
    parse_toml,
    read_json,
    read_toml,
)
from anetdsl.settings_reader.value_reader import read_changes, read_value
from anetdsl.settings_reader.value_types import as_kind

__all__ = [
    "InvalidSetting",
    "NamedValues",
    "Range",
    "above",
    "as_kind",
    "at_least",
    "between",
    "named_values",
    "not_empty",
    "option_values",
    "parse_toml",
    "read_changes",
    "read_json",
    "read_toml",
    "read_value",
]
