"""Draw a matrix as shades of one colour, such as a confusion matrix or edge weights over time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from anetdsl.report.charts.axes import short_number
from anetdsl.report.charts.style import (
    SMALL,
    abbreviate,
    document,
    fill,
    stroke,
    text_line,
    title_line,
    width_of,
)
from anetdsl.report.charts.svg import element, escaped, number

_SHADES = 16
_MAX_TOOLTIPS = 900
"""Number of cells up to which each cell has a tooltip with its value."""
_LONGEST = 26
"""Number of letters of the longest row and column names."""
_TURNED_LETTER = 1.05
"""Reserve for turned names, whose width is only estimated."""


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
    """Draw a matrix whose cells are darker the closer a value is to `high`; return SVG text.

    Values are written into cells that are wide enough. Names are left out where they would overlap.
    The height follows from the width.

    Args:
        values: A row for each name in `rows`, with a value for each name in `columns`. A cell with
            None, or with a value that is not finite, is empty.
        rows: Names of the rows.
        columns: Names of the columns.
        title: Title for screen readers, and above the chart if `heading`.
        x_label: Text above the column names.
        y_label: Text beside the row names.
        description: Content of the chart in words, for screen readers.
        heading: Whether the title is drawn.
        low: Value of the lightest shade.
        high: Value of the darkest shade.
        width: Width in pixels.
        styled: Whether the chart contains `STYLE`.

    Raises:
        ValueError: The shape of `values` does not fit the names.
    """
    if len(values) != len(rows) or any(len(row) != len(columns) for row in values):
        raise ValueError(f"values must be a matrix of {len(rows)} x {len(columns)}")
    names = [abbreviate(name, _LONGEST) for name in rows]
    heads = [abbreviate(name, _LONGEST) for name in columns]
    left = 20 + max((width_of(name, SMALL) for name in names), default=0) + (20 if y_label else 0)
    room = width - left - 16
    across = min(room / max(len(columns), 1), 64.0)
    down = min(max(across, 4.0 if len(rows) > 100 else 18.0), 26.0)
    if len(rows) > 40 and len(rows) == len(columns):
        down = across
    widest = max((width_of(head, SMALL) for head in heads), default=0.0)
    turned = widest > across - 4
    # From top to bottom: the title, the label of the columns, their names, the cells.
    label_base = 50.0 if heading else 24.0
    top = label_base + (12 if x_label else -12)
    top += (_TURNED_LETTER * widest if turned else 16.0) + 7
    bottom = top + down * len(rows)
    right = left + across * len(columns)
    height = bottom + 46
    half = width_of(x_label) / 2 + 14
    label_centre = max(min((left + right) / 2, width - half), half)

    def column_names() -> Iterator[str]:
        for index in range(0, len(heads), math.ceil(15 / across) if turned else 1):
            x = left + (index + 0.5) * across + (4 if turned else 0)
            anchor = "start" if turned else "middle"
            yield text_line(
                heads[index], x, top - 7, color="faint", size=SMALL, anchor=anchor, turned=turned
            )

    def row_names() -> Iterator[str]:
        for index in range(0, len(names), math.ceil(14 / down)):
            y = top + (index + 0.5) * down + 4
            yield text_line(names[index], left - 7, y, color="faint", size=SMALL, anchor="end")

    frame = {**stroke("grid"), "x": left, "y": top, "width": right - left, "height": bottom - top}
    return document(
        width,
        math.ceil(height),
        title,
        description,
        styled,
        title_line(title, width) if heading else "",
        text_line(x_label, label_centre, label_base, anchor="middle") if x_label else "",
        text_line(y_label, 16, (top + bottom) / 2, anchor="middle", turned=True) if y_label else "",
        *column_names(),
        *row_names(),
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
    limits: tuple[float, float],
) -> Iterator[str]:
    """Yield an element for each cell; of a large matrix, one path for each shade."""
    across, down = size
    single = len(rows) * len(columns) <= _MAX_TOOLTIPS
    written = across >= 30 and down >= 16
    shades: defaultdict[int, list[str]] = defaultdict(list)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if value is None or not math.isfinite(value):
                continue
            share = (value - limits[0]) / ((limits[1] - limits[0]) or 1.0)
            shade = round(min(max(share, 0.0), 1.0) * _SHADES)
            x, y = origin[0] + j * across, origin[1] + i * down
            box = f"M{number(x)} {number(y)}h{number(across)}v{number(down)}h-{number(across)}z"
            if not single:
                if shade:
                    shades[shade].append(box)
                continue
            label = f"{rows[i]} / {columns[j]}: {short_number(value)}"
            tooltip = element("title", {}, escaped(label))
            paint = {**fill("heat"), "fill-opacity": shade / _SHADES, "d": box}
            yield element("path", paint, tooltip)
            if written:
                color = "paper" if shade > 0.55 * _SHADES else "ink"
                text = f"{value:.2f}".removeprefix("0") if abs(value) < 1 else short_number(value)
                middle, base = x + across / 2, y + down / 2 + 4
                yield text_line(text, middle, base, color=color, anchor="middle", size=10.5)
    for shade, boxes in sorted(shades.items()):
        paint = {**fill("heat"), "fill-opacity": shade / _SHADES, "d": "".join(boxes)}
        yield element("path", paint)


def _key(x: float, y: float, low: float, high: float) -> Iterator[str]:
    """Yield the scale of shades below the matrix."""
    lowest, highest = short_number(low), short_number(high)
    yield text_line(lowest, x, y + 10, color="faint", size=SMALL)
    x += width_of(lowest, SMALL) + 6
    for step in range(9):
        box: dict[str, object] = {"x": x + step * 14, "y": y, "width": 14, "height": 12}
        yield element("rect", {**fill("heat"), "fill-opacity": step / 8, **box})
    yield element("rect", {**stroke("grid"), "x": x, "y": y, "width": 126, "height": 12})
    yield text_line(highest, x + 132, y + 10, color="faint", size=SMALL)
