"""`anetc dashboard`: a live page about running searches and training runs."""

from __future__ import annotations

from pathlib import Path

import click

from anetc.cli.web_options import serve_pages, web_options


@click.command("dashboard")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--dot", metavar="PROGRAM", help="Graphviz program that draws the networks.")
@web_options
def command(
    runs: tuple[str, ...], dot: str | None, host: str, port: int | None, browser: bool
) -> None:
    """Show a search or a training run live in the browser; several runs side by side.

    RUN is the directory of `anetc evolve --out` or `anetc train --out`. The page of a search has
    the sections of `anetc report` and the trials that run now, with their losses. The server reads
    the run directory alone: the search may run, run on another machine that shares the directory,
    or have ended. It changes nothing. It needs `pip install 'anetdsl[web]'`, and only this machine
    can reach it unless --host is given.
    """
    from anetdsl.report.pictures import find_renderer
    from anetdsl.web.dashboard import dashboard_pages

    pages = dashboard_pages([Path(run) for run in runs], find_renderer(dot))
    serve_pages(pages, host=host, port=port, browser=browser)
