"""The pages of `anetc dashboard`: one run, or several runs side by side."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.report.comparison_report import comparison_sections
from anetdsl.report.facts import ranked, scored_candidates, top_three_curve
from anetdsl.report.html_page import Section
from anetdsl.report.markup import Markup, joined, paragraph, tag, text
from anetdsl.report.pictures import Renderer
from anetdsl.report.run_groups import groups_of
from anetdsl.web.live_source import LiveContent, LiveSource
from anetdsl.web.run_sources import (
    SearchSource,
    TrainingSource,
    is_complete,
    is_driven_now,
    source_of,
)


def dashboard_pages(paths: Sequence[Path], renderer: Renderer) -> Mapping[str, LiveSource]:
    """Return the pages about runs: one page about one run; else an overview and a page for each.

    Raises CannotRun if a path holds neither a search nor a training run, or a run is given twice.
    """
    seen: dict[Path, Path] = {}
    sources = []
    for path in paths:
        if path.resolve() in seen:
            raise CannotRun(f"{path}: this is the same run as {seen[path.resolve()]}")
        seen[path.resolve()] = path
        sources.append(source_of(path, renderer))
    if len(sources) == 1:
        return {"": sources[0]}
    pages: dict[str, LiveSource] = {"": OverviewSource(tuple(sources), renderer)}
    return pages | {f"run/{number}": source for number, source in enumerate(sources, 1)}


@attrs.frozen
class OverviewSource:
    """Source of the page that compares several runs and links to the page of each."""

    runs: tuple[SearchSource | TrainingSource, ...]
    renderer: Renderer

    def token(self) -> Hashable:
        """Return the states of all runs."""
        return tuple(source.token() for source in self.runs)

    def content(self) -> LiveContent:
        """Return the state of each run, and the sections that compare the searches."""
        entries, searches, problems = [], [], []
        labels = _labels([source.path for source in self.runs])
        for number, (source, label) in enumerate(zip(self.runs, labels), 1):
            if isinstance(source, TrainingSource):
                entries.append(_entry(number, f"Training {label}", source.content().lead))
                continue
            try:
                run = read_run(source.path)
            except (CannotRun, OSError) as error:
                problems.append(paragraph(text(str(error)), class_="bad"))
                continue
            searches.append(run)
            entries.append(_entry(number, label, text(_state(run))))
        count = paragraph(text(f"{len(self.runs)} runs."))
        return LiveContent(
            "Runs", joined([count, *problems]), tuple(self._sections(entries, searches))
        )

    def _sections(self, entries: Sequence[Markup], searches: Sequence[Run]) -> Iterator[Section]:
        yield Section("runs", "Runs", tag("dl", *entries))
        if searches:
            yield from comparison_sections(groups_of(searches), self.renderer)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the name of the directory of each run; its path where names are equal."""
    names = [path.absolute().name for path in paths]
    return [str(p) if names.count(name) > 1 else name for p, name in zip(paths, names)]


def _entry(number: int, name: str, state: Markup) -> Markup:
    """Return the entry of a run in the list: its link and its state."""
    link = tag("a", text(name), href=f"/run/{number}")
    return joined([tag("dt", link), tag("dd", state)])


def _state(run: Run) -> str:
    """Describe the state of a search."""
    finished = sum(record.status in ("done", "failed") for record in run.records)
    running = sum(record.status == "running" for record in run.records)
    words = [
        f"{run.settings.method}, seed {run.settings.seed}",
        f"{finished:,} of {run.settings.candidates:,} candidates",
    ]
    driven = is_driven_now(RunDir(run.path))
    if running:
        words.append(f"{running} {'in training' if driven else 'interrupted'}")
    if best := ranked(scored_candidates(run)):
        words.append(f"best {best[0].fitness:.2f}")
    if three := top_three_curve(run):
        words.append(f"mean of the top three {three[-1][1]:.2f}")
    if not is_complete(run) and not driven:
        words.append("no driver at work")
    return ", ".join(words)
