"""What the commands share: reading networks, `-` for standard input, and showing findings."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from anetdsl.checking import Checked, check_file
from anetdsl.diagnostics import Diagnostic
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.terminal import visible
from anetdsl.vocabulary import MAX_FILE_BYTES

if TYPE_CHECKING:
    from typing import TextIO

    from anetdsl.ir import Network
    from anetdsl.source import SourceFile

STDIN = "<stdin>"
_MOST_SHOWN = 200


def read_bytes(path: str) -> tuple[str, bytes | None]:
    """The name to show for a path, and standard input's bytes where the path is `-`."""
    if path != "-":
        return path, None
    return STDIN, read_stdin(MAX_FILE_BYTES + 1)


def read_stdin(most: int) -> bytes:
    """At most so many bytes of standard input. Raises CannotRun where it cannot be read."""
    if sys.stdin is None:
        raise CannotRun("standard input is closed")
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise cannot_read("standard input", error) from None


def check_path(path: str, *, search: bool = False, allow: Collection[str] = ()) -> Checked:
    """Read and check a file or standard input. Raises CannotRun when it cannot be read."""
    name, data = read_bytes(path)
    return check_file(name, search=search, allow=allow, data=data)


def load_network(path: str) -> Network:
    """The network of a file or of standard input. Errors are shown, and end the command with 1."""
    checked = check_path(path)
    if checked.network is None:
        show(checked.source, checked.errors)
        raise click.exceptions.Exit(1)
    return checked.network


def show(source: SourceFile, diagnostics: Sequence[Diagnostic]) -> None:
    """Findings in caret text on standard error."""
    click.echo(rendered(source, diagnostics, err=True), nl=False, err=True)


def rendered(source: SourceFile, diagnostics: Sequence[Diagnostic], *, err: bool = False) -> str:
    """Findings in caret text, in colour on a terminal, cut after the first few hundred."""
    from anetdsl.rendering.findings import render_text, summary

    stream = sys.stderr if err else sys.stdout
    colour = use_colour(is_terminal(stream))
    text = render_text(source, diagnostics[:_MOST_SHOWN], colour=colour)
    if len(diagnostics) > _MOST_SHOWN:
        text += f"... and {summary(diagnostics[_MOST_SHOWN:])} more\n"
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream, which is None where it was closed, is a terminal."""
    return stream is not None and stream.isatty()


def use_colour(terminal: bool) -> bool:
    """Whether to colour output: on a terminal, unless NO_COLOR is set."""
    return terminal and not os.environ.get("NO_COLOR")


def anet_files(paths: Sequence[str]) -> list[str]:
    """The given files; for a folder the .anet files below it. CannotRun where there are none."""
    found: list[str] = []
    for path in paths:
        if path != "-" and os.path.isdir(path):
            from pathlib import Path

            inside = sorted(str(file) for file in Path(path).rglob("*.anet") if file.is_file())
            if not inside:
                raise CannotRun(f"{visible(path)}: there is no .anet file in this folder")
            found.extend(inside)
        else:
            found.append(path)
    return list(dict.fromkeys(found))
