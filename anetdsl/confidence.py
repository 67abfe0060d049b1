"""Confidence intervals and tests for results of repeated trainings, without scipy.

A network is trained with several seeds, and its accuracy is the mean over them. The interval of the
mean is that of Student's t. Two networks that were trained with the same seeds are compared seed by
seed (`paired_difference`). `holm` corrects the p-values of several comparisons.

The distribution function of t is a regularised incomplete beta function, computed by its continued
fraction (Lentz's method; Press et al., Numerical Recipes, 6.4). The error is below 1e-10.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import attrs

_TINY = 1e-300
_MOST_TERMS = 10_000


@attrs.frozen
class MeanInterval:
    """A mean with its confidence interval."""

    mean: float
    sd: float | None
    """Standard deviation of the values (n - 1); None for one value."""
    count: int
    """Number of values."""
    low: float | None
    """Lower end of the interval; None for one value, whose spread is unknown."""
    high: float | None
    """Upper end of the interval."""

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None for one value."""
        return None if self.sd is None else self.sd / math.sqrt(self.count)


@attrs.frozen
class MeanDifference:
    """The difference of two means with its confidence interval and its test."""

    difference: MeanInterval
    """Mean of the first minus mean of the second; `count` is the number of pairs."""
    p: float | None
    """Two-sided p-value of Student's t-test; None if the spread is unknown."""


def mean_interval(values: Sequence[float], level: float = 0.95) -> MeanInterval:
    """Return the mean of values with its t interval.

    Raise ValueError for no values, or a level that is not in (0, 1).
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    mean, count = statistics.fmean(values), len(values)
    if count == 1:
        return MeanInterval(mean, None, 1, None, None)
    sd = statistics.stdev(values)
    reach = student_quantile((1 + level) / 2, count - 1) * sd / math.sqrt(count)
    return MeanInterval(mean, sd, count, mean - reach, mean + reach)


def paired_difference(
    first: Sequence[float], second: Sequence[float], level: float = 0.95
) -> MeanDifference:
    """Compare results in pairs, such as those of two networks with the same seeds.

    Raise ValueError for no values, or unequal numbers of them.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    interval = mean_interval([a - b for a, b in zip(first, second)], level)
    return MeanDifference(interval, _p_of(interval.mean, interval.standard_error, len(first) - 1))


def _p_of(mean: float, error: float | None, freedom: float) -> float | None:
    """Return the two-sided p-value; equal differences without any spread have 0, or 1 if zero."""
    if error is None:
        return None
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return two_sided_p(mean / error, freedom)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p-values corrected for their number (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return tuple(corrected)


# Student's t


def two_sided_p(t: float, freedom: float) -> float:
    """Return the probability that |T| is at least |t|, for Student's t of so many degrees."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def student_quantile(probability: float, freedom: float) -> float:
    """Return the value below which Student's t lies with a probability.

    Raise ValueError for a probability that is not in (0, 1).
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability must be in (0, 1), not {probability}")
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    tail = 2 * (1 - probability)
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > tail:
        low, high = high, 2 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if two_sided_p(middle, freedom) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for x in [0, 1]."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast below this point
        return 1 - incomplete_beta(b, a, 1 - x)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            step = c * d
            fraction *= step
        if abs(step - 1) < 1e-15:
            break
    return front * fraction


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
