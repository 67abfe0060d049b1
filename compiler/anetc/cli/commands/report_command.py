"""`anetc report`: write an HTML page about a search, or about several searches."""

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
    help="Output file; by default RUN/report.html, for several runs report.html here.",
)
@click.option("--dot", metavar="PROGRAM", help="Graphviz program that draws the networks.")
def command(runs: tuple[str, ...], output: str | None, dot: str | None) -> None:
    """Write one HTML page about the search in the run directory RUN.

    The page shows the figures of the paper for this search: the fitness over the candidates, the
    ancestors of the best network, and the best networks with their learned weights. It is a single
    file that loads nothing. Several runs are compared: runs that differ only in their seeds are
    drawn as one curve with a band. The search may still be running. A PATH that ends in .svg
    gets only the curves, as a picture.
    """
    from anetdsl.evolve.drive.run_reader import read_run
    from anetdsl.report.pages import write_report

    if output == "-":
        raise CannotRun("-o -: a report cannot be printed; give the name of a file")
    if output is None:
        output = str(Path(runs[0], "report.html")) if len(runs) == 1 else "report.html"
    write_report([read_run(run) for run in runs], output, dot=dot)
    click.echo(f"wrote {visible(output)}", err=True)
