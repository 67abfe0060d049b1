"""Draw charts as SVG text, with pure functions and without dependencies.

    from anetdsl.report.charts import Axis, Dot, Dots, Line, heat_map, plot

Curves with a band around them:

    plot(
        [Line("guided", [(0, 41.0), (1, 44.5)], band=[(0, 39.0, 43.0), (1, 42.0, 47.0)])],
        title="Fitness", x=Axis("candidates so far", whole=True), y=Axis("fitness, %"),
    )

Points and lines over linear or logarithmic axes, such as a roofline:

    plot(
        [
            Line("roof", [(0.1, 2e9), (5.0, 1e11), (1e3, 1e11)], note="peak 100 GFLOP/s"),
            Dots("blocks", [Dot(12.5, 4.2e10, "n7", labelled=True)]),
        ],
        title="Roofline", x=Axis("FLOP per byte", log=True), y=Axis("FLOP/s", log=True),
    )

A matrix as shades of one colour, such as a confusion matrix whose rows are divided by their sums;
a cell with None is empty:

    heat_map([[0.9, 0.1], [0.3, 0.7]], rows=["jog", "walk"], columns=["jog", "walk"],
             title="Confusion", x_label="predicted", y_label="true")

Each function returns one `<svg>` for a file or a page. It follows the light or dark scheme of the
reader. A page with several charts includes `STYLE` once, draws the charts with `styled=False`, and
may set the variables that `STYLE` names. Series differ in colour, also for colour-blind readers,
and in dashes and shapes. Titles and descriptions are available to screen readers. All texts are
escaped. Numbers that are not finite leave a gap. Equal arguments give equal text.
"""

from __future__ import annotations

from anetdsl.report.charts.axes import Axis, short_number
from anetdsl.report.charts.heat import heat_map
from anetdsl.report.charts.marks import GREY, Dot, Dots, Line
from anetdsl.report.charts.plots import plot
from anetdsl.report.charts.style import STYLE
from anetdsl.report.charts.svg import element, escaped

__all__ = [
    "GREY",
    "STYLE",
    "Axis",
    "Dot",
    "Dots",
    "Line",
    "element",
    "escaped",
    "heat_map",
    "plot",
    "short_number",
]
