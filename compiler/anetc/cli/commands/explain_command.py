"""`anetc explain`: explain a code of `anetc check`."""

from __future__ import annotations

import textwrap

import click

from anetdsl.codes import CODES, Code
from anetdsl.diagnostics import Severity, did_you_mean
from anetdsl.errors import CannotRun


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain the finding CODE, such as A302. Without CODE, list all codes."""
    if code is None:
        for entry in CODES.values():
            click.echo(f"{entry.code}  {_kind(entry):<7}  {entry.title}")
        return
    found = CODES.get(code.upper())
    if found is None:
        guess = did_you_mean(code.upper(), CODES)
        hint = f"did you mean {guess}?" if guess else "`anetc explain` lists all codes"
        raise CannotRun(f"there is no code {code[:40]!r}; {hint}")
    click.echo(f"{found.code} ({_kind(found)}): {found.title}\n")
    click.echo(textwrap.fill(found.text, 88, break_on_hyphens=False))
    if found.example:
        example = found.example.encode("utf-8", "replace").decode()
        click.echo("\nFor example:\n\n" + textwrap.indent(example, "    "), nl=False)


def _kind(code: Code) -> str:
    return "error" if code.severity is Severity.ERROR else "warning"
