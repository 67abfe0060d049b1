"""`anetc preview`: a page that follows a file."""

from __future__ import annotations

from pathlib import Path

import click

from anetc.cli.options import classes_option, frames_option, size_option
from anetc.cli.web_options import serve_pages, web_options
from anetdsl.errors import CannotRun


@click.command("preview")
@click.argument("file")
@frames_option
@size_option
@classes_option
@click.option("--weights", is_flag=True, help="Draw edges by their learned weights.")
@click.option("--dot", metavar="PROGRAM", help="The Graphviz program that draws.")
@web_options
def command(
    file: str,
    frames: int,
    size: tuple[int, int],
    classes: int | None,
    weights: bool,
    dot: str | None,
    host: str,
    port: int | None,
    browser: bool,
) -> None:
    """Show the picture, the costs and the findings of FILE in the browser.

    The page follows the file: each time an editor saves it, the page shows the new version. While
    the text has errors, the last picture stays. The server needs `pip install 'anetdsl[web]'`, and
    only this machine can reach it unless --host is given.
    """
    from anetdsl.report.pictures import find_renderer
    from anetdsl.web.preview import Clip, PreviewSource

    path = Path(file)
    if file == "-" or not path.is_file():
        raise CannotRun(f"{file}: a preview needs a file that it can follow")
    source = PreviewSource(path, find_renderer(dot), Clip(frames, size, classes), weights)
    serve_pages({"": source}, host=host, port=port, browser=browser)
