"""What `anetc evolve` shows: a live table on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from anetc.cli.network_input import is_terminal
from anetdsl.evolve.drive.search_progress import Progress
from anetdsl.terminal import duration, visible

if TYPE_CHECKING:
    from rich.table import Table

_SECONDS = 0.5
_MOST_RUNNING = 8

Show = Callable[[Progress], None]


@contextlib.contextmanager
def showing(name: str) -> Iterator[Show]:
    """A function that shows a search's progress on standard error."""
    if is_terminal(sys.stderr):
        with _live(name) as show:
            yield show
    else:
        yield _lines()


def status_text(name: str, progress: Progress, *, driven: bool) -> str:
    """What `--status` prints."""
    if progress.finished >= progress.rounds:
        state = "finished"
    elif driven:
        state = "running"
    else:
        state = f"stopped; anetc evolve --resume {name} goes on"
    lines = [f"{name}: {state}"]
    lines += [f"  {head:<13}{text}" for head, text in rows(progress) if text]
    return "\n".join(map(visible, lines))


def rows(progress: Progress) -> list[tuple[str, str]]:
    """The lines of the table."""
    running = [f"{name} ({duration(seconds)})" for name, seconds in progress.running]
    if len(running) > _MOST_RUNNING:
        running[_MOST_RUNNING:] = [f"and {len(running) - _MOST_RUNNING} more"]
    failures = [f"{name} ({failure})" for name, failure, _ in progress.failures]
    failed = str(progress.failed) + (f", last {', '.join(failures)}" if failures else "")
    return [
        ("round", f"{progress.finished} of {progress.rounds}"),
        ("best", _best(progress)),
        ("top three", "" if progress.top_three is None else f"{progress.top_three:.2f}"),
        ("running", ", ".join(running) or "none"),
        ("failed", failed if progress.failed else "none"),
        ("time left", "" if progress.left is None else f"about {duration(progress.left)}"),
    ]


def _best(progress: Progress) -> str:
    return "" if progress.best is None else f"{progress.best[1]:.2f} ({progress.best[0]})"


def _lines() -> Show:
    last = -1

    def show(progress: Progress) -> None:
        nonlocal last
        if progress.finished == last:
            return
        last = progress.finished
        parts = [f"{progress.finished}/{progress.rounds}"]
        if progress.best is not None:
            parts += [f"best {_best(progress)}", f"top three {progress.top_three:.2f}"]
        parts.append(f"running {len(progress.running)}")
        if progress.failed:
            parts.append(f"failed {progress.failed}")
        if progress.left is not None:
            parts.append(f"left {duration(progress.left)}")
        click.echo("  ".join(parts), err=True)

    return show


@contextlib.contextmanager
def _live(name: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    shown = 0.0
    with Live(console=Console(stderr=True), auto_refresh=False) as live:

        def show(progress: Progress) -> None:
            nonlocal shown
            is_end = progress.finished >= progress.rounds
            if is_end or time.monotonic() - shown > _SECONDS:
                shown = time.monotonic()
                live.update(_table(name, progress), refresh=True)

        yield show


def _table(name: str, progress: Progress) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED, show_header=False, title=Text(visible(name)))
    for head, text in rows(progress):
        table.add_row(head, Text(visible(text)))
    return table
