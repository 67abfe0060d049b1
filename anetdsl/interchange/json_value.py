"""Read JSON values with their place in the document, so that each error names its place."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn, cast

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun
from anetdsl.vocabulary import KEYWORDS, STATEMENTS, Attribute

MAX_JSON_CHARACTERS = 1 << 24
"""More than the compact JSON of the largest `.anet` text has."""
MAX_SHOWN = 60
"""Characters of an untrusted text in a message."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class InterchangeError(CannotRun):
    """A JSON document that is no network.

    `place` is the place of the error, such as `structure[4][1][0]`, or empty.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


@attrs.frozen
class JsonValue:
    """A value of a JSON document, and its place there.

    The methods return the value as a type. They raise InterchangeError, with the place, if the
    value does not have this type.
    """

    raw: object
    place: str = ""

    def fail(self, message: str) -> NoReturn:
        """Raise InterchangeError with this message and the place."""
        raise InterchangeError(message, self.place)

    def fail_expected(self, wanted: str) -> NoReturn:
        """Raise InterchangeError that names the expected and the actual value."""
        self.fail(f"expected {wanted}, not {describe(self.raw)}")

    def items(self, wanted: str = "a list") -> list[JsonValue]:
        """Return the items of a list."""
        if not isinstance(self.raw, list | tuple):
            self.fail_expected(wanted)
        return [JsonValue(item, f"{self.place}[{index}]") for index, item in enumerate(self.raw)]

    def fields(
        self, required: Iterable[str] = (), optional: Iterable[str] = ()
    ) -> dict[str, JsonValue]:
        """Return the fields of an object. Missing and unknown fields are errors."""
        found = self.entries()
        required = tuple(required)
        known = (*required, *optional)
        for key, value in found.items():
            if key not in known:
                meant = did_you_mean(key, known)
                value.fail("unknown field" + (f"; did you mean `{meant}`?" if meant else ""))
        for key in required:
            if key not in found:
                self.fail(f"the field `{key}` is missing")
        return found

    def entries(self) -> dict[str, JsonValue]:
        """Return the fields of an object with any names."""
        if not isinstance(self.raw, dict):
            self.fail_expected("an object")
        for key in self.raw:
            if not isinstance(key, str):
                self.fail(f"a field's name must be a string, not {describe(key)}")
        return {key: JsonValue(item, self._field_place(key)) for key, item in self.raw.items()}

    def _field_place(self, key: str) -> str:
        if not _NAME.fullmatch(key):
            return f"{self.place}[{shorten(json.dumps(key))}]"
        return f"{self.place}.{shorten(key)}" if self.place else shorten(key)

    def integer(self, low: float, high: float, wanted: str = "") -> int:
        """Return a whole number within bounds. True and 3.0 are errors."""
        wanted = wanted or f"a whole number from {low:g} to {high:,.0f}"
        if not isinstance(self.raw, int) or isinstance(self.raw, bool):
            self.fail_expected(wanted)
        if not low <= self.raw <= high:
            self.fail_expected(wanted)
        return self.raw

    def number(self) -> float:
        """Return a finite number."""
        if not isinstance(self.raw, int | float) or isinstance(self.raw, bool):
            self.fail_expected("a number")
        try:
            value = float(self.raw)
        except OverflowError:
            self.fail_expected("a number")
        if not math.isfinite(value):
            self.fail_expected("a finite number")
        return value

    def weight(self) -> float:
        """Return an edge weight sigmoid(w), in the open interval (0, 1)."""
        value = self.number()
        if not 0 < value < 1:
            self.fail_expected("a weight between 0 and 1, both excluded")
        return value

    def string(self) -> str:
        """Return a string that can be written as UTF-8."""
        if not isinstance(self.raw, str):
            self.fail_expected("a string")
        try:
            self.raw.encode()
        except UnicodeEncodeError:
            self.fail("the string has half of a surrogate pair, which is not valid text")
        return self.raw

    def name(self) -> str:
        """Return a name of the language: letters, digits and `_`, no digit first, no keyword."""
        text = self.string()
        if not is_name(text):
            self.fail_expected("a name (letters, digits and `_`, no digit first, no keyword)")
        return text

    def new_name(self, taken: set[str]) -> str:
        """Return a name that is not in `taken`, and add it there."""
        text = self.name()
        if text in taken:
            self.fail(f"the name `{shorten(text)}` is already used")
        taken.add(text)
        return text

    def choice(self, statement: str, name: str) -> Any:
        """Return the word of an attribute of the language, one of the attribute's choices."""
        choices = _attribute(statement, name).choices
        if self.raw not in choices or not isinstance(self.raw, str):
            self.fail_expected(" or ".join(f"`{choice}`" for choice in choices))
        return self.raw

    def attribute(self, statement: str, name: str) -> int:
        """Return the whole number of an attribute of the language, within its bounds."""
        attribute = _attribute(statement, name)
        return self.integer(attribute.low, attribute.high, attribute.expected())

    def filters(self) -> int | tuple[int, int, int]:
        """Return the C of a node: a whole number, or three for a lite block."""
        low, high = _attribute("node", "C").low, _attribute("node", "C").high
        if not isinstance(self.raw, list | tuple):
            return self.integer(low, high)
        items = self.items()
        if len(items) != 3:
            self.fail(f"expected three widths [f0, f1, f2], not {len(items)}")
        first, second, third = (item.integer(low, high) for item in items)
        return first, second, third

    def share(self) -> float:
        """Return the share of a peer, above 0 and at most 1."""
        value = self.number()
        if not 0 < value <= 1:
            self.fail_expected("a share above 0 and at most 1")
        return value

    def four(self, name: str) -> tuple[int, int, int, int]:
        """Return the four whole numbers of `D` or `modules`, one per level."""
        attribute = _attribute("network", name)
        items = self.items(attribute.expected())
        if len(items) != 4:
            self.fail(f"expected {attribute.expected()}, not {len(items)} items")
        wanted = f"a whole number from {attribute.low:g} to {attribute.high:,.0f}"
        first, second, third, fourth = (
            item.integer(attribute.low, attribute.high, wanted) for item in items
        )
        return first, second, third, fourth


def _attribute(statement: str, name: str) -> Attribute:
    return cast(Attribute, STATEMENTS[statement].attribute(name))


def parse_json(text: str) -> object:
    """Return the value of a JSON text. Raises InterchangeError for text that is not strict JSON."""
    if len(text) > MAX_JSON_CHARACTERS:
        raise InterchangeError(f"the JSON text has more than {MAX_JSON_CHARACTERS:,} characters")
    try:
        return json.loads(
            text.removeprefix("\ufeff"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_without_repeats,
        )
    except json.JSONDecodeError as error:
        raise InterchangeError(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise InterchangeError("not a network: the JSON is nested too deeply") from None
    except ValueError:  # Python limits the digits of an integer
        raise InterchangeError("not a network: a number in the JSON has too many digits") from None


def _refuse_constant(word: str) -> NoReturn:
    raise InterchangeError(f"not JSON: {word} is not a JSON number")


def _object_without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InterchangeError(f"the JSON has the field {shorten(json.dumps(repeated))} twice")
    return found


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a network, an input or a node."""
    return _NAME.fullmatch(text) is not None and text not in KEYWORDS


def as_name(text: str) -> str:
    """Return a name made from any text, such as a file name: `asn-50` becomes `asn_50`."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text) or "_"
    return f"_{name}" if name[0].isdigit() or name in KEYWORDS else name


def shorten(text: str) -> str:
    """Return an untrusted text, shortened so that a message stays readable."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def describe(raw: object) -> str:
    """Return a short description of an unexpected value for a message."""
    match raw:
        case None:
            return "null"
        case bool():
            return "true" if raw else "false"
        case int() if abs(raw) >= 10**MAX_SHOWN:
            return f"a whole number of more than {MAX_SHOWN} digits"
        case int() | float():
            return repr(raw)
        case str():
            return shorten(json.dumps(raw))
        case list() | tuple():
            return f"a list of {len(raw)}" if raw else "an empty list"
        case dict():
            return "an object"
        case _:
            return f"a {type(raw).__name__}"
