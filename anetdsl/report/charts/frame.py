"""Draw the frame of a chart: the axes, the grid and the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from anetdsl.report.charts.axes import Axis, Scale, short_number
from anetdsl.report.charts.style import SMALL, stroke, text_line
from anetdsl.report.charts.svg import element, number

Place = tuple[float, float]
"""Coordinates of a point of the drawing."""


@attrs.frozen
class Frame:
    """Scales of the two axes of a chart."""

    x: Scale
    y: Scale

    def place(self, x: float, y: float) -> Place | None:
        """Return the coordinates of a data point; None if it cannot be drawn."""
        return (self.x(x), self.y(y)) if self.x.holds(x) and self.y.holds(y) else None

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Coordinates of the left, top, right and bottom of the frame."""
        return self.x.start, self.y.end, self.x.end, self.y.start

    def clipped(self, *content: str) -> str:
        """Clip content to the frame, plus the width of a stroke."""
        left, top, right, bottom = self.corners
        box = (left - 6, top - 6, right - left + 12, bottom - top + 12)
        attributes: dict[str, object] = {
            **dict(zip(("x", "y", "width", "height"), box)),
            "viewBox": " ".join(map(number, box)),
            "overflow": "hidden",
        }
        return element("svg", attributes, *content)


def grid(
    frame: Frame, x: Axis, ticks_x: Sequence[float], y: Axis, ticks_y: Sequence[float], foot: float
) -> Iterator[str]:
    """Yield the grid, the numbers and the labels of the axes.

    `foot` is the baseline of the label of the x axis.
    """
    left, top, right, bottom = frame.corners
    for tick in ticks_y:
        at = frame.y(tick)
        line = f"M{number(left)} {number(at)}H{number(right)}"
        yield element("path", {**stroke("grid"), "d": line})
        yield text_line(
            short_number(tick), left - 7, at + 4, color="faint", anchor="end", size=SMALL
        )
    for tick in ticks_x:
        at = frame.x(tick)
        line = f"M{number(at)} {number(bottom)}V{number(top)}"
        yield element("path", {**stroke("grid"), "d": line})
        text = short_number(tick)
        yield text_line(text, at, bottom + 18, color="faint", anchor="middle", size=SMALL)
    base = f"M{number(left)} {number(bottom)}H{number(right)}"
    yield element("path", {**stroke("faint", 1.2), "d": base})
    if x.label:
        yield text_line(x.label, (left + right) / 2, foot, anchor="middle")
    if y.label:
        yield text_line(y.label, 16, (top + bottom) / 2, anchor="middle", turned=True)
