"""The options of the commands that serve pages, and the start of their server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetdsl.web.live_source import LiveSource

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        help="The port; 0 takes any free one. By default the first free port from 8765 on.",
    ),
    click.option("--open", "browser", is_flag=True, help="Open the page in the browser."),
)


def web_options(command: _Command) -> _Command:
    """Add --host, --port and --open to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def serve_pages(
    pages: Mapping[str, LiveSource], *, host: str, port: int | None, browser: bool
) -> None:
    """Serve pages until Ctrl-C. Raise CannotRun if the web packages are not installed."""
    try:
        from anetdsl.web.serving import serve
    except ModuleNotFoundError as error:
        raise CannotRun(
            f"the pages need {error.name}; install it with: pip install 'anetdsl[web]'"
        ) from None
    try:
        serve(
            pages,
            lambda line: click.echo(visible(line), err=True),
            host=host,
            port=port,
            browser=browser,
        )
    except KeyboardInterrupt as error:
        if type(error) is not KeyboardInterrupt:
            raise  # SIGTERM
        click.echo("stopped", err=True)
