"""Chart the fitness over the candidates of several searches, by method and by run (Figure 4)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.facts import Curve, top_three_curve, value_at
from anetdsl.report.html_page import CHART_WIDTH
from anetdsl.report.markup import Markup, figure
from anetdsl.report.run_groups import RunGroup, comparison_of, groups_of
from anetdsl.report.wording import fitness_label


def methods_chart(runs: Sequence[Run], *, standalone: bool) -> str:
    """Draw a curve for each method as SVG; a `standalone` chart has a heading and its own style."""
    return _chart(groups_of(runs), standalone=standalone)


def method_curves(groups: Sequence[RunGroup]) -> Markup:
    """Return the figure with a curve for each method, and a band from its lowest to highest run."""
    compared = comparison_of(groups)
    return figure(
        "Mean of the top three, by method",
        Markup(_chart(groups, standalone=False)),
        "The mean fitness of the three best candidates so far, as in Figure 4 of the paper. "
        "Each line is the mean over the runs of a method, which differ in their seeds; the "
        "band reaches from the lowest run to the highest. The curves end after "
        f"{compared.last} candidates, {compared.runs_text}.",
    )


def run_curves(groups: Sequence[RunGroup]) -> Markup:
    """Return the figure with a curve for each run."""
    lines = [
        Line(group.name if number == 0 else "", top_three_curve(run), color=color, stepped=True)
        for color, group in enumerate(groups)
        for number, run in enumerate(group.runs)
    ]
    chart = plot(
        lines,
        title="Mean fitness of the top three over the candidates, each run",
        x=_axis(max((line.points[-1][0] for line in lines if line.points), default=1)),
        y=Axis(_fitness_label(groups)),
        heading=False,
        styled=False,
        width=CHART_WIDTH,
    )
    return figure("Each run", Markup(chart), "The same measure for each run, up to its end.")


def _chart(groups: Sequence[RunGroup], *, standalone: bool) -> str:
    compared = comparison_of(groups)
    lines = []
    for color, group in enumerate(compared.groups):
        points = spread([top_three_curve(run) for run in group.runs], compared.last)
        lines.append(
            Line(
                group.label,
                _stairs([(number, mean) for number, _, mean, _ in points]),
                band=_band(points) if len(group.runs) > 1 else (),
                color=color,
            )
        )
    return plot(
        lines,
        title="Mean fitness of the top three over the candidates, by method",
        description="; ".join(
            f"{line.name} ends at {line.points[-1][1]:.2f}" for line in lines if line.points
        ),
        x=_axis(compared.last),
        y=Axis(_fitness_label(compared.groups)),
        heading=standalone,
        styled=standalone,
        width=CHART_WIDTH,
        height=420,
    )


def spread(curves: Sequence[Curve], last: int) -> list[tuple[int, float, float, float]]:
    """Return (candidates so far, lowest, mean, highest) of curves, where one of them changes.

    The points begin at the first number that all curves have and end at `last`. Empty curves are
    left out.
    """
    curves = [curve for curve in curves if curve]
    if not curves:
        return []
    first = max(curve[0][0] for curve in curves)
    numbers = {number for curve in curves for number, _ in curve if first <= number <= last}
    points = []
    for number in sorted(numbers | ({last} if last >= first else set())):
        values = [value for curve in curves if (value := value_at(curve, number)) is not None]
        points.append((number, min(values), statistics.fmean(values), max(values)))
    return points


def _stairs(curve: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Return a curve as points of a line with steps."""
    points: list[tuple[float, float]] = []
    for number, value in curve:
        if points and points[-1][1] != value:
            points.append((number, points[-1][1]))
        points.append((number, value))
    return points


def _band(points: Sequence[tuple[int, float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the points of a band with the steps of its line."""
    band: list[tuple[float, float, float]] = []
    for number, low, _, high in points:
        if band:
            band.append((number, *band[-1][1:]))
        band.append((number, low, high))
    return band


def _axis(last: float) -> Axis:
    return Axis("candidates so far", whole=True, low=0, high=max(last, 1))


def _fitness_label(groups: Sequence[RunGroup]) -> str:
    return fitness_label(record for group in groups for run in group.runs for record in run.records)
