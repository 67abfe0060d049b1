"""Properties of the standard streams, and reading standard input."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from anetdsl.errors import CannotRun, cannot_read

if TYPE_CHECKING:
    from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal. A closed stream is None."""
    return stream is not None and stream.isatty()


def use_colour(stream: TextIO | None) -> bool:
    """Return whether to colour the output: on a terminal, unless NO_COLOR is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def read_stdin(limit: int) -> bytes:
    """Return at most `limit` bytes of standard input. Raise CannotRun if it cannot be read."""
    if sys.stdin is None:
        raise CannotRun("standard input is closed")
    try:
        return sys.stdin.buffer.read(limit)
    except OSError as error:
        raise cannot_read("standard input", error) from None
