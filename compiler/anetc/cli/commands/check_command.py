"""`anetc check`: find mistakes."""

from __future__ import annotations

import click

from anetc.cli.network_input import anet_files, check_path, rendered
from anetdsl.checking import check_allowed_codes


@click.command("check")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "concise", "json"]),
    default="text",
    help="Text with carets, one line each, or JSON in the shape of the Language Server Protocol.",
)
@click.option("--allow", multiple=True, metavar="CODE", help="Leave out a warning. Repeatable.")
@click.option("--search", is_flag=True, help="Judge as the search does: more is an error.")
def command(files: tuple[str, ...], style: str, allow: tuple[str, ...], search: bool) -> None:
    """Find mistakes in FILES (folders are searched for .anet files; - is standard input).

    Exits with 0 when there is nothing to say, 1 when there is. A warning is turned off by --allow,
    or for one file by a comment in it: `# anetc: allow A602`.
    """
    codes = tuple(code for given in allow for code in given.split(","))
    check_allowed_codes(codes)
    results = [check_path(path, search=search, allow=codes) for path in anet_files(files)]
    if style == "json":
        import json

        from anetdsl.rendering.lsp import report

        pairs = [(result.source, result.diagnostics) for result in results]
        click.echo(json.dumps(report(pairs), indent=2))
    found = [diagnostic for result in results for diagnostic in result.diagnostics]
    if not found:
        return
    from anetdsl.rendering.findings import render_concise, summary

    for result in results:
        if style == "concise":
            click.echo(render_concise(result.source, result.diagnostics), nl=False)
        elif style == "text":
            click.echo(rendered(result.source, result.diagnostics), nl=False)
    if style == "text":
        click.echo(summary(found), err=True)
    raise click.exceptions.Exit(1)
