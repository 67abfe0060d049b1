"""Chart the parents and children of one search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import GREY, Axis, Dot, Dots, Line, plot
from anetdsl.report.facts import (
    ScoredCandidate,
    current_population,
    lineage,
    parent_pairs,
    ranked,
    scored_candidates,
)
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, figure
from anetdsl.report.sections.fitness import candidates_axis
from anetdsl.report.wording import fitness_label

_MAX_LINES = 500
"""Number of children up to which each child has a line to its parent."""


def family_tree(run: Run) -> Markup:
    """Return the figure with a dot for each candidate and lines from parents to children.

    Candidates that left the population are dimmed. In a large search, only the ancestors of the
    population have lines. The result is empty if no candidate has a parent.
    """
    pairs = list(parent_pairs(run))
    if not pairs:
        return Markup("")
    candidates = scored_candidates(run)
    population = current_population(run)
    members = {one.name for one in population}
    children = "each of its children"
    if len(pairs) > _MAX_LINES:
        ancestors = {ancestor.name for one in population for ancestor in lineage(run, one.record)}
        pairs = [pair for pair in pairs if pair[1].name in ancestors]
        children = "those of its children that are in the population or have descendants in it"
    best = ranked(candidates)[0]
    points = {one.name: (one.number, one.fitness) for one in candidates}
    line_of_best = [points[one.name] for one in lineage(run, best.record) if one.name in points]
    chart = plot(
        [
            Line("parent to child", list(_lines(pairs)), color=GREY, dashed=False, faint=True),
            Dots(
                "left the population",
                [_dot(one) for one in candidates if one.name not in members],
                color=GREY,
                faint=True,
            ),
            Dots("in the population now", list(map(_dot, population)), color=2),
            Line("ancestors of the best", line_of_best, color=1, dashed=False),
            Dots("", [Dot(best.number, best.fitness, best.name, labelled=True)], color=1),
        ],
        title="Family tree of the search",
        description=f"The best candidate, {best.name}, is in generation {len(line_of_best)}.",
        x=candidates_axis(run),
        y=Axis(fitness_label(run.records)),
        heading=False,
        styled=False,
        width=CHART_WIDTH,
        height=400,
    )
    ancestry = (
        f"The thick line leads through {len(line_of_best)} generations to the best candidate, "
        f"{best.name}; its steps are shown below."
        if len(line_of_best) > 1
        else f"The best candidate, {best.name}, has no parent."
    )
    return figure(
        "Family tree",
        Markup(chart),
        f"Each dot is a candidate. Lines lead from each parent to {children}. {ancestry} "
        "A child with a lower fitness than its parent can still have better descendants "
        "(Figure 2).",
    )


def _dot(one: ScoredCandidate) -> Dot:
    return Dot(one.number, one.fitness, f"{one.name}: {one.estimate}")


def _lines(
    pairs: Sequence[tuple[ScoredCandidate, ScoredCandidate]],
) -> Iterator[tuple[float, float]]:
    """Yield the points of one line with gaps, which joins each parent and child."""
    for parent, child in pairs:
        yield from (
            (parent.number, parent.fitness),
            (child.number, child.fitness),
            (child.number, float("nan")),
        )
