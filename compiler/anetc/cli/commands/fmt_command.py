"""`anetc fmt`: write files in the canonical layout."""

from __future__ import annotations

import difflib

import click

from anetc.cli.network_input import anet_files, name_and_data, show_findings
from anetdsl.checking import Checked, read_source
from anetdsl.errors import AnetError
from anetdsl.files import write_atomically
from anetdsl.terminal import visible
from anetdsl.text.formatting import format_source


@click.command("fmt")
@click.argument("files", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", "show_diff", is_flag=True, help="Write nothing; print what would change.")
def command(files: tuple[str, ...], check: bool, show_diff: bool) -> None:
    """Write FILES in the canonical layout.

    Folders are searched for .anet files. With - standard input is formatted to standard output.
    Comments and meaning are kept: each result is parsed and compared before the file is written. A
    file with syntax errors is not changed.
    """
    findings = False
    for path in anet_files(files):
        name, data = name_and_data(path)
        source = read_source(name, data)
        if isinstance(source, Checked):
            show_findings(source.source, source.diagnostics)
            findings = True
            continue
        try:
            formatted = format_source(source)
        except AnetError as error:
            show_findings(source, error.diagnostics)
            findings = True
            continue
        changed = formatted != source.text
        if show_diff and changed:
            click.echo(_diff(name, source.text, formatted), nl=False)
        if check or show_diff:
            findings = findings or changed
            if check and changed and not show_diff:
                click.echo(f"would change {visible(name)}")
        elif path == "-":
            click.echo(formatted.encode(), nl=False)
        elif changed:
            write_atomically(path, formatted)
            click.echo(f"changed {visible(name)}", err=True)
    if findings:
        raise click.exceptions.Exit(1)


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        name,
        f"{name} (formatted)",
        lineterm="",
    )
    return "".join(visible(line) + "\n" for line in lines)
