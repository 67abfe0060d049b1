"""The report of one run."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import judged, ranked, storyline
from anetdsl.report.markup import joined
from anetdsl.report.page import Section, page
from anetdsl.report.pictures import Artist
from anetdsl.report.sections.ancestry import ancestry
from anetdsl.report.sections.costs import cost_charts
from anetdsl.report.sections.curves import fitness_curves
from anetdsl.report.sections.lists import candidates, failures
from anetdsl.report.sections.networks import best_networks, population_table
from anetdsl.report.sections.summary import lead, settings_table, tiles
from anetdsl.report.sections.trajectories import weight_trajectories


def single_report(run: Run, artist: Artist) -> str:
    """The page about one run, HTML. Sections that would have nothing to show are left out."""
    return page(f"Search {run.name}", lead(run), list(_sections(run, artist)))


def _sections(run: Run, artist: Artist) -> Iterator[Section]:
    best = ranked(judged(run))
    yield Section("summary", "Summary", joined([tiles(run), settings_table(run)]))
    if best:
        yield Section("fitness", "Fitness", fitness_curves(run))
        yield Section("networks", "The best networks", best_networks(run, artist))
        if (told := storyline(run)) is not None:
            yield Section("lineage", "From the first ancestor", ancestry(run, told))
            yield Section("weights", "Edge weights", weight_trajectories(run, told))
        yield Section("population", "The population now", population_table(run))
        yield Section("cost", "Cost and fitness", cost_charts(best))
    if run.records:
        yield Section("failures", "Failures", failures(run))
        yield Section("candidates", "All candidates", candidates(run))
