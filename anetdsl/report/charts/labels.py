"""Place the labels of dots and the notes of lines within a frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from anetdsl.report.charts.frame import Frame, Place
from anetdsl.report.charts.marks import Dots, Line
from anetdsl.report.charts.strokes import runs
from anetdsl.report.charts.style import SMALL, abbreviate, series_name, text_line, width_of

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a rectangle of the drawing."""
_MAX_LABELS = 24


def labels(series: Sequence[Line | Dots], colors: Sequence[int], frame: Frame) -> Iterator[str]:
    """Yield the notes at the ends of lines, and the labels of dots that have room beside them."""
    _, top, right, _ = frame.corners
    taken: list[Box] = []
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
            yield text_line(line.note, x, y, color=name, anchor="end", size=SMALL, halo=True)
    labelled = [
        (dot, place)
        for dots in series
        if isinstance(dots, Dots)
        for dot in dots.dots
        if dot.labelled and (place := frame.place(dot.x, dot.y)) is not None
    ]
    taken.extend((x - 5, y - 5, x + 5, y + 5) for _, (x, y) in labelled)
    lines = [
        segment for line in series if isinstance(line, Line) for segment in _segments(line, frame)
    ]
    for dot, (x, y) in labelled[:_MAX_LABELS]:
        text = abbreviate(dot.label, 28)
        free = [
            position
            for position in _positions(x, y, width_of(text, SMALL))
            if _is_inside(position.box, frame) and not any(_overlap(position.box, b) for b in taken)
        ]
        if free:
            # A label on a line is legible, but a label beside the lines is better.
            best = min(free, key=lambda p: any(_crosses(segment, p.box) for segment in lines))
            taken.append(best.box)
            yield text_line(text, best.x, best.y, anchor=best.anchor, size=SMALL, halo=True)


@attrs.frozen
class _Position:
    """A possible place of a label: the start of its text, and the box that it covers."""

    x: float
    y: float
    anchor: str
    box: Box


def _positions(x: float, y: float, wide: float) -> Iterator[_Position]:
    """Yield positions for the label of a dot: right, left, above, below."""
    for at_x, at_y, anchor, shift in (
        (x + 8, y + 4, "start", 0.0),
        (x - 8, y + 4, "end", wide),
        (x, y - 9, "middle", wide / 2),
        (x, y + 17, "middle", wide / 2),
    ):
        begin = at_x - shift
        yield _Position(at_x, at_y, anchor, (begin, at_y - 10, begin + wide, at_y + 3))


def _is_inside(box: Box, frame: Frame) -> bool:
    left, top, right, bottom = frame.corners
    return left <= box[0] and box[2] <= right + 12 and top <= box[1] and box[3] <= bottom


def _segments(line: Line, frame: Frame) -> Iterator[tuple[Place, Place]]:
    """Yield the straight parts of a line."""
    for run in runs(frame.place(x, y) for x, y in line.points):
        for (x0, y0), (x1, y1) in itertools.pairwise(run):
            if line.stepped:
                yield (x0, y0), (x1, y0)
                yield (x1, y0), (x1, y1)
            else:
                yield (x0, y0), (x1, y1)


def _crosses(segment: tuple[Place, Place], box: Box) -> bool:
    """Return whether a segment crosses a box."""
    (x0, y0), (x1, y1) = segment
    if not _overlap((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), box):
        return False
    # The corners of the box lie on both sides of the line through the segment.
    corners = itertools.product((box[0], box[2]), (box[1], box[3]))
    sides = [(x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for x, y in corners]
    return min(sides) <= 0 <= max(sides)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
