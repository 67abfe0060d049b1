"""Properties of the standard streams, reading standard input, and warnings on standard error."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def show_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, one per line."""
    for warning in warnings:
        click.echo(visible(f"warning: {warning}"), err=True)
