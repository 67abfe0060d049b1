"""Whether counts are those that probabilities promise: Pearson's chi-square, without SciPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def excess(square: float, freedom: int) -> float:
    """How many standard deviations a chi-square is above what it should be (Wilson-Hilferty).

    >>> abs(excess(18.307, 10) - 1.645) < 0.01  # the 95% point
    True
    """
    share = 2 / (9 * freedom)
    return (math.cbrt(square / freedom) - (1 - share)) / math.sqrt(share)


def excess_of_counts(counts: Mapping[T, int], chances: Mapping[T, float]) -> float:
    """Of things of which one happens each time."""
    draws = sum(counts.values())
    assert set(counts) <= set(chances)
    assert abs(sum(chances.values()) - 1) < 1e-9
    square = sum(
        (counts.get(key, 0) - draws * chance) ** 2 / (draws * chance)
        for key, chance in chances.items()
    )
    return excess(square, len(chances) - 1)


def excess_of_trials(trials: Iterable[tuple[int, int, float]]) -> float:
    """Of independent things, each: how often it happened, of how often it might, its chance."""
    squares = [
        (happened - draws * chance) ** 2 / (draws * chance * (1 - chance))
        for happened, draws, chance in trials
    ]
    return excess(sum(squares), len(squares))


def excess_of_mean(values: Iterable[float], expected: float) -> float:
    """How many standard errors a mean is away from what it should be."""
    drawn = list(values)
    mean = sum(drawn) / len(drawn)
    variance = sum((value - mean) ** 2 for value in drawn) / (len(drawn) - 1)
    return abs(mean - expected) / math.sqrt(variance / len(drawn))


ENOUGH = 3.5
"""Standard deviations: seeds are fixed, so a test that holds goes on holding."""
