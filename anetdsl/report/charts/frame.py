"""The frame of a chart: where its axes stand, its grid, its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from anetdsl.report.charts.axes import Axis, Scale, short_number
from anetdsl.report.charts.style import SMALL, stroke, words
from anetdsl.report.charts.svg import element, number

Place = tuple[float, float]
"""A point of the drawing."""


@attrs.frozen
class Frame:
    """The two axes of a chart."""

    x: Scale
    y: Scale

    def place(self, x: float, y: float) -> Place | None:
        """Where a point of the data stands; None if it has no place on the axes."""
        return (self.x(x), self.y(y)) if self.x.holds(x) and self.y.holds(y) else None

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.x.start, self.y.end, self.x.end, self.y.start

    def clipped(self, *content: str) -> str:
        """Content of which only what is within the axes is seen, and a stroke's width beyond."""
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
    """Lines and numbers at the ticks, and the axes' labels; `foot` is where that of x stands."""
    left, top, right, bottom = frame.corners
    for tick in ticks_y:
        at = frame.y(tick)
        line = f"M{number(left)} {number(at)}H{number(right)}"
        yield element("path", {**stroke("grid"), "d": line})
        yield words(short_number(tick), left - 7, at + 4, color="faint", anchor="end", size=SMALL)
    for tick in ticks_x:
        at = frame.x(tick)
        line = f"M{number(at)} {number(bottom)}V{number(top)}"
        yield element("path", {**stroke("grid"), "d": line})
        text = short_number(tick)
        yield words(text, at, bottom + 18, color="faint", anchor="middle", size=SMALL)
    base = f"M{number(left)} {number(bottom)}H{number(right)}"
    yield element("path", {**stroke("faint", 1.2), "d": base})
    if x.label:
        yield words(x.label, (left + right) / 2, foot, anchor="middle")
    if y.label:
        yield words(y.label, 16, (top + bottom) / 2, anchor="middle", turned=True)
