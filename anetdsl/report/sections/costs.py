"""What candidates cost against what they achieve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anetdsl.report.charts import Axis, Dot, Dots, Line, plot
from anetdsl.report.facts import Judged, cheapest
from anetdsl.report.markup import Markup, figure, tag
from anetdsl.report.sections.curves import GREY
from anetdsl.report.words import amount, fitness_label

_COSTS = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds of a clip",
}


def cost_charts(candidates: Sequence[Judged]) -> Markup:
    """Parameters and multiply-adds against fitness, each with its Pareto front."""
    return tag("div", *(_one(candidates, cost) for cost in _COSTS), class_="pair")


def _one(candidates: Sequence[Judged], cost: str) -> Markup:
    front = cheapest(candidates, cost)
    steps = Line(
        "Pareto front",
        [(getattr(one.record, cost), one.fitness) for one in front],
        color=1,
        dashed=False,
        stepped=True,
    )
    chart = plot(
        [
            _dots("a candidate", candidates, cost),
            steps,
            Dots(
                "",
                [_dot(one, cost, labelled=True) for one in front],
                color=1,
            ),
        ],
        title=f"Fitness against {_COSTS[cost]}",
        description="The Pareto front: " + ", ".join(one.name for one in front),
        x=Axis(_COSTS[cost], log=True),
        y=Axis(fitness_label(one.record for one in candidates)),
        heading=False,
        styled=False,
        width=540,
    )
    return figure(
        f"Fitness against {_COSTS[cost]}",
        Markup(chart),
        "On the Pareto front no other candidate is both as cheap and better.",
    )


def compared_costs(groups: Mapping[str, Sequence[Judged]]) -> Markup:
    """The candidates of several methods, in their colours."""
    charts = []
    for cost, label in _COSTS.items():
        chart = plot(
            [
                Dots(name, [_dot(one, cost) for one in candidates], color=color, faint=True)
                for color, (name, candidates) in enumerate(groups.items())
            ]
            + [
                Line(
                    "",
                    [
                        (getattr(one.record, cost), one.fitness)
                        for one in cheapest(candidates, cost)
                    ],
                    color=color,
                    stepped=True,
                )
                for color, candidates in enumerate(groups.values())
            ],
            title=f"Fitness against {label}",
            x=Axis(label, log=True),
            y=Axis(fitness_label(one.record for some in groups.values() for one in some)),
            heading=False,
            styled=False,
            width=540,
        )
        caption = "Every candidate of every run; lines are the methods' Pareto fronts."
        charts.append(figure(f"Fitness against {label}", Markup(chart), caption))
    return tag("div", *charts, class_="pair")


def _dots(name: str, candidates: Sequence[Judged], cost: str) -> Dots:
    return Dots(name, [_dot(one, cost) for one in candidates], color=GREY, faint=True)


def _dot(one: Judged, cost: str, *, labelled: bool = False) -> Dot:
    value = getattr(one.record, cost)
    told = one.name if labelled else f"{one.name}: {one.fitness:.2f}, {amount(value)}"
    return Dot(float("nan") if value is None else value, one.fitness, told, labelled)
