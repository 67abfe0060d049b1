"""Text for people: replace unsafe characters, width in columns, durations, dates, amounts."""

from __future__ import annotations

import itertools
import math
import unicodedata
from datetime import UTC, datetime

_TAB = 4
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_EXACT = 600
"""Durations of at least this many seconds are rounded to whole minutes."""


def visible(text: str) -> str:
    """Replace all characters that could move the cursor, change colours or be invisible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible_char, text))


def _visible_char(char: str) -> str:
    if char == "\t":
        return " " * _TAB
    if char < " ":
        return chr(0x2400 + ord(char))  # The visible symbol of the control character.
    if char == "\x7f":
        return "\u2421"
    if char.isprintable() and unicodedata.category(char) not in ("Cf", "Co"):
        return char
    return "\ufffd"


def columns(text: str) -> int:
    """Return the number of terminal columns of `visible(text)`."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_width, visible(text)))


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):  # Combined with the character before it.
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def duration(seconds: float) -> str:
    """Format a duration with few digits.

    >>> duration(42.4), duration(187), duration(899)
    ('42 s', '3 min 7 s', '15 min')
    >>> duration(3725), duration(200_000)
    ('1 h 2 min', '2 d 7 h')
    """
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole >= _EXACT:
        whole = 60 * round(whole / 60)
    for (size, unit), (smaller, next_unit) in itertools.pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{whole} s"


def moment(seconds: float) -> str:
    """Format a point in time, given in seconds since the epoch.

    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "unknown"


def short_count(number: int) -> str:
    """Format a large number in thousands, millions or billions.

    >>> short_count(999), short_count(3070), short_count(24_510_000)
    ('999', '3.07 k', '24.51 M')
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def short_bytes(number: int) -> str:
    """Format a number of bytes in the largest unit of which there is at least one.

    >>> short_bytes(48), short_bytes(1 << 20)
    ('48 B', '1.0 MiB')
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"
