"""Test whether counts agree with probabilities: Pearson's chi-square test, without SciPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def excess(square: float, freedom: int) -> float:
    """Return how many standard deviations a chi-square is above its mean (Wilson-Hilferty).

    >>> abs(excess(18.307, 10) - 1.645) < 0.01  # the 95% point
    True
    """
    share = 2 / (9 * freedom)
    return (math.cbrt(square / freedom) - (1 - share)) / math.sqrt(share)


def excess_of_counts(counts: Mapping[T, int], chances: Mapping[T, float]) -> float:
    """Return the excess of counts of events of which exactly one happens in each draw."""
    draws = sum(counts.values())
    assert set(counts) <= set(chances)
    assert abs(sum(chances.values()) - 1) < 1e-9
    square = sum(
        (counts.get(key, 0) - draws * chance) ** 2 / (draws * chance)
        for key, chance in chances.items()
    )
    return excess(square, len(chances) - 1)


def excess_of_trials(trials: Iterable[tuple[int, int, float]]) -> float:
    """Return the excess of independent events: occurrences, draws and probability of each."""
    squares = [
        (happened - draws * chance) ** 2 / (draws * chance * (1 - chance))
        for happened, draws, chance in trials
    ]
    return excess(sum(squares), len(squares))


def excess_of_mean(values: Iterable[float], expected: float) -> float:
    """Return how many standard errors the mean of values differs from the expected mean."""
    drawn = list(values)
    mean = sum(drawn) / len(drawn)
    variance = sum((value - mean) ** 2 for value in drawn) / (len(drawn) - 1)
    return abs(mean - expected) / math.sqrt(variance / len(drawn))


ENOUGH = 3.5
"""Largest accepted number of standard deviations. Seeds are fixed, so that results repeat."""
