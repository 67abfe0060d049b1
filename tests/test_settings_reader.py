"""The settings reader: types, ranges, and the places in its messages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from anetdsl.errors import CannotRun
from anetdsl.settings_reader import (
    InvalidSetting,
    above,
    as_kind,
    at_least,
    between,
    named_values,
    not_empty,
    option_values,
    parse_toml,
    read_changes,
    read_json,
    read_toml,
    read_value,
)


def even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError("must be an even number")
    return value


@attrs.frozen
class Inner:
    rate: float = attrs.field(default=0.5, validator=between(0, 1, is_open=True))
    names: tuple[str, ...] = attrs.field(default=("a",), validator=not_empty)


@attrs.frozen
class Outer:
    count: int = attrs.field(validator=at_least(1))
    inner: Inner = Inner()
    other: Inner | None = None
    size: tuple[int, int] | None = attrs.field(default=None, validator=at_least(1))
    limit: float | None = attrs.field(default=None, validator=above(0))
    kind: Literal["fast", "slow"] = "fast"
    is_on: bool = False
    values: Mapping[str, Any] = {}
    pairs: int = attrs.field(default=0, metadata={"reader": even})


GIVEN = {
    "count": 3,
    "inner": {"rate": 0.25},
    "other": {"names": ["x", "y"]},
    "size": [4, 5],
    "limit": 2,
    "kind": "slow",
    "is_on": True,
    "values": {"a": [1]},
    "pairs": 4,
}
VALUE = Outer(3, Inner(0.25), Inner(names=("x", "y")), (4, 5), 2.0, "slow", True, {"a": [1]}, 4)


def test_values_are_converted_to_the_types_of_fields() -> None:
    value = read_value(named_values(GIVEN, "x"), Outer)
    assert value == VALUE
    assert isinstance(value.limit, float)


def test_changes_keep_the_other_values() -> None:
    changed = read_changes(named_values({"inner": {"names": ["z"]}, "limit": None}, "x"), VALUE)
    assert changed == attrs.evolve(VALUE, inner=Inner(0.25, ("z",)), limit=None)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, "x: `count` is missing"),
    "unknown": ({"coun": 3, "count": 1}, "x: there is no setting `coun`; did you mean `count`?"),
    "inside": (
        {"count": 1, "inner": {"rat": 1}},
        "x: there is no setting `rat` in [inner]; did you mean `rate`?",
    ),
    "type": ({"count": "3"}, 'x: `count` must be a whole number, not "3"'),
    "truth": ({"count": True}, "x: `count` must be a whole number, not true"),
    "null": ({"count": None}, "x: `count` must be a whole number, not null"),
    "choice": (
        {"count": 1, "kind": "slo"},
        'x: `kind` must be one of "fast", "slow", not "slo"; did you mean `slow`?',
    ),
    "list": ({"count": 1, "size": [1]}, "x: `size` must be a list of 2 whole numbers, not [1]"),
    "range": ({"count": 0}, "x: `count` must be at least 1, not 0"),
    "each": ({"count": 1, "size": [1, 0]}, "x: each value of `size` must be at least 1, not 0"),
    "huge": ({"count": 1, "limit": 10**400}, "x: `limit` must be a number, not 1"),
    "infinite": ({"count": 1, "limit": math.inf}, "x: `limit` must be a number, not Infinity"),
    "open": (
        {"count": 1, "inner": {"rate": 1}},
        "x: `rate` must be between 0 and 1, both excluded, not 1.0",
    ),
    "empty": ({"count": 1, "inner": {"names": []}}, "x: `names` must not be empty"),
    "table": ({"count": 1, "inner": 3}, "x: `inner` must hold settings by name, not 3"),
    "mapping": ({"count": 1, "values": [1]}, "x: `values` must hold settings by name, not [1]"),
    "reader": ({"count": 1, "pairs": 3}, "x: `pairs`: must be an even number"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_messages(case: str) -> None:
    given, message = MISTAKES[case]
    with pytest.raises(CannotRun) as found:
        read_value(named_values(given, "x"), Outer)
    assert str(found.value).startswith(message)


def test_ranges_hold_for_values_made_elsewhere() -> None:
    with pytest.raises(InvalidSetting, match="`count` must be at least 1, not 0") as found:
        Outer(0)
    assert found.value.setting == "count"
    assert isinstance(found.value, ValueError)
    with pytest.raises(InvalidSetting, match="`limit` must be above 0, not NaN"):
        Outer(1, limit=math.nan)


def test_messages_start_with_the_option() -> None:
    given = option_values({"count": 3, "is_on": None, "pairs": None})
    assert read_value(given, Outer) == Outer(3)
    with pytest.raises(CannotRun, match="--is-on: `is_on` must be true or false, not 3"):
        read_value(option_values({"count": 1, "is_on": 3}), Outer)


def test_options_with_limits() -> None:
    given = named_values({"level": 4, "name": "x"}, "--data x")
    assert given.read("level", int, between(1, 9)) == 4
    for key, shown in (("level", "4"), ("name", '"x"')):
        with pytest.raises(CannotRun) as found:
            given.read(key, int, between(1, 3))
        assert str(found.value) == (
            f"--data x: `{key}` must be a whole number from 1 to 3, not {shown}"
        )


TOML = """\
# settings
count = 3

[inner]  # a table
"rate" = 0.25
values.deep.key = 1
[other.'quoted'.x]
y = "[not]"
"""


def test_lines_of_toml() -> None:
    given = parse_toml("x.toml", TOML)
    for key, line in {
        ("count",): 2,
        ("inner",): 4,
        ("inner", "rate"): 5,
        ("inner", "names"): 4,  # missing: the line of its table
        ("inner", "values", "deep", "key"): 6,
        ("other", "quoted", "x", "y"): 8,
    }.items():
        assert str(given.error("wrong", *key)) == f"x.toml:{line}: wrong"
    assert str(given.error("wrong", "nowhere")) == "x.toml: wrong"
    assert str(given.table("inner").error("wrong", "rate")) == "x.toml:5: wrong"


JSON = """\
{
 "count": 3,
 "a \\": {": [{"x": 1},
   {"x": 2, "y": 3}],
 "inner": {"rate": "{", "names":
   ["z"]}, "size": [1, 2]
}
"""


def test_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(JSON)
    given = read_json(tmp_path / "x.json")
    lines = {key: str(given.error("", *key)).split(":")[-2] for key in given.lines}
    assert lines == {
        ("count",): "2",
        ('a ": {',): "3",
        ('a ": {', "x"): "3",
        ('a ": {', "y"): "4",
        ("inner",): "5",
        ("inner", "rate"): "5",
        ("inner", "names"): "5",
        ("size",): "6",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.toml", b"a = ", "not TOML: Invalid value (at end of document)"),
        ("x.json", b"{", "not JSON: "),
        ("x.json", b"[1]", "must hold settings by name, not [1]"),
        ("x.json", b"[" * 100_000, "not JSON: "),
        ("x.toml", b"\xff", "not UTF-8 text"),
        ("x.json", None, "no such file"),
    ],
)
def test_files_that_cannot_be_read(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotRun) as found:
        (read_toml if path.suffix == ".toml" else read_json)(path)
    assert str(found.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (3, float, 3.0),
        (None, int | None, None),
        ([["a", "b"]], tuple[tuple[str, str], ...], (("a", "b"),)),
        ([], tuple[int, ...], ()),
        ("a", Literal["a", "b"], "a"),
        (2, int | str, 2),
    ],
)
def test_types(value: object, kind: object, expected: object) -> None:
    assert as_kind(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, float), (None, int), (3, str), ([1, "a"], tuple[int, ...]), (True, Literal[1])],
)
def test_wrong_types(value: object, kind: object) -> None:
    with pytest.raises(ValueError, match="has another type"):
        as_kind(value, kind)
