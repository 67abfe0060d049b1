"""Values for the lines and dots of a chart."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

GREY = 5
"""Number of the colour for dots and lines in the background."""


@attrs.frozen
class Line:
    """A line through points (x, y), with a gap where y is not finite."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    """Points (x, low, high) of the area around the line."""
    note: str = ""
    """Text at the end of the line."""
    color: int | None = None
    """Number of the colour, 0 to 5; None takes the next colour."""
    dashed: bool | None = None
    """True if the line is dashed; None: by its colour, so that lines differ without colours."""
    stepped: bool = False
    """True if a value holds until the next point."""
    faint: bool = False
    """True if the line is thin and pale. Such a line is not in the legend."""


@attrs.frozen
class Dot:
    """A point. `label` is its tooltip, and is written beside the point if `labelled`."""

    x: float
    y: float
    label: str = ""
    labelled: bool = False
    error: float | None = None
    """Length of the whiskers above and below the point, in units of y; None draws none."""


@attrs.frozen
class Dots:
    """Points of one series."""

    name: str
    dots: Sequence[Dot]
    color: int | None = None
    faint: bool = False
    """True if the dots are small and pale."""
