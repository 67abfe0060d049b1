"""`anetc lsp`: the language server for editors."""

from __future__ import annotations

import logging
import os
import sys

import click

import anetdsl
from anetc.cli.streams import is_terminal
from anetdsl.errors import CannotRun


@click.command("lsp")
@click.option("--stdio", is_flag=True, help="Use standard input and output, as always.")
@click.option("--verbose", is_flag=True, help="Log what happens to standard error.")
def command(stdio: bool, verbose: bool) -> None:  # noqa: ARG001 (some editors give --stdio)
    """Start the language server, which editors use for .anet files.

    It speaks the Language Server Protocol on standard input and output. An editor starts it;
    editors/README.md explains how to set editors up.
    """
    try:
        from anetdsl.language_server.server import make_server
    except ModuleNotFoundError as error:
        raise CannotRun(
            f"the language server needs {error.name}; "
            "install it with: pip install 'anetdsl[editor]'"
        ) from None
    if sys.stdin is None or sys.stdout is None:
        raise CannotRun("the language server needs standard input and output")
    if is_terminal(sys.stdin):
        click.echo("The language server waits for an editor; Ctrl-C ends it.", err=True)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.ERROR,
        format="%(name)s: %(message)s",
    )
    server = make_server(anetdsl.__version__)
    # The server closes its output at the end, but the command line still flushes standard output.
    server.start_io(stdout=os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    if not server.was_shut_down:
        raise click.exceptions.Exit(1)  # As the protocol asks for an `exit` without `shutdown`.
