"""Untrusted text made safe and measurable for a terminal."""

from __future__ import annotations

import unicodedata

_TAB = 4


def visible(text: str) -> str:
    """The text without anything that could move the cursor, change colours or hide itself."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible_char, text))


def _visible_char(char: str) -> str:
    if char == "\t":
        return " " * _TAB
    if char < " ":
        return chr(0x2400 + ord(char))  # a picture of the control character
    if char == "\x7f":
        return "\u2421"
    if char.isprintable() and unicodedata.category(char) not in ("Cf", "Co"):
        return char
    return "\ufffd"


def columns(text: str) -> int:
    """How many columns of a terminal `visible(text)` takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_width, visible(text)))


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):  # it stands on the character before it
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
