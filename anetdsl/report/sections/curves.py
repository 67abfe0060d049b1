"""Fitness over the rounds of one search (Figure 4), and how candidates descend."""

from __future__ import annotations

from collections.abc import Iterable

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import Axis, Dot, Dots, Line, plot
from anetdsl.report.facts import (
    Curve,
    Judged,
    alive,
    best_curve,
    descents,
    judged,
    lineage,
    ranked,
    top_three_curve,
)
from anetdsl.report.markup import Markup, figure, joined
from anetdsl.report.words import fitness_label

GREY = 5
"""Of the palette: for the crowd behind what matters."""
_MOST_LINES = 500


def fitness_chart(run: Run, *, alone: bool) -> str:
    """Fitness over the rounds, SVG: standing `alone`, with its heading, or within a page."""
    three, best = top_three_curve(run), best_curve(run)
    crowd = [Dot(one.round, one.fitness, f"{one.name}: {one.fitness:.2f}") for one in judged(run)]
    return plot(
        [
            Dots("a candidate", crowd, color=GREY, faint=True),
            Line("best so far", best, color=1, stepped=True),
            Line("mean of the top three", three, color=0, dashed=False, stepped=True),
        ],
        title="Fitness over the rounds of the search",
        description=_said(best, three),
        x=_rounds(run),
        y=Axis(fitness_label(run.records)),
        heading=alone,
        styled=alone,
        width=960,
    )


def fitness_curves(run: Run) -> Markup:
    """The search's curve, and its family tree where there is one."""
    first = min(run.settings.population, run.settings.rounds)
    drawn = (
        "Each candidate is drawn at random, without a parent."
        if run.settings.method == "random"
        else f"The first {first} candidates are drawn at random."
    )
    parts = [
        figure(
            "Fitness over rounds",
            Markup(fitness_chart(run, alone=False)),
            "The mean fitness of the three best candidates so far, as in Figure 4 of the paper, "
            f"and the best one's, after each candidate; dots are the candidates. {drawn}",
        )
    ]
    if pairs := list(descents(run)):
        parts.append(_family_tree(run, pairs))
    return joined(parts)


def _rounds(run: Run) -> Axis:
    """The axis of a search's rounds, also of those to come."""
    last = max(run.settings.rounds, *(record.index + 1 for record in run.records), 1)
    return Axis("round (candidates, in order)", whole=True, low=0, high=last)


def _said(best: Curve, three: Curve) -> str:
    """The chart in words."""
    if not best:
        return "There is no candidate with a fitness yet."
    told = f"The best fitness rises from {best[0][1]:.2f} to {best[-1][1]:.2f}"
    if not three:
        return f"{told}."
    return f"{told}; the mean of the top three from {three[0][1]:.2f} to {three[-1][1]:.2f}."


def _family_tree(run: Run, pairs: list[tuple[Judged, Judged]]) -> Markup:
    """Who descends from whom: a line from each parent to each child, or to those that matter."""
    candidates = judged(run)
    places = {one.name: (one.round, one.fitness) for one in candidates}
    which = "each of its children"
    if len(pairs) > _MOST_LINES:
        living = {ancestor.name for one in alive(run) for ancestor in lineage(run, one.record)}
        pairs = [pair for pair in pairs if pair[1].name in living]
        which = "its children, of those that are alive or have descendants who are"
    winner = ranked(candidates)[0]
    chain = [places[one.name] for one in lineage(run, winner.record) if one.name in places]
    now = [Dot(one.round, one.fitness, one.name) for one in alive(run)]
    told = [Dot(winner.round, winner.fitness, winner.name, labelled=True)]
    chart = plot(
        [
            Line(
                "parent to child",
                list(_links((p.round, p.fitness, c.round, c.fitness) for p, c in pairs)),
                color=GREY,
                dashed=False,
                faint=True,
            ),
            Dots("alive now", now, color=2),
            Line("line of the best", chain, color=1, dashed=False),
            Dots("", told, color=1),
        ],
        title="Family tree of the search",
        description=f"The best candidate, {winner.name}, stands in generation {len(chain)}.",
        x=_rounds(run),
        y=Axis(fitness_label(run.records)),
        heading=False,
        styled=False,
        width=960,
        height=400,
    )
    led = (
        f"The thick line leads to the best candidate, {winner.name}, through {len(chain)} "
        "generations: its steps stand below."
        if len(chain) > 1
        else f"The best candidate, {winner.name}, has no parent."
    )
    return figure(
        "Family tree",
        Markup(chart),
        f"A line from each parent to {which}. {led} "
        "A child may be worse than its parent and still found a better line (Figure 2).",
    )


def _links(
    pairs: Iterable[tuple[int, float, int, float]],
) -> Iterable[tuple[float, float]]:
    """One interrupted line through many pairs of points."""
    for x0, y0, x1, y1 in pairs:
        yield from ((x0, y0), (x1, y1), (x1, float("nan")))
