"""JSON read with care: whatever is wrong with a document is one clear error with its place."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

import attrs

from anetdsl.diagnostics import did_you_mean
from anetdsl.errors import CannotRun
from anetdsl.vocabulary import KEYWORDS, Attribute

MAX_JSON_CHARACTERS = 1 << 24
"""A `.anet` text of the largest size, as compact JSON, stays below this."""
MAX_SHOWN = 60
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class InterchangeError(CannotRun):
    """A document that is no network. `place` is where, such as `structure[4][1][0]`, or empty."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


@attrs.frozen
class Value:
    """A value of a JSON document and its place in it."""

    raw: object
    place: str = ""

    def fail(self, message: str) -> NoReturn:
        """Raise InterchangeError for this place."""
        raise InterchangeError(message, self.place)

    def expected(self, wanted: str) -> NoReturn:
        """Raise InterchangeError that says what was wanted and what came."""
        self.fail(f"expected {wanted}, not {describe(self.raw)}")

    def items(self, wanted: str = "a list") -> list[Value]:
        """The items of a list."""
        if not isinstance(self.raw, list | tuple):
            self.expected(wanted)
        return [Value(item, f"{self.place}[{index}]") for index, item in enumerate(self.raw)]

    def fields(
        self, required: Iterable[str] = (), optional: Iterable[str] = ()
    ) -> dict[str, Value]:
        """The fields of an object, the required ones all there and no unknown ones."""
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

    def entries(self) -> dict[str, Value]:
        """The fields of an object, whatever they are called."""
        if not isinstance(self.raw, dict):
            self.expected("an object")
        for key in self.raw:
            if not isinstance(key, str):
                self.fail(f"a field's name must be a string, not {describe(key)}")
        return {key: Value(item, self._field_place(key)) for key, item in self.raw.items()}

    def _field_place(self, key: str) -> str:
        if not _NAME.fullmatch(key):
            return f"{self.place}[{shorten(json.dumps(key))}]"
        return f"{self.place}.{shorten(key)}" if self.place else shorten(key)

    def integer(self, low: float, high: float, wanted: str = "") -> int:
        """A whole number within bounds. True and 3.0 are none."""
        wanted = wanted or f"a whole number from {low:g} to {high:,.0f}"
        if not isinstance(self.raw, int) or isinstance(self.raw, bool):
            self.expected(wanted)
        if not low <= self.raw <= high:
            self.expected(wanted)
        return self.raw

    def number(self) -> float:
        """A finite number."""
        if not isinstance(self.raw, int | float) or isinstance(self.raw, bool):
            self.expected("a number")
        try:
            value = float(self.raw)
        except OverflowError:
            self.expected("a number")
        if not math.isfinite(value):
            self.expected("a finite number")
        return value

    def weight(self) -> float:
        """An edge's weight: sigmoid(w), in the open interval (0, 1)."""
        value = self.number()
        if not 0 < value < 1:
            self.expected("a weight between 0 and 1, both excluded")
        return value

    def string(self) -> str:
        """A string that can be written as UTF-8."""
        if not isinstance(self.raw, str):
            self.expected("a string")
        try:
            self.raw.encode()
        except UnicodeEncodeError:
            self.fail("the string holds half of a surrogate pair, which no text file can hold")
        return self.raw

    def name(self) -> str:
        """A name as the language writes it: letters, digits and `_`, and no keyword."""
        text = self.string()
        if not is_name(text):
            self.expected("a name (letters, digits and `_`, no digit first, no keyword)")
        return text

    def new_name(self, taken: set[str]) -> str:
        """A name that is not taken; from now on it is."""
        text = self.name()
        if text in taken:
            self.fail(f"the name `{shorten(text)}` is taken already")
        taken.add(text)
        return text

    def choice(self, choices: tuple[str, ...]) -> str:
        """One of a few words."""
        if self.raw not in choices or not isinstance(self.raw, str):
            self.expected(" or ".join(f"`{choice}`" for choice in choices))
        return self.raw

    def attribute(self, attribute: Attribute) -> int:
        """The whole number of an attribute of the language, within the attribute's bounds."""
        return self.integer(attribute.low, attribute.high, attribute.expected())

    def four(self, attribute: Attribute) -> tuple[int, int, int, int]:
        """The four whole numbers of `D` or `modules`, one a level."""
        items = self.items(attribute.expected())
        if len(items) != 4:
            self.fail(f"expected {attribute.expected()}, not {len(items)} items")
        wanted = f"a whole number from {attribute.low:g} to {attribute.high:,.0f}"
        first, second, third, fourth = (
            item.integer(attribute.low, attribute.high, wanted) for item in items
        )
        return first, second, third, fourth


def parse_json(text: str) -> object:
    """The value of a JSON text. Raises InterchangeError for anything that is not strictly JSON."""
    if len(text) > MAX_JSON_CHARACTERS:
        raise InterchangeError(f"the JSON text has more than {MAX_JSON_CHARACTERS:,} characters")
    try:
        return json.loads(
            text.removeprefix("\ufeff"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_without_doubles,
        )
    except json.JSONDecodeError as error:
        raise InterchangeError(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise InterchangeError("not a network: the JSON is nested too deeply") from None
    except ValueError:  # Python's own limit on the digits of a whole number
        raise InterchangeError("not a network: a number in the JSON has too many digits") from None


def _refuse_constant(word: str) -> NoReturn:
    raise InterchangeError(f"not JSON: {word} is no number that JSON knows")


def _object_without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InterchangeError(f"the JSON names the field {shorten(json.dumps(doubled))} twice")
    return found


def is_name(text: str) -> bool:
    """Whether a text can name a network, an input or a node."""
    return _NAME.fullmatch(text) is not None and text not in KEYWORDS


def as_name(text: str) -> str:
    """A name made of any text, such as a file's: `asn-50` becomes `asn_50`."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text) or "_"
    return f"_{name}" if name[0].isdigit() or name in KEYWORDS else name


def shorten(text: str) -> str:
    """A text from outside, cut so that a message stays one readable line."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def describe(raw: object) -> str:
    """What came instead, for messages. Never the whole of something large."""
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
