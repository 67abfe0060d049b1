"""The dashboard of searches: the report's sections and the running trials, live.

A dashboard reads the run directory alone, so it works while a driver runs and after it has ended.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.lock import is_driven
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.report.comparison_report import comparison_sections
from anetdsl.report.facts import ranked, scored_candidates, top_three_curve
from anetdsl.report.html_page import Section
from anetdsl.report.markup import Markup, joined, paragraph, tag, text
from anetdsl.report.pictures import Renderer
from anetdsl.report.run_groups import groups_of
from anetdsl.report.search_report import search_sections
from anetdsl.report.sections.summary import lead as report_lead
from anetdsl.web.live_source import LiveContent, LiveSource
from anetdsl.web.running_trials import log_of, running_section, running_trials


def dashboard_pages(paths: Sequence[Path], renderer: Renderer) -> Mapping[str, LiveSource]:
    """Return the pages about runs: one page about one run; else an overview and a page for each.

    Raises CannotRun if a path is no run directory, or a run is given twice.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        read_run(path)
        if path.resolve() in seen:
            raise CannotRun(f"{path}: this is the same run as {seen[path.resolve()]}")
        seen[path.resolve()] = path
    sources = [RunSource(path, renderer) for path in paths]
    if len(sources) == 1:
        return {"": sources[0]}
    pages: dict[str, LiveSource] = {"": OverviewSource(tuple(sources), renderer)}
    return pages | {f"run/{number}": source for number, source in enumerate(sources, 1)}


@attrs.define
class RunSource:
    """Source of the page about one run. If the run cannot be read now, the last content stays."""

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
        self._last = LiveContent(title, lead, (sections[0], running, *sections[1:]))
        return self._last


@attrs.frozen
class OverviewSource:
    """Source of the page that compares several runs and links to the page of each."""

    runs: tuple[RunSource, ...]
    renderer: Renderer

    def token(self) -> Hashable:
        """Return the states of all runs."""
        return tuple(source.token() for source in self.runs)

    def content(self) -> LiveContent:
        """Return the state of each run, and the sections of the comparison."""
        found: list[tuple[int, Run]] = []
        problems = []
        for number, source in enumerate(self.runs, 1):
            try:
                found.append((number, read_run(source.path)))
            except (CannotRun, OSError) as error:
                problems.append(paragraph(text(str(error)), class_="bad"))
        count = paragraph(text(f"{len(self.runs)} searches."))
        return LiveContent("Searches", joined([count, *problems]), tuple(self._sections(found)))

    def _sections(self, found: Sequence[tuple[int, Run]]) -> Iterator[Section]:
        yield Section("runs", "Runs", tag("ul", *(_entry(number, run) for number, run in found)))
        if found:
            groups = groups_of([run for _, run in found])
            yield from comparison_sections(groups, self.renderer)


def is_driven_now(directory: RunDir) -> bool:
    """Return whether a driver works in a run directory; False if that cannot be read."""
    try:
        return is_driven(directory)
    except (CannotRun, OSError):
        return False


def _entry(number: int, run: Run) -> Markup:
    """Return the list entry of a run: its link and its state."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    running = sum(record.status == "running" for record in run.records)
    words = [
        f"{run.settings.method}, seed {run.settings.seed}",
        f"{finished:,} of {run.settings.candidates:,} candidates",
    ]
    if running:
        words.append(f"{running} in training")
    if best := ranked(scored_candidates(run)):
        words.append(f"best {best[0].fitness:.2f}")
    if three := top_three_curve(run):
        words.append(f"mean of the top three {three[-1][1]:.2f}")
    if finished < run.settings.candidates and not is_driven_now(RunDir(run.path)):
        words.append("no driver at work")
    link = tag("a", text(run.name), href=f"/run/{number}")
    return tag("li", link, text(f": {', '.join(words)}"))


def _driver_note(run: Run) -> Markup:
    """Return whether a driver works on the search, and how the search can be continued."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    if is_driven_now(RunDir(run.path)):
        return paragraph(text("A driver works on this search now."), class_="good")
    if finished >= run.settings.candidates:
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
