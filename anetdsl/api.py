"""The main functions of the Python API: load, parse, check and format a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anetdsl.checking import check_file, check_source, network_of
from anetdsl.diagnostics import Diagnostic
from anetdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Collection

    from anetdsl.ir import Network


def load(path: str | Path) -> Network:
    """Return the network of a `.anet` file.

    Raise AnetError, whose message has every error with its place, if the file has errors. Raise
    CannotRun if the file cannot be read.
    """
    return network_of(check_file(path))


def parse(text: str, name: str = "<text>") -> Network:
    """Return the network of a `.anet` text. `name` is its name in messages. Raise AnetError."""
    return network_of(check_source(SourceFile(name, text)))


def check(
    text: str, *, name: str = "<text>", search: bool = False, allow: Collection[str] = ()
) -> tuple[Diagnostic, ...]:
    """Return all findings in a text, in reading order.

    With `search` some warnings are errors, as `anetdsl.codes` defines. `allow` has the codes of
    warnings to leave out.
    """
    return check_source(SourceFile(name, text), search=search, allow=allow).diagnostics


def format_text(text: str) -> str:
    """Return a text in canonical layout, with its comments. Raise AnetError on syntax errors."""
    from anetdsl.text.formatting import format_source

    return format_source(SourceFile("<text>", text))
