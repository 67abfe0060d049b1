"""`anetc report`: one page about a search, or about several compared."""

from __future__ import annotations

from pathlib import Path

import click

from anetdsl.errors import CannotRun
from anetdsl.terminal import visible


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Where to; by default report.html within RUN, or here for several runs.",
)
@click.option("--dot", metavar="PROGRAM", help="The Graphviz program to draw networks with.")
def command(runs: tuple[str, ...], output: str | None, dot: str | None) -> None:
    """Write one HTML page about the search in the run directory RUN.

    The page holds the figures of the paper for this search: fitness over the rounds, the line of
    descent to the best network, the best networks with their learned weights. It loads nothing from
    elsewhere. Several runs are compared: those that differ in their seeds alone are drawn as one
    curve with its spread. A search that is still going on can be reported at any time. A PATH that
    ends in .svg gets the curves alone, as a picture.
    """
    from anetdsl.evolve.drive.run_reader import read_run
    from anetdsl.report.pages import write_report

    if output == "-":
        raise CannotRun("-: a report is a page for a browser; name a file with -o")
    if output is None:
        output = str(Path(runs[0], "report.html")) if len(runs) == 1 else "report.html"
    write_report([read_run(run) for run in runs], output, dot=dot)
    click.echo(f"wrote {visible(output)}", err=True)
