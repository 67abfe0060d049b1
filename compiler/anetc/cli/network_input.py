"""Read networks from files and from standard input (`-`), and show the findings in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from anetc.cli.streams import read_stdin, use_colour
from anetdsl.checking import Checked, check_file
from anetdsl.diagnostics import Diagnostic
from anetdsl.errors import CannotRun
from anetdsl.vocabulary import MAX_FILE_BYTES

if TYPE_CHECKING:
    from anetdsl.ir import Network
    from anetdsl.source import SourceFile

STDIN = "<stdin>"
_MAX_FINDINGS = 200


def name_and_data(path: str) -> tuple[str, bytes | None]:
    """Return the name to display for a path, and the bytes of standard input if it is `-`."""
    if path != "-":
        return path, None
    return STDIN, read_stdin(MAX_FILE_BYTES + 1)


def check_path(path: str, *, search: bool = False, allow: Collection[str] = ()) -> Checked:
    """Read and check a file or standard input. Raise CannotRun if it cannot be read."""
    if os.path.isfile(model := os.path.join(path, "model.anet")):
        raise CannotRun(f"{path}: a folder; the network of the run in it is {model}")
    name, data = name_and_data(path)
    return check_file(name, search=search, allow=allow, data=data)


def load_network(path: str) -> Network:
    """Return the network of a file or of standard input, as `require_network` does."""
    return require_network(check_path(path))


def require_network(checked: Checked) -> Network:
    """Return the network of a checked text. If it has errors, show them and exit with 1."""
    if checked.network is None:
        show_findings(checked.source, checked.errors)
        raise click.exceptions.Exit(1)
    return checked.network


def show_findings(source: SourceFile, diagnostics: Sequence[Diagnostic]) -> None:
    """Print findings with carets on standard error."""
    click.echo(render_findings(source, diagnostics, err=True), nl=False, err=True)


def render_findings(
    source: SourceFile, diagnostics: Sequence[Diagnostic], *, err: bool = False
) -> str:
    """Return findings as text with carets, at most 200 of them.

    The text is in colour if standard output (with `err`, standard error) is a terminal.
    """
    from anetdsl.rendering.findings import render_text, summary

    colour = use_colour(sys.stderr if err else sys.stdout)
    text = render_text(source, diagnostics[:_MAX_FINDINGS], colour=colour)
    if len(diagnostics) > _MAX_FINDINGS:
        text += f"... and {summary(diagnostics[_MAX_FINDINGS:])} more\n"
    return text


def anet_files(paths: Sequence[str]) -> list[str]:
    """Return the given files, and for each folder the .anet files below it, each file once.

    Raise CannotRun for a folder without .anet files.
    """
    found: list[str] = []
    for path in paths:
        if path != "-" and os.path.isdir(path):
            from pathlib import Path

            inside = sorted(str(file) for file in Path(path).rglob("*.anet") if file.is_file())
            if not inside:
                raise CannotRun(f"{path}: there is no .anet file in this folder")
            found.extend(inside)
        else:
            found.append(path)
    return list(dict.fromkeys(found))
