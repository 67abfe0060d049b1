"""Display the progress of `anetc evolve`: a table on a terminal, elsewhere a line per change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from anetc.cli.progress import open_display, progress_table, status_lines
from anetdsl.evolve.drive.search_progress import Progress
from anetdsl.terminal import duration

_MOST_RUNNING = 8

Display = Callable[[Progress], None]


@contextlib.contextmanager
def progress_display(name: str) -> Iterator[Display]:
    """Yield a function that displays the progress of a search."""
    with open_display(name, keep=True) as display:
        yield lambda progress: display.update(
            partial(progress_table, name, rows(progress)), _line(progress), progress.finished
        )


def status_text(name: str, progress: Progress, *, driven: bool) -> str:
    """Return the output of `--status`."""
    if progress.finished >= progress.candidates:
        state = "finished"
    elif driven:
        state = "running"
    else:
        state = f"stopped; resume with anetc evolve --resume {name}"
    return status_lines(name, state, rows(progress, driven=driven))


def rows(progress: Progress, *, driven: bool = True) -> list[tuple[str, str]]:
    """Return the rows of the table: label and value.

    Without a driver, the trials that ran when it was killed are `interrupted`.
    """
    running = [f"{name} ({duration(seconds)})" for name, seconds in progress.running]
    if len(running) > _MOST_RUNNING:
        running[_MOST_RUNNING:] = [f"and {len(running) - _MOST_RUNNING} more"]
    failures = [f"{name} ({failure})" for name, failure, _ in progress.failures]
    failed = str(progress.failed) + (f", last {', '.join(failures)}" if failures else "")
    return [
        ("candidates", f"{progress.finished} of {progress.candidates}"),
        ("best", _best(progress)),
        ("second looks", str(progress.second_looks) if progress.second_looks else ""),
        ("top three", "" if progress.top_three is None else f"{progress.top_three:.2f}"),
        ("running" if driven or not running else "interrupted", ", ".join(running) or "none"),
        ("failed", failed if progress.failed else "none"),
        (
            "time left",
            "" if progress.seconds_left is None else f"about {duration(progress.seconds_left)}",
        ),
    ]


def _best(progress: Progress) -> str:
    if progress.best is None:
        return ""
    name, fitness = progress.best
    trainings = f", {fitness.trainings} trainings" if fitness.trainings > 1 else ""
    return f"{fitness} ({name}{trainings})"


def _line(progress: Progress) -> str:
    parts = [f"{progress.finished}/{progress.candidates}"]
    if progress.best is not None:
        parts += [f"best {_best(progress)}", f"top three {progress.top_three:.2f}"]
    parts.append(f"running {len(progress.running)}")
    if progress.failed:
        parts.append(f"failed {progress.failed}")
    if progress.seconds_left is not None:
        parts.append(f"left {duration(progress.seconds_left)}")
    return "  ".join(parts)
