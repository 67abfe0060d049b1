"""Progress of long work, on standard error: a live view on a terminal, plain lines elsewhere.

Library code reports progress to plain callbacks and knows nothing of terminals. The functions here
make these callbacks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

import attrs
import click

from anetc.cli.streams import is_terminal
from anetdsl.terminal import duration, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from anetc.training.run.watcher import StepReport, Watcher

_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_TRAINING_LINES = 300.0
_REFRESHES_PER_SECOND = 4.0
_BAR_COLUMNS = 24
_PARTS_OF_A_RUN = 20


class Display(Protocol):
    """Display of the progress of a command."""

    def message(self, text: str) -> None:
        """Print a line that stays."""
        ...

    def update(
        self, view: Callable[[], RenderableType], line: str = "", milestone: object = None
    ) -> None:
        """Replace the live view; elsewhere print `line` if `milestone` is new and not None.

        `view` is called at every refresh of the terminal, from another thread.
        """
        ...


@contextmanager
def open_display(title: str, *, keep: bool = False, quiet: bool = False) -> Iterator[Display]:
    """Open the display of a command. A spinner with `title` is shown until the first update.

    With `keep` the last live view stays on the terminal. With `quiet` nothing is displayed.
    """
    if quiet:
        yield _Quiet()
    elif not is_terminal(sys.stderr):
        yield _Lines()
    else:
        with _terminal_display(title, keep=keep) as display:
            yield display


def progress_table(name: str, rows: Iterable[tuple[str, str]]) -> RenderableType:
    """Return a table for a terminal: label and value of each row that has a value."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED, show_header=False, title=Text(visible(name)))
    for label, value in rows:
        if value:
            table.add_row(label, Text(visible(value)))
    return table


def status_lines(name: str, state: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return the output of `--status`: the state, then each row that has a value."""
    lines = [f"{name}: {state}"]
    lines += [f"  {label:<13}{value}" for label, value in rows if value]
    return "\n".join(map(visible, lines))


@contextmanager
def count_progress(
    title: str, total: int, *, quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Yield a function that displays the number of items done so far, of `total`.

    On a terminal it draws a bar, elsewhere it prints a line every 30 seconds.
    """
    start = time.monotonic()
    with open_display(title, quiet=quiet) as display:
        bar = _Bar(title, total, (0, start))

        def show(done: int) -> None:
            part = int((time.monotonic() - start) / _SECONDS_BETWEEN_LINES)
            display.update(bar.at(done), f"{title}: {done} of {total}", part or None)

        yield show


@contextmanager
def stage_progress() -> Iterator[Callable[[str, float | None], None]]:
    """Yield a function that takes the name of a stage: with None at its begin, then its seconds.

    Each finished stage is a line; a terminal also shows the current stage.
    """
    with open_display("") as display:

        def show(stage: str, seconds: float | None) -> None:
            if seconds is None:
                display.update(partial(_spinner, stage))
            else:
                display.message(f"{stage:<24} {seconds:7.2f} s")

        yield show


_WORTH_REPORTING = 0.1
"""Fraction of a run's time spent waiting for clips from which it is displayed."""


@contextmanager
def training_progress(*, quiet: bool = False) -> Iterator[Watcher]:
    """Yield a watcher of a training run.

    It draws a bar on a terminal. Elsewhere it prints a line for each twentieth of the run, and one
    every five minutes.
    """
    with open_display("training", keep=True, quiet=quiet) as display:
        yield _TrainingDisplay(display)


class _TrainingDisplay:
    def __init__(self, display: Display) -> None:
        self.message = display.message
        self._display = display
        self._start = time.monotonic()
        self._bar: _Bar | None = None

    def steps_done(self, report: StepReport) -> None:
        done, total = report.done, report.iterations
        self._bar = self._bar or _Bar("", total)
        loss, speed = f"loss {report.loss:.4f}", _speed(report)
        rate = f"learning rate {report.learning_rate:.3g}"
        line = f"{done:>{len(str(total))}}/{total}  {loss}  {rate}  {speed}"
        passed = time.monotonic() - self._start
        milestone = (_PARTS_OF_A_RUN * done // total, int(passed / _SECONDS_BETWEEN_TRAINING_LINES))
        self._display.update(self._bar.at(done, loss, speed), line, milestone)


def _speed(report: StepReport) -> str:
    """Return the speed of the last steps, and how much of the time is lost, if it is a tenth."""
    found = f"{report.clips_per_second:.1f} clips/s"
    if report.waiting is not None and report.waiting >= _WORTH_REPORTING:
        found += f", {100 * report.waiting:.0f} % waiting for clips"
    if report.mfu is not None:
        found += f", MFU {100 * report.mfu:.0f} %"
    return found


def print_line(text: str) -> None:
    """Print a line on standard error."""
    click.echo(visible(text), err=True)


class _Quiet:
    def message(self, text: str) -> None:
        pass

    def update(
        self, view: Callable[[], RenderableType], line: str = "", milestone: object = None
    ) -> None:
        pass


class _Lines:
    def __init__(self) -> None:
        self._milestone: object = None

    def message(self, text: str) -> None:
        print_line(text)

    def update(
        self, view: Callable[[], RenderableType], line: str = "", milestone: object = None
    ) -> None:
        if milestone is not None and milestone != self._milestone:
            self._milestone = milestone
            self.message(line)


class _Terminal:
    def __init__(self, console: Console, title: str) -> None:
        self.view: Callable[[], RenderableType] = partial(_spinner, title)
        self._console = console

    def message(self, text: str) -> None:
        self._console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    def update(
        self, view: Callable[[], RenderableType], line: str = "", milestone: object = None
    ) -> None:
        self.view = view


@contextmanager
def _terminal_display(title: str, *, keep: bool) -> Iterator[Display]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr)
    display = _Terminal(console, title)
    with Live(
        console=console,
        get_renderable=lambda: display.view(),
        transient=not keep,
        refresh_per_second=_REFRESHES_PER_SECOND,
        redirect_stdout=False,  # results may go to a file meanwhile
    ):
        yield display


@attrs.define
class _Bar:
    """A bar with a count, figures and the time left."""

    title: str
    total: int
    first: tuple[int, float] | None = None
    """Count and time of the first update; the time left is estimated from there."""

    def at(self, done: int, *figures: str) -> Callable[[], RenderableType]:
        """Return the view of a state."""
        now = time.monotonic()
        if self.first is None:
            self.first = (done, now)
        begun, start = self.first
        left = ""
        if done > begun:
            left = f"{duration((now - start) * (self.total - done) / (done - begun))} left"
        return partial(self._draw, done, *figures, left)

    def _draw(self, done: int, *figures: str) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(total=self.total, completed=done, width=_BAR_COLUMNS)
        texts = [Text(text) for text in (f"{done}/{self.total}", *figures) if text]
        grid = Table.grid(padding=(0, 2))
        grid.add_row(*([Text(self.title)] if self.title else []), bar, *texts)
        return grid


@cache  # the same spinner at each refresh, so that it turns
def _spinner(text: str) -> RenderableType:
    from rich.spinner import Spinner
    from rich.text import Text

    return Spinner("dots", Text(text))
