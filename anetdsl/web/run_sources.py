"""Sources of the pages about runs: a search, or a training run, from its directory alone.

They work while the run goes on, and after it has ended.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.lock import is_driven
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.report.html_page import Section
from anetdsl.report.markup import Markup, joined, paragraph, tag, text
from anetdsl.report.pictures import Renderer, find_renderer
from anetdsl.report.search_report import search_sections
from anetdsl.report.sections.summary import lead as report_lead
from anetdsl.report.training_page import (
    files_of,
    is_training_run,
    read_training_run,
    training_lead,
    training_sections,
)
from anetdsl.web.live_source import LiveContent, LiveSource
from anetdsl.web.running_trials import log_of, running_section, running_trials


def source_of(path: Path, renderer: Renderer | None = None) -> LiveSource:
    """Return the source of the page about a search or a training run.

    Raises CannotRun if the directory holds neither.
    """
    if is_training_run(path):
        read_training_run(path)
        return TrainingSource(path)
    read_run(path)
    return SearchSource(path, find_renderer() if renderer is None else renderer)


@attrs.define
class SearchSource:
    """Source of the page about a search. If the run cannot be read now, the last content stays."""

    path: Path
    renderer: Renderer
    _logs: tuple[Path, ...] = ()
    _last: LiveContent | None = None

    def token(self) -> Hashable:
        """Return the state of the database, the driver's lock, and the logs of running trials."""
        directory = RunDir(self.path)
        wal = directory.database.with_name(f"{directory.database.name}-wal")
        files = (directory.database, wal, *_results(directory), *self._logs)
        return is_driven_now(directory), *map(_stamp, files)

    def content(self) -> LiveContent:
        """Return the sections of the report, and the running trials."""
        title = f"Search {self.path.absolute().name}"
        try:
            run = read_run(self.path)
            trials = running_trials(run)
            self._logs = tuple(log_of(run, trial.record) for trial in trials)
            sections = list(search_sections(run, self.renderer))
        except (CannotRun, OSError) as error:
            problem = paragraph(text(f"The run cannot be read now: {error}"), class_="bad")
            old = self._last.sections if self._last is not None else ()
            return LiveContent(title, problem, old)
        running = Section("running", "Running trials", running_section(trials))
        lead = joined([report_lead(run, live=True), _driver_note(run)])
        ordered = (sections[0], running, *sections[1:])
        self._last = LiveContent(title, lead, ordered, complete=is_complete(run))
        return self._last


@attrs.define
class TrainingSource:
    """Source of the page about a training run."""

    path: Path

    def token(self) -> Hashable:
        """Return the state of the files that the page shows."""
        return tuple(map(_stamp, files_of(self.path)))

    def content(self) -> LiveContent:
        """Return the progress, the losses and the validations."""
        title = f"Training {self.path.absolute().name}"
        try:
            run = read_training_run(self.path)
        except CannotRun as error:
            return LiveContent(title, paragraph(text(str(error)), class_="bad"), ())
        sections = tuple(training_sections(run))
        return LiveContent(title, training_lead(run), sections, complete=run.finished)


def is_complete(run: Run) -> bool:
    """Return whether all candidates of a search are finished."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    return finished >= run.settings.candidates


def is_driven_now(directory: RunDir) -> bool:
    """Return whether a driver works in a run directory; False if that cannot be read."""
    try:
        return is_driven(directory)
    except (CannotRun, OSError):
        return False


def _driver_note(run: Run) -> Markup:
    """Return whether a driver works on the search, and how the search can be continued."""
    if is_driven_now(RunDir(run.path)):
        return paragraph(text("A driver works on this search now."), class_="good")
    if is_complete(run):
        return paragraph(text("This search is complete."), class_="good")
    command = tag("code", text(f"anetc evolve --resume {run.path}"))
    return paragraph(
        text("No driver works on this search. Continue it with "), command, class_="bad"
    )


def _results(directory: RunDir) -> tuple[Path, ...]:
    """Return the files beside the database whose changes the report shows."""
    finals = directory.path / "finals"
    return (finals, finals / "table.json")


def _stamp(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
