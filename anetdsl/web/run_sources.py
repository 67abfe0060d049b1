"""Sources of the pages about runs: a search, or a training run, from its directory alone.

They work while the run goes on, and after it has ended.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.lock import is_driven
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.locks import is_locked
from anetdsl.report.html_page import Section
from anetdsl.report.markup import Markup, joined, paragraph, tag, text
from anetdsl.report.pictures import Renderer, find_renderer
from anetdsl.report.search_report import search_sections
from anetdsl.report.sections.summary import lead as report_lead
from anetdsl.report.training_page import (
    TrainingRun,
    files_of,
    is_training_run,
    read_training_run,
    training_lead,
    training_sections,
)
from anetdsl.web.live_source import LiveContent
from anetdsl.web.running_trials import log_of, running_section, running_trials


def source_of(path: Path, renderer: Renderer | None = None) -> SearchSource | TrainingSource:
    """Return the source of the page about a search or a training run.

    Raises CannotRun if the directory holds neither.
    """
    if is_training_run(path):
        read_training_run(path)
        return TrainingSource(path)
    directory = RunDir(path)
    if path.is_dir() and not any(map(os.path.lexists, (directory.database, directory.settings))):
        raise CannotRun(
            f"{path}: contains neither a search (search.db) nor a training run (run.json)"
        )
    read_run(path)
    return SearchSource(path, find_renderer() if renderer is None else renderer)


@attrs.define
class SearchSource:
    """Source of the page about a search. What cannot be read now stays as it was."""

    path: Path
    renderer: Renderer
    _logs: tuple[Path, ...] = ()
    _last: LiveContent | None = None

    def token(self) -> Hashable:
        """Return the state of the database, the driver's lock, and the logs of running trials."""
        directory = RunDir(self.path)
        files = (directory.database, directory.write_ahead_log, *_results(directory), *self._logs)
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
            return _unreadable(title, error, self._last)
        driven = is_driven_now(RunDir(run.path))
        running = Section("running", "Running trials", running_section(trials, driven=driven))
        lead = joined([report_lead(run, driven=driven), _driver_note(run, driven=driven)])
        ordered = (sections[0], running, *sections[1:])
        self._last = LiveContent(title, lead, ordered, complete=is_complete(run))
        return self._last


@attrs.define
class TrainingSource:
    """Source of the page about a training run. What cannot be read now stays as it was."""

    path: Path
    _last: LiveContent | None = None

    def token(self) -> Hashable:
        """Return the state of the files that the page shows, and of the lock."""
        return is_trained_now(self.path), *map(_stamp, files_of(self.path))

    def content(self) -> LiveContent:
        """Return the progress, the losses and the validations."""
        title = f"Training {self.path.absolute().name}"
        try:
            run = read_training_run(self.path)
        except CannotRun as error:
            return _unreadable(title, error, self._last)
        lead = joined([training_lead(run), *_process_note(run)])
        sections = tuple(training_sections(run))
        self._last = LiveContent(title, lead, sections, complete=run.finished)
        return self._last


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


def is_trained_now(path: Path) -> bool:
    """Return whether a process trains in the folder of a run; False if that cannot be read."""
    try:
        return is_locked(path / "lock")
    except CannotRun:
        return False


def _unreadable(title: str, error: Exception, last: LiveContent | None) -> LiveContent:
    """Return the content for a run that cannot be read now: the problem, and the last sections."""
    problem = paragraph(text(f"The run cannot be read now: {error}"), class_="bad")
    return LiveContent(title, problem, last.sections if last is not None else ())


def _process_note(run: TrainingRun) -> list[Markup]:
    """Return whether a process trains, and how the training can be continued."""
    if run.finished:
        return []
    if is_trained_now(run.path):
        return [paragraph(text("A process trains now."), class_="good")]
    command = tag("code", text("--resume"))
    words = "No process trains here now. Continue with the same command and "
    return [paragraph(text(words), command, text("."), class_="bad")]


def _driver_note(run: Run, *, driven: bool) -> Markup:
    """Return whether a driver works on the search, and how the search can be continued."""
    if driven:
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
