"""Draw lines and dots over two axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from anetdsl.report.charts.axes import Axis, laid_out, short_number
from anetdsl.report.charts.frame import Frame, grid
from anetdsl.report.charts.labels import labels
from anetdsl.report.charts.marks import Dots, Line
from anetdsl.report.charts.strokes import brush, dot_marks, line_marks, pen
from anetdsl.report.charts.style import SMALL, abbreviate, document, text_line, title_line, width_of
from anetdsl.report.charts.svg import element, number

_ROW = 20
"""Height of a row of the legend, in pixels."""


def plot(
    series: Sequence[Line | Dots],
    *,
    title: str,
    x: Axis,
    y: Axis,
    description: str = "",
    heading: bool = True,
    width: int = 640,
    height: int = 360,
    styled: bool = True,
) -> str:
    """Draw lines and dots, in the order of `series`; return SVG text.

    Without data, the axes are empty and the chart says so.

    Args:
        series: Lines and dots.
        title: Title for screen readers, and above the chart if `heading`.
        x: Horizontal axis.
        y: Vertical axis.
        description: Content of the chart in words, for screen readers.
        heading: Whether the title is drawn.
        width: Width in pixels.
        height: Height in pixels.
        styled: Whether the chart contains `STYLE`.
    """
    following = itertools.count()
    colors = [next(following) if mark.color is None else mark.color for mark in series]
    start = 30.0 if heading else 8.0
    legend, rows = _legend(series, colors, width, start)
    top, bottom = start + rows * _ROW + 10, height - (50.0 if x.label else 30.0)
    y_scale, y_ticks = laid_out(y, _values(series, 1), bottom, top, max(3, int(bottom - top) // 48))
    widest = max((width_of(short_number(tick), SMALL) for tick in y_ticks), default=0.0)
    left = 18 + widest + (18 if y.label else 0)
    x_scale, x_ticks = laid_out(
        x, _values(series, 0), left, width - 20, max(3, int(width - left) // 80)
    )
    frame = Frame(x_scale, y_scale)
    drawn = [
        part
        for mark, color in zip(series, colors)
        for part in (
            line_marks(mark, color, frame)
            if isinstance(mark, Line)
            else dot_marks(mark, color, frame)
        )
    ]
    return document(
        width,
        height,
        title,
        description,
        styled,
        title_line(title, width) if heading else "",
        *legend,
        *grid(frame, x, x_ticks, y, y_ticks, height - 10),
        frame.clipped(*drawn) if drawn else _no_data(frame),
        *labels(series, colors, frame),
    )


def _values(series: Sequence[Line | Dots], axis: int) -> Iterator[float]:
    """Yield all values of one axis, 0 for x and 1 for y."""
    for mark in series:
        if isinstance(mark, Dots):
            yield from ((dot.x, dot.y)[axis] for dot in mark.dots)
            if axis == 1:
                for dot in mark.dots:
                    yield from (dot.y - (dot.error or 0.0), dot.y + (dot.error or 0.0))
            continue
        yield from (point[axis] for point in mark.points)
        for x, low, high in mark.band:
            yield from ((x,), (low, high))[axis]


def _legend(
    series: Sequence[Line | Dots], colors: Sequence[int], width: int, top: float
) -> tuple[list[str], int]:
    """Return the legend and its number of rows. A chart with one named series has none."""
    named = [
        (mark, color)
        for mark, color in zip(series, colors)
        if mark.name and not (isinstance(mark, Line) and (mark.faint or mark.note))
    ]
    if len(named) < 2:
        return [], 0
    parts = []
    x, row = 14.0, 0
    for mark, color in named:
        name = abbreviate(mark.name, 40)
        wide = 33 + width_of(name, SMALL) + 16
        if x > 14 and x + wide > width:
            x, row = 14.0, row + 1
        y = top + row * _ROW
        if isinstance(mark, Line):
            sample = {**pen(mark, color), "d": f"M{number(x)} {number(y + 9)}h26"}
        else:
            sample = {**brush(mark, color), "d": f"M{number(x + 13)} {number(y + 9)}h0"}
        parts.append(element("path", sample))
        parts.append(text_line(name, x + 33, y + 13, color="faint", size=SMALL))
        x += wide
    return parts, row + 1


def _no_data(frame: Frame) -> str:
    left, top, right, bottom = frame.corners
    x, y = (left + right) / 2, (top + bottom) / 2
    return text_line("no data yet", x, y, color="faint", anchor="middle", halo=True)
