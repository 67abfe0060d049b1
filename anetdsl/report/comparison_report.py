"""Build the report page that compares several searches (Figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import ranked, scored_candidates
from anetdsl.report.html_page import Section, html_page
from anetdsl.report.markup import joined, paragraph, text
from anetdsl.report.pictures import Renderer
from anetdsl.report.run_groups import RunGroup, groups_of
from anetdsl.report.sections.costs import compared_costs
from anetdsl.report.sections.method_curves import method_curves, run_curves
from anetdsl.report.sections.method_results import method_results, run_results
from anetdsl.report.sections.networks import network_figure


def comparison_report(runs: Sequence[Run], renderer: Renderer) -> str:
    """Return the page about several runs, as HTML."""
    groups = groups_of(runs)
    names = ", ".join(group.label for group in groups)
    lead = paragraph(text(f"{len(runs)} searches compared: {names}."))
    return html_page("Searches compared", lead, list(comparison_sections(groups, renderer)))


def comparison_sections(groups: tuple[RunGroup, ...], renderer: Renderer) -> Iterator[Section]:
    """Yield the sections of the page that compares several runs."""
    curves = joined([method_curves(groups), run_curves(groups)])
    yield Section("fitness", "Fitness over the candidates", curves)
    yield Section("finals", "Results", joined([method_results(groups), run_results(groups)]))
    scored = {
        group.name: [one for run in group.runs for one in scored_candidates(run)]
        for group in groups
    }
    if any(scored.values()):
        yield Section("cost", "Cost and fitness", compared_costs(scored))
        best = [
            network_figure(ranked(candidates)[0], renderer, group=name)
            for name, candidates in scored.items()
            if candidates
        ]
        yield Section("networks", "The best network of each method", joined(best))
