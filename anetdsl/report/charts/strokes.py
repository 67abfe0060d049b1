"""Draw lines and dots within a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from anetdsl.report.charts.frame import Frame, Place
from anetdsl.report.charts.marks import Dot, Dots, Line
from anetdsl.report.charts.style import (
    DASHES,
    SERIES,
    fill,
    series_name,
    stroke,
)
from anetdsl.report.charts.svg import element, escaped, number

_T = TypeVar("_T")
_MAX_TOOLTIPS = 600
"""Number of dots up to which each dot has a tooltip; more would enlarge the file too much."""


def pen(line: Line, color: int) -> dict[str, object]:
    """Return the attributes of a line. Lines of the same colour have different dashes."""
    dashes = DASHES[(color + color // SERIES) % SERIES]
    if line.dashed is not None:
        dashes = (dashes or DASHES[1]) if line.dashed else None
    return {
        **stroke(series_name(color), 1.2 if line.faint else 2.2),
        "stroke-dasharray": dashes,
        "stroke-opacity": 0.4 if line.faint else None,
        "stroke-linejoin": "round",
    }


def brush(dots: Dots, color: int) -> dict[str, object]:
    """Return the attributes of dots, which are drawn as lines of length 0 with round ends."""
    return {
        **stroke(series_name(color), 5.5 if dots.faint else 9.0),
        "stroke-linecap": "round",
        "stroke-opacity": 0.6 if dots.faint else 0.9,
    }


def line_marks(line: Line, color: int, frame: Frame) -> Iterator[str]:
    """Yield the band of a line, then the line."""
    ends = ((frame.place(x, low), frame.place(x, high)) for x, low, high in line.band)
    for band in runs(None if low is None or high is None else (low, high) for low, high in ends):
        around = [low for low, _ in band] + [high for _, high in reversed(band)]
        area = f"M{_path(around)}Z"
        yield element("path", {**fill(series_name(color)), "fill-opacity": 0.16, "d": area})
    parts = runs(frame.place(x, y) for x, y in line.points)
    for (x, y), *others in parts:
        if not others:  # a line through one point would be invisible
            dot = {**fill(series_name(color)), "cx": x, "cy": y, "r": 3.5}
            yield element("circle", dot)
    joined = "".join(f"M{_path(run, stepped=line.stepped)}" for run in parts if len(run) > 1)
    if joined:
        title = element("title", {}, escaped(line.name)) if line.name else ""
        yield element("path", {**pen(line, color), "d": joined}, title)


def dot_marks(dots: Dots, color: int, frame: Frame) -> Iterator[str]:
    """Yield dots with their whiskers; of dots at the same place, only one is drawn."""
    places: dict[Place, Dot] = {}
    for dot in dots.dots:
        place = frame.place(dot.x, dot.y)
        if place is not None:
            places.setdefault((round(place[0], 1), round(place[1], 1)), dot)
    attributes = brush(dots, color)
    if len(places) > _MAX_TOOLTIPS:
        # Dots that differ by less than half a dot look the same.
        coarse = dict.fromkeys((round(x), round(y)) for x, y in places)
        yield element("path", {**attributes, "d": "".join(f"M{x} {y}h0" for x, y in coarse)})
        return
    if whiskers := "".join(_whiskers(dot, frame) for dot in places.values()):
        thin = {**stroke(series_name(color), 1.0), "stroke-opacity": 0.45, "d": whiskers}
        yield element("path", thin)
    for (x, y), dot in places.items():
        tooltip = element("title", {}, escaped(dot.label)) if dot.label else ""
        here = {**attributes, "d": f"M{number(x)} {number(y)}h0"}
        yield element("path", here, tooltip)


def _whiskers(dot: Dot, frame: Frame) -> str:
    """Return the path of the line from the lowest to the highest value of a dot."""
    if not dot.error:
        return ""
    ends = [frame.place(dot.x, dot.y + sign * dot.error) for sign in (-1, 1)]
    if ends[0] is None or ends[1] is None:
        return ""
    (x, low), (_, high) = ends[0], ends[1]
    caps = "".join(f"M{number(x - 2.5)} {number(y)}h5" for y in (low, high))
    return f"M{number(x)} {number(low)}V{number(high)}{caps}"


def runs(places: Iterable[_T | None]) -> list[list[_T]]:
    """Split places at None into runs without None."""
    found: list[list[_T]] = [[]]
    for place in places:
        if place is None:
            found.append([])
        else:
            found[-1].append(place)
    return [run for run in found if run]


def _path(places: Sequence[Place], *, stepped: bool = False) -> str:
    """Return the data of a path without its first letter; steps go right, then up or down."""
    steps = [f"{number(places[0][0])} {number(places[0][1])}"]
    for x, y in places[1:]:
        steps.append(f"H{number(x)}V{number(y)}" if stepped else f"L{number(x)} {number(y)}")
    return "".join(steps)
