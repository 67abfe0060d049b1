"""Compute the ranges and ticks of axes, and format the numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

_DECIMAL_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_UTMOST = 1e100
"""Largest absolute value that can be drawn; coordinates are computed in floats."""


@attrs.frozen
class Axis:
    """An axis from `low` to `high`; None computes the limit from the data."""

    label: str = ""
    log: bool = False
    """True if the axis is logarithmic. Values that are not positive are left out."""
    low: float | None = None
    high: float | None = None
    whole: bool = False
    """True if the ticks are integers."""


@attrs.frozen
class Scale:
    """Map from values between `low` and `high` to coordinates between `start` and `end`."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def holds(self, value: float) -> bool:
        """Return whether a value has a coordinate, within the range or beyond."""
        return _has_place(value, self.log)

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value for which `holds` is true."""
        share = (self._measure(value) - self._measure(self.low)) / (
            self._measure(self.high) - self._measure(self.low)
        )
        # Renderers cannot handle coordinates of any size.
        return self.start + min(max(share, -10.0), 10.0) * (self.end - self.start)

    def _measure(self, value: float) -> float:
        return math.log10(value) if self.log else value


def laid_out(
    axis: Axis, values: Iterable[float], start: float, end: float, about: int
) -> tuple[Scale, tuple[float, ...]]:
    """Return the scale of an axis for these values, and about `about` ticks."""
    placed = [value for value in values if _has_place(value, axis.log)]
    low = axis.low if axis.low is not None else min(placed, default=1.0 if axis.log else 0.0)
    high = axis.high if axis.high is not None else max(placed, default=low * 10 or 1.0)
    if axis.log:
        low, high, ticks = _log_range(low, high, axis, about)
    else:
        low, high, ticks = _linear_range(low, high, axis, about)
    return Scale(low, high, axis.log, start, end), ticks


def _has_place(value: float, log: bool) -> bool:
    return abs(value) <= _UTMOST and (not log or value >= 1 / _UTMOST)


def _linear_range(
    low: float, high: float, axis: Axis, about: int
) -> tuple[float, float, tuple[float, ...]]:
    if not high - low > abs(high) * 1e-9:
        pad = abs(low) * 0.1 or 1.0
        low = low if axis.low is not None else low - pad
        high = low + 2 * pad
    step = _step((high - low) / about)
    if axis.whole:
        step = max(step, 1.0)
    if axis.low is None:
        low = math.floor(low / step + 1e-9) * step
    if axis.high is None:
        high = math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return low, high, tuple(_clean(index * step) for index in range(first, last + 1))


def _log_range(
    low: float, high: float, axis: Axis, about: int
) -> tuple[float, float, tuple[float, ...]]:
    low = low if low > 0 else 1.0
    if not high > low * 1.0001:
        low, high = low / 2, low * 2
    decades = math.log10(high / low)
    every = max(1, math.ceil(decades / about))
    steps = (1,) if decades > 2.5 else (1, 2, 5)
    marks = [
        _clean(step * 10.0**power)
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        if power % every == 0
        for step in steps
    ]
    if axis.low is None:
        low = max((mark for mark in marks if mark <= low * 1.0001), default=low)
    if axis.high is None:
        high = min((mark for mark in marks if mark >= high * 0.9999), default=high)
    return low, high, tuple(mark for mark in marks if low * 0.9999 <= mark <= high * 1.0001)


def _step(least: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= least * 0.9999)


def _clean(value: float) -> float:
    """Remove rounding errors of binary fractions: 0.30000000000000004 becomes 0.3."""
    return float(f"{value:.12g}")


def short_number(value: float) -> str:
    """Format a number in a few characters.

    >>> [short_number(v) for v in (0, 0.25, 9500, 32_916_863, 2.4e11, 0.00002)]
    ['0', '0.25', '9,500', '32.9M', '240G', '2e-05']
    """
    size = abs(value)
    if size >= 1e4:
        for unit, prefix in _DECIMAL_PREFIXES:
            if size >= unit * 0.9995:
                return f"{_clean(float(f'{value / unit:.3g}')):g}{prefix}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{_clean(value):.4g}"
