"""Build the report page about one search."""

from __future__ import annotations

from collections.abc import Iterator

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import best_with_parent, ranked, scored_candidates, second_looks
from anetdsl.report.html_page import Section, html_page
from anetdsl.report.markup import Markup, joined, paragraph, text
from anetdsl.report.pictures import Renderer
from anetdsl.report.sections.ancestry import ancestry
from anetdsl.report.sections.candidate_tables import (
    candidates_table,
    failure_tables,
    population_table,
    second_look_table,
)
from anetdsl.report.sections.costs import cost_charts, lineage_chart
from anetdsl.report.sections.family_tree import family_tree
from anetdsl.report.sections.finals_results import finals_results
from anetdsl.report.sections.fitness import fitness_curves
from anetdsl.report.sections.networks import best_networks
from anetdsl.report.sections.summary import lead, settings_tables, summary_tiles
from anetdsl.report.sections.trajectories import weight_trajectories


def search_report(run: Run, renderer: Renderer) -> str:
    """Return the page about one run, as HTML, without the sections that would be empty."""
    return html_page(f"Search {run.name}", lead(run), list(search_sections(run, renderer)))


def _finals(run: Run) -> Markup | None:
    """Return the results of the finals, or why they cannot be read; None without finals."""
    try:
        return finals_results(run)
    except CannotRun as error:
        return paragraph(text(str(error)), class_="bad")


def search_sections(run: Run, renderer: Renderer) -> Iterator[Section]:
    """Yield the sections of the page about one run."""
    best = ranked(scored_candidates(run))
    yield Section("summary", "Summary", joined([summary_tiles(run), settings_tables(run)]))
    if (finals := _finals(run)) is not None:
        yield Section("finals", "Finals", finals)
    if best:
        yield Section("fitness", "Fitness", joined([fitness_curves(run), family_tree(run)]))
        yield Section("networks", "The best networks", best_networks(run, renderer))
        if (descendant := best_with_parent(run)) is not None:
            yield Section("lineage", "From the first ancestor", ancestry(run, descendant))
            yield Section("weights", "Edge weights", weight_trajectories(run, descendant))
        yield Section("population", "The population now", population_table(run))
        if second_looks(run):
            yield Section("confirmed", "Second trainings", second_look_table(run))
        costs = joined([cost_charts(best), lineage_chart(run)])
        yield Section("cost", "Cost and fitness", costs)
    if run.records:
        yield Section("failures", "Failures", failure_tables(run))
        yield Section("candidates", "All candidates", candidates_table(run))
