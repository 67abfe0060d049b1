"""How far long work is: a bar on a terminal, elsewhere a line now and then; on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from anetc.cli.network_input import is_terminal

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a title with so many steps; what is given is to be called after each."""
    if is_terminal(sys.stderr):
        with _bar(title, total) as advance:
            yield advance
        return
    done, said = 0, time.monotonic()

    def tell() -> None:
        nonlocal done, said
        done += 1
        if time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            click.echo(f"{title}: {done} of {total}", err=True)

    yield tell


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
