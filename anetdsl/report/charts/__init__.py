"""Charts as SVG text, by small pure functions that need nothing but Python.

    from anetdsl.report.charts import Axis, Dot, Dots, Line, heat_map, plot

Curves, with a band of spread around them:

    plot(
        [Line("guided", [(0, 41.0), (1, 44.5)], band=[(0, 39.0, 43.0), (1, 42.0, 47.0)])],
        title="Fitness over rounds", x=Axis("round", whole=True), y=Axis("fitness, %"),
    )

Points and lines over axes that may be logarithmic, such as a roofline:

    plot(
        [
            Line("roof", [(0.1, 2e9), (5.0, 1e11), (1e3, 1e11)], note="peak 100 GFLOP/s"),
            Dots("blocks", [Dot(12.5, 4.2e10, "n7", labelled=True)]),
        ],
        title="Roofline", x=Axis("FLOP per byte", log=True), y=Axis("FLOP/s", log=True),
    )

A matrix as shades of one colour, such as a confusion matrix, its rows divided by their sums; None
is a cell without a value:

    heat_map([[0.9, 0.1], [0.3, 0.7]], rows=["jog", "walk"], columns=["jog", "walk"],
             title="Confusion", x_label="predicted", y_label="true")

Each gives one `<svg>` that stands alone in a file or in a page: it follows the reader's light or
dark scheme. A page that holds several writes `STYLE` once and makes them with `styled=False`; it
may set the variables that `STYLE` names. Series differ by colour (distinct to the colour-blind) and
also by dashes and shapes. Titles and descriptions are there for screen readers. All texts are
escaped; numbers that are not finite leave a gap. The same arguments give the same text.
"""

from __future__ import annotations

from anetdsl.report.charts.axes import Axis, short_number
from anetdsl.report.charts.heat import heat_map
from anetdsl.report.charts.marks import Dot, Dots, Line
from anetdsl.report.charts.plots import plot
from anetdsl.report.charts.style import STYLE
from anetdsl.report.charts.svg import element, escaped

__all__ = [
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
