"""How lines and dots are drawn within a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from anetdsl.report.charts.frame import Frame, Place
from anetdsl.report.charts.marks import Dot, Dots, Line
from anetdsl.report.charts.style import (
    DASHES,
    SERIES,
    SMALL,
    cut,
    fill,
    series_name,
    stroke,
    width_of,
    words,
)
from anetdsl.report.charts.svg import element, escaped, number

_T = TypeVar("_T")
_MOST_LABELS = 24
_MOST_POINTED = 600
"""So many dots tell their labels when they are pointed at; more would fill the file."""


def pen(line: Line, color: int) -> dict[str, object]:
    """The attributes of a line."""
    dashed = color % SERIES != 0 if line.dashed is None else line.dashed
    return {
        **stroke(series_name(color), 1.2 if line.faint else 2.2),
        "stroke-dasharray": (DASHES[color % SERIES] or DASHES[1]) if dashed else None,
        "stroke-opacity": 0.4 if line.faint else None,
        "stroke-linejoin": "round",
    }


def brush(dots: Dots, color: int) -> dict[str, object]:
    """The attributes of dots, which are drawn as lines without a length and with round ends."""
    return {
        **stroke(series_name(color), 5.0 if dots.faint else 9.0),
        "stroke-linecap": "round",
        "stroke-opacity": 0.45 if dots.faint else 0.9,
    }


def line_marks(line: Line, color: int, frame: Frame) -> Iterator[str]:
    """A line, its band behind it."""
    ends = ((frame.place(x, low), frame.place(x, high)) for x, low, high in line.band)
    for band in _runs(None if low is None or high is None else (low, high) for low, high in ends):
        around = [low for low, _ in band] + [high for _, high in reversed(band)]
        area = f"M{_path(around)}Z"
        yield element("path", {**fill(series_name(color)), "fill-opacity": 0.16, "d": area})
    runs = _runs(frame.place(x, y) for x, y in line.points)
    for (x, y), *others in runs:
        if not others:  # a line through one point would not be seen
            dot = {**fill(series_name(color)), "cx": x, "cy": y, "r": 3.5}
            yield element("circle", dot)
    joined = "".join(f"M{_path(run, stepped=line.stepped)}" for run in runs if len(run) > 1)
    if joined:
        title = element("title", {}, escaped(line.name)) if line.name else ""
        yield element("path", {**pen(line, color), "d": joined}, title)


def dot_marks(dots: Dots, color: int, frame: Frame) -> Iterator[str]:
    """Dots; of those that fall on one another, one."""
    places: dict[Place, Dot] = {}
    for dot in dots.dots:
        place = frame.place(dot.x, dot.y)
        if place is not None:
            places.setdefault((round(place[0], 1), round(place[1], 1)), dot)
    attributes = brush(dots, color)
    if len(places) > _MOST_POINTED:
        # A coarser grid yet: what differs by less than half a dot looks the same.
        coarse = dict.fromkeys((round(x), round(y)) for x, y in places)
        yield element("path", {**attributes, "d": "".join(f"M{x} {y}h0" for x, y in coarse)})
        return
    for (x, y), dot in places.items():
        told = element("title", {}, escaped(dot.label)) if dot.label else ""
        here = {**attributes, "d": f"M{number(x)} {number(y)}h0"}
        yield element("path", here, told)


def labels(series: Sequence[Line | Dots], colors: Sequence[int], frame: Frame) -> Iterator[str]:
    """Notes along lines' ends, and labels beside dots wherever there is room for them."""
    left, top, right, bottom = frame.corners
    taken: list[tuple[float, float, float, float]] = []
    for line, color in zip(series, colors):
        if not (isinstance(line, Line) and line.note):
            continue
        end = next((p for p in (frame.place(*p) for p in reversed(line.points)) if p), None)
        if end is not None:
            wide = width_of(line.note, SMALL)
            beneath = end[1] < top + 24
            x, y = min(end[0], right) - 4, max(end[1], top) + (17 if beneath else -7)
            taken.append((x - wide, y - 10, x, y + 3))
            name = series_name(color)
            yield words(line.note, x, y, color=name, anchor="end", size=SMALL, halo=True)
    wanted = [dot for dots in series if isinstance(dots, Dots) for dot in dots.dots if dot.labelled]
    for dot in wanted[:_MOST_LABELS]:
        place = frame.place(dot.x, dot.y)
        if place is None:
            continue
        x, y = place
        text = cut(dot.label, 28)
        wide = width_of(text, SMALL)
        for at_x, at_y, anchor in (
            (x + 8, y + 4, "start"),
            (x - 8, y + 4, "end"),
            (x, y - 9, "middle"),
            (x, y + 17, "middle"),
        ):
            begin = at_x - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
            box = (begin, at_y - 10, begin + wide, at_y + 3)
            inside = left <= box[0] and box[2] <= right + 12 and top <= box[1] and box[3] <= bottom
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                yield words(text, at_x, at_y, anchor=anchor, size=SMALL, halo=True)
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _runs(places: Iterable[_T | None]) -> list[list[_T]]:
    """The stretches between what is None."""
    runs: list[list[_T]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(place)
    return [run for run in runs if run]


def _path(places: Sequence[Place], *, stepped: bool = False) -> str:
    """The places as a path's data, but for its first letter; steps go right, then up or down."""
    steps = [f"{number(places[0][0])} {number(places[0][1])}"]
    for x, y in places[1:]:
        steps.append(f"H{number(x)}V{number(y)}" if stepped else f"L{number(x)} {number(y)}")
    return "".join(steps)
