"""Display the finals of a search: the comparison of its best networks, and the test."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.finals_driver import read_standings
from anetdsl.evolve.finals.finals_table import (
    MEASURES,
    ORIGINS,
    SAME_SPLIT,
    comparison_caption,
    comparison_rows,
    finals_lead,
    optional_interval,
    remarks,
    test_rows,
)
from anetdsl.evolve.finals.plan import read_plan
from anetdsl.evolve.finals.standings import Standing, Standings
from anetdsl.report.charts import GREY, Axis, Dot, Dots, Line, plot
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, TableColumn, figure, joined, paragraph, table, tag, text

_ASIDE = 0.08
"""Distance of the trainings from the interval, in places."""


def finals_results(run: Run) -> Markup | None:
    """Return the tables and the chart of a search's finals; None if they have not begun.

    Raise CannotRun if their plan cannot be read.
    """
    directory = FinalsDir.of(run.path)
    plan = read_plan(directory)
    if plan is None:
        return None
    standings = read_standings(directory, plan)
    parts = [paragraph(text(" ".join(finals_lead(standings))))]
    if any(one.seeds for one in standings.validation):
        parts += [_chart(standings), _table(*comparison_rows(standings), comparison_caption(plan))]
    if standings.test or standings.full_test:
        caption = f"The {plan.test_split} split, evaluated once, at the end."
        if plan.test_split == plan.split:
            caption += f" {SAME_SPLIT}"
        parts.append(_table(*test_rows(standings), caption))
    if notes := remarks(standings):
        parts.append(tag("ul", *(tag("li", text(note)) for note in notes)))
    return joined(parts)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Markup:
    return table([TableColumn(name) for name in heading], rows, caption=caption, sortable=False)


def _chart(standings: Standings) -> Markup:
    """Return the chart of the comparison: trainings, means and intervals by network."""
    measure = standings.headline
    ranked = [one for one in standings.validation if one.measures.get(measure)]
    trainings = [
        Dot(place - _ASIDE, value, f"{one.network}, seed {seed}: {value:.2f}")
        for place, one in enumerate(ranked, 1)
        for seed, value in zip(one.seeds, one.measures[measure])
    ]
    series: list[Line | Dots] = [Dots("a training", trainings, color=GREY, faint=True)]
    for color, (origin, name) in enumerate(ORIGINS.items()):
        own = [
            (place, one)
            for place, one in enumerate(ranked, 1)
            if standings.plan.contestant(one.network).origin == origin
        ]
        series += [_interval(place, one, measure, color) for place, one in own]
        if own:
            means = [_mean(place, one, measure) for place, one in own]
            series.append(Dots(f"{name}: mean, 95 % interval", means, color=color))
    chart = plot(
        series,
        title="Networks of the finals",
        description=", ".join(
            f"{one.network} {optional_interval(one.interval(measure))}" for one in ranked
        ),
        x=Axis("place in the comparison", low=0.5, high=len(ranked) + 0.9, whole=True),
        y=Axis(f"{standings.plan.split} {MEASURES[measure]}"),
        heading=False,
        styled=False,
        width=CHART_WIDTH,
    )
    return figure(
        "Networks of the finals",
        Markup(chart),
        "Each grey dot is a training with one seed. The order is that of the mean fitness.",
    )


def _interval(place: int, one: Standing, measure: str, color: int) -> Line:
    interval = one.interval(measure)
    assert interval is not None
    low, high = interval.low, interval.high
    ends = [] if low is None or high is None else [(place, low), (place, high)]
    return Line("", ends, color=color, dashed=False)


def _mean(place: int, one: Standing, measure: str) -> Dot:
    interval = one.interval(measure)
    assert interval is not None
    return Dot(place, interval.mean, one.network, labelled=True)
