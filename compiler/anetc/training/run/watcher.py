"""What a training run shows while it runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

import attrs
import click


@attrs.frozen
class Report:
    """How far a run is."""

    done: int
    """Steps."""
    iterations: int
    loss: float
    """The mean since the last report."""
    learning_rate: float
    clips_per_second: float


class Watcher(Protocol):
    """Who is told of a run."""

    def stepped(self, report: Report) -> None:
        """Some steps have been done."""
        ...

    def told(self, text: str) -> None:
        """Something happened that is worth a line."""
        ...


class Silent:
    """Nobody."""

    def stepped(self, report: Report) -> None:
        """Says nothing."""

    def told(self, text: str) -> None:
        """Says nothing."""


class Lines:
    """A line for each twentieth of the run, wherever `say` puts it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.told = say
        self._part = -1

    def stepped(self, report: Report) -> None:
        """Say it where another twentieth is done."""
        part = 20 * report.done // report.iterations
        if part != self._part:
            self._part = part
            self.told(
                f"{report.done:>{len(str(report.iterations))}}/{report.iterations}  "
                f"loss {report.loss:.4f}  learning rate {report.learning_rate:.3g}  "
                f"{report.clips_per_second:.1f} clips/s"
            )


@contextlib.contextmanager
def watching(*, terminal: bool) -> Iterator[Watcher]:
    """Show a run on standard error."""
    if not terminal:
        yield Lines(lambda text: click.echo(text, err=True))
        return
    with _bar() as bar:
        yield bar


@contextlib.contextmanager
def _bar() -> Iterator[Watcher]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:.1f} clips/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("", total=None, loss=float("nan"), speed=0.0)

        class Bar:
            def stepped(self, report: Report) -> None:
                progress.update(
                    task,
                    completed=report.done,
                    total=report.iterations,
                    loss=report.loss,
                    speed=report.clips_per_second,
                )

            def told(self, text: str) -> None:
                progress.console.print(text, markup=False, highlight=False)

        yield Bar()
