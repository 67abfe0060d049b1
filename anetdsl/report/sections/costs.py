"""Chart the cost of candidates against their fitness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import GREY, Axis, Dot, Dots, Line, plot
from anetdsl.report.facts import (
    ScoredCandidate,
    has_inherited_steps,
    lineage_steps,
    pareto_front,
    scored_candidates,
)
from anetdsl.report.html_page import CHART_WIDTH, HALF_CHART_WIDTH
from anetdsl.report.markup import Markup, figure, tag
from anetdsl.report.wording import amount, fitness_label

_COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds of a clip",
}
"""Label of each cost."""


def cost_charts(candidates: Sequence[ScoredCandidate]) -> Markup:
    """Return figures of each cost against fitness, with the Pareto fronts."""
    return tag("div", *(_cost_figure(candidates, cost) for cost in _COSTS), class_="pair")


def lineage_chart(run: Run) -> Markup:
    """Return the figure of the training steps of lineages against fitness.

    It is empty if no candidate started from inherited weights.
    """
    if not has_inherited_steps(run):
        return Markup("")
    candidates = scored_candidates(run)
    found = ((one, lineage_steps(run, one.record)) for one in candidates)
    known = [(one, steps) for one, steps in found if steps is not None]
    chart = plot(
        [
            Dots(
                "a candidate",
                [
                    Dot(
                        steps,
                        one.fitness,
                        f"{one.name}: {one.estimate}, {steps:,} steps",
                        error=one.estimate.standard_error,
                    )
                    for one, steps in known
                ],
                color=0,
                faint=True,
            )
        ],
        title="Fitness against the training steps of the lineage",
        x=Axis("training steps, those of ancestors included", low=0),
        y=Axis(fitness_label(one.record for one in candidates)),
        heading=False,
        styled=False,
        width=CHART_WIDTH,
    )
    return figure(
        "Fitness against the training steps of the lineage",
        Markup(chart),
        "The steps of a candidate and of all ancestors whose weights it started from. If fitness "
        "rises along this axis, a part of it is the age of the lineage, and not the network: "
        "train the best networks afresh before you compare them.",
    )


def _cost_figure(candidates: Sequence[ScoredCandidate], cost: str) -> Markup:
    front = pareto_front(candidates, cost)
    chart = plot(
        [
            Dots("a candidate", [_dot(one, cost) for one in candidates], color=GREY, faint=True),
            Line("Pareto front", _steps(front, cost), color=1, dashed=False, stepped=True),
            Dots("", [_dot(one, cost, labelled=True) for one in front], color=1),
        ],
        title=f"Fitness against {_COSTS[cost]}",
        description="The Pareto front: " + ", ".join(one.name for one in front),
        x=Axis(_COSTS[cost], log=True),
        y=Axis(fitness_label(one.record for one in candidates)),
        heading=False,
        styled=False,
        width=HALF_CHART_WIDTH,
    )
    return figure(
        f"Fitness against {_COSTS[cost]}",
        Markup(chart),
        "No candidate has both a lower cost and a higher fitness than one on the Pareto front.",
    )


def compared_costs(groups: Mapping[str, Sequence[ScoredCandidate]]) -> Markup:
    """Return figures of each cost against fitness for the candidates of several methods."""
    charts = []
    for cost, label in _COSTS.items():
        chart = plot(
            [
                Dots(name, [_dot(one, cost) for one in candidates], color=color, faint=True)
                for color, (name, candidates) in enumerate(groups.items())
            ]
            + [
                Line("", _steps(pareto_front(candidates, cost), cost), color=color, stepped=True)
                for color, candidates in enumerate(groups.values())
            ],
            title=f"Fitness against {label}",
            x=Axis(label, log=True),
            y=Axis(fitness_label(one.record for some in groups.values() for one in some)),
            heading=False,
            styled=False,
            width=HALF_CHART_WIDTH,
        )
        caption = "Each dot is a candidate; the lines are the Pareto fronts of the methods."
        charts.append(figure(f"Fitness against {label}", Markup(chart), caption))
    return tag("div", *charts, class_="pair")


def _steps(front: Sequence[ScoredCandidate], cost: str) -> list[tuple[float, float]]:
    return [(getattr(one.record, cost), one.fitness) for one in front]


def _dot(one: ScoredCandidate, cost: str, *, labelled: bool = False) -> Dot:
    value = getattr(one.record, cost)
    label = one.name if labelled else f"{one.name}: {one.fitness:.2f}, {amount(value)}"
    return Dot(float("nan") if value is None else value, one.fitness, label, labelled)
