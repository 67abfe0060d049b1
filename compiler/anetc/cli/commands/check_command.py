"""`anetc check`: find mistakes."""

from __future__ import annotations

import click

from anetc.cli.network_input import anet_files, check_path, render_findings
from anetdsl.checking import check_allowed_codes


@click.command("check")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "concise", "json"]),
    default="text",
    help="Text with carets, one line per finding, or JSON as in the Language Server Protocol.",
)
@click.option(
    "--allow", multiple=True, metavar="CODE", help="Do not report this warning. Repeatable."
)
@click.option("--search", is_flag=True, help="Check by the stricter rules of the search.")
def command(files: tuple[str, ...], style: str, allow: tuple[str, ...], search: bool) -> None:
    """Find mistakes in FILES (folders are searched for .anet files; - is standard input).

    The exit code is 0 without findings and 1 with findings. --allow turns a warning off; the
    comment `# anetc: allow A602` turns it off for the file that contains the comment.
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
            click.echo(render_findings(result.source, result.diagnostics), nl=False)
    if style == "text":
        click.echo(summary(found), err=True)
    raise click.exceptions.Exit(1)
