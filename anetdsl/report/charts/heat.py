"""A matrix as shades of one colour: confusion of classes, weights of edges over generations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from anetdsl.report.charts.axes import short_number
from anetdsl.report.charts.style import SMALL, cut, document, fill, stroke, width_of, words
from anetdsl.report.charts.svg import element, escaped, number

_SHADES = 16
_MOST_TOLD = 900
"""So many cells say what they hold when they are pointed at."""
_LONGEST = 26


def heat_map(
    values: Sequence[Sequence[float | None]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    x_label: str = "",
    y_label: str = "",
    description: str = "",
    heading: bool = True,
    low: float = 0.0,
    high: float = 1.0,
    width: int = 640,
    styled: bool = True,
) -> str:
    """A matrix whose cells are the darker the nearer a value is to `high`; SVG text.

    `values` has a row for each of `rows`, with a value for each of `columns`; None, or what is not
    finite, is an empty cell. Numbers are written where cells are wide enough; names are thinned out
    where they would run into each other. The height follows from the width.

    Raises ValueError when the matrix does not have that shape.
    """
    if len(values) != len(rows) or any(len(row) != len(columns) for row in values):
        raise ValueError(f"a matrix of {len(rows)} x {len(columns)} is wanted")
    names = [cut(name, _LONGEST) for name in rows]
    heads = [cut(name, _LONGEST) for name in columns]
    left = 20 + max((width_of(name, SMALL) for name in names), default=0) + (20 if y_label else 0)
    room = width - left - 16
    across = min(room / max(len(columns), 1), 64.0)
    down = min(max(across, 4.0 if len(rows) > 100 else 18.0), 26.0)
    if len(rows) > 40 and len(rows) == len(columns):
        down = across
    turned = any(width_of(head, SMALL) > across - 4 for head in heads)
    head_height = max((width_of(head, SMALL) for head in heads), default=0) if turned else 16.0
    top = (34 if heading else 8) + (20 if x_label else 0) + head_height + 8
    bottom = top + down * len(rows)
    right = left + across * len(columns)
    height = bottom + 46

    def heads_shown() -> Iterator[str]:
        for index in range(0, len(heads), math.ceil(15 / across) if turned else 1):
            x = left + (index + 0.5) * across
            if turned:
                yield words(heads[index], x + 4, top - 7, color="faint", size=SMALL, turned=True)
            else:
                yield words(heads[index], x, top - 7, color="faint", size=SMALL, anchor="middle")

    def names_shown() -> Iterator[str]:
        for index in range(0, len(names), math.ceil(14 / down)):
            y = top + (index + 0.5) * down + 4
            yield words(names[index], left - 7, y, color="faint", size=SMALL, anchor="end")

    frame = {**stroke("grid"), "x": left, "y": top, "width": right - left, "height": bottom - top}
    return document(
        width,
        math.ceil(height),
        title,
        description,
        styled,
        words(title, 14, 21, bold=True, size=15) if heading else "",
        words(x_label, (left + right) / 2, 52 if heading else 22, anchor="middle")
        if x_label
        else "",
        words(y_label, 16, (top + bottom) / 2, anchor="middle", turned=True) if y_label else "",
        *heads_shown(),
        *names_shown(),
        *_cells(values, rows, columns, (left, top), (across, down), (low, high)),
        element("rect", frame),
        *_key(left, bottom + 18, low, high),
    )


def _cells(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    origin: tuple[float, float],
    size: tuple[float, float],
    span: tuple[float, float],
) -> Iterator[str]:
    """The cells: each of its own when there are few, else one path for each shade."""
    across, down = size
    told = len(rows) * len(columns) <= _MOST_TOLD
    written = across >= 30 and down >= 16
    shades: defaultdict[int, list[str]] = defaultdict(list)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value is None or not math.isfinite(value):
                continue
            share = (value - span[0]) / ((span[1] - span[0]) or 1.0)
            shade = round(min(max(share, 0.0), 1.0) * _SHADES)
            x, y = origin[0] + j * across, origin[1] + i * down
            box = f"M{number(x)} {number(y)}h{number(across)}v{number(down)}h-{number(across)}z"
            if not told:
                if shade:
                    shades[shade].append(box)
                continue
            label = f"{rows[i]} / {columns[j]}: {short_number(value)}"
            title = element("title", {}, escaped(label))
            paint = {**fill("heat"), "fill-opacity": shade / _SHADES, "d": box}
            yield element("path", paint, title)
            if written:
                color = "paper" if shade > 0.55 * _SHADES else "ink"
                text = f"{value:.2f}".removeprefix("0") if abs(value) < 1 else short_number(value)
                middle, base = x + across / 2, y + down / 2 + 4
                yield words(text, middle, base, color=color, anchor="middle", size=10.5)
    for shade, boxes in sorted(shades.items()):
        paint = {**fill("heat"), "fill-opacity": shade / _SHADES, "d": "".join(boxes)}
        yield element("path", paint)


def _key(x: float, y: float, low: float, high: float) -> Iterator[str]:
    """What the shades mean, beneath."""
    lowest, highest = short_number(low), short_number(high)
    yield words(lowest, x, y + 10, color="faint", size=SMALL)
    x += width_of(lowest, SMALL) + 6
    for step in range(9):
        box: dict[str, object] = {"x": x + step * 14, "y": y, "width": 14, "height": 12}
        yield element("rect", {**fill("heat"), "fill-opacity": step / 8, **box})
    yield element("rect", {**stroke("grid"), "x": x, "y": y, "width": 126, "height": 12})
    yield words(highest, x + 132, y + 10, color="faint", size=SMALL)
