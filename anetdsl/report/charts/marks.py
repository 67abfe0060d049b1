"""What a chart shows: lines and dots."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen
class Line:
    """A line through points (x, y). A y that is not finite interrupts it."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    """(x, low, high): the spread around it."""
    note: str = ""
    """Written along its end."""
    color: int | None = None
    """Which of the six colours, from 0; None takes the next one."""
    dashed: bool | None = None
    """None: by its colour, so that lines differ without colours as well."""
    stepped: bool = False
    """A value stays until the next point."""
    faint: bool = False
    """Thin and pale: one of many that belong together. It is not in the legend."""


@attrs.frozen
class Dot:
    """A point. `label` is told when it is pointed at, and written beside it when `labelled`."""

    x: float
    y: float
    label: str = ""
    labelled: bool = False


@attrs.frozen
class Dots:
    """Points that belong together."""

    name: str
    dots: Sequence[Dot]
    color: int | None = None
    faint: bool = False
    """Small and pale: the crowd that others stand out from."""
