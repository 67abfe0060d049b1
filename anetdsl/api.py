"""The functions that most programs need: load, parse, check, format."""

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
    """The network of a `.anet` file.

    Raises AnetError, whose text shows every error with its place, when the file has errors, and
    CannotRun when it cannot be read.
    """
    return network_of(check_file(path))


def parse(text: str, name: str = "<text>") -> Network:
    """The network of a `.anet` text; `name` is what messages call it. Raises AnetError."""
    return network_of(check_source(SourceFile(name, text)))


def check(
    text: str, *, name: str = "<text>", search: bool = False, allow: Collection[str] = ()
) -> tuple[Diagnostic, ...]:
    """All findings in a text, in reading order; none when it is clean.

    `search` makes errors of what a search must not produce; `allow` holds codes of warnings to
    leave out.
    """
    return check_source(SourceFile(name, text), search=search, allow=allow).diagnostics


def format_text(text: str) -> str:
    """A text in canonical layout, comments kept. Raises AnetError where it cannot be parsed."""
    from anetdsl.text.formatting import format_source

    return format_source(SourceFile("<text>", text))
