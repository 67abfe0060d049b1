"""Standard error of the fitness: the error that the limited number of videos gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.metrics import Scores, charades_precision, target_ranks
from anetc.evaluation.scores import TOP, Evaluation

_BLOCKS = 50
"""Largest number of blocks of the jackknife; each block costs one computation of the mAP."""


def fitness_error(evaluation: Evaluation) -> float | None:
    """Return the standard error of `fitness` over the videos, in the unit of the fitness.

    With one label per video, the fitness top-1 + top-5 is the mean of each video's share: 200 if
    its class ranks first, 100 if it is among the first five, else 0. The standard error is that of
    a mean. The mAP is no mean over videos, so its error is a jackknife over blocks of videos (Efron
    and Tibshirani 1993, chapter 11).

    Videos of one group, such as one person, are alike. With two or more groups the error is also
    computed over groups, and the larger one counts: of a few groups an error can be too small by
    chance (Angrist and Pischke 2009, 8.1). The result is None for fewer than two videos, and where
    the fitness is not finite.
    """
    found = _errors(evaluation)
    finite = [error for error in found if math.isfinite(error)]
    return max(finite, default=None)


def _errors(evaluation: Evaluation) -> list[float]:
    """Return the errors over videos, and over groups if there are several."""
    count = len(evaluation.names)
    if count < 2:
        return []
    groups = None if evaluation.groups is None else _numbers(evaluation.groups)
    if not evaluation.multi_label:
        shares = video_fitness(evaluation)
        return [error_of_mean(shares), *([] if groups is None else [_clustered(shares, groups)])]

    def precision(kept: NDArray[np.bool_]) -> float:
        labels = evaluation.targets[kept].astype(np.float64)
        return 100 * charades_precision(evaluation.logits[kept], labels).mean_present

    blocks = np.arange(count) % min(count, _BLOCKS)
    return [_jackknife(precision, part) for part in (blocks, groups) if part is not None]


def video_fitness(evaluation: Evaluation) -> Scores:
    """Return the share of each video in the fitness, (videos,); requires one label per video.

    Its mean is the fitness.
    """
    ranks = target_ranks(evaluation.logits, evaluation.targets.astype(np.int64))
    classes = len(evaluation.classes)
    return np.asarray(100.0 * sum((ranks < min(k, classes)).astype(np.float64) for k in (1, TOP)))


def error_of_mean(values: Scores) -> float:
    """Return the standard error of the mean of independent values, at least two.

    >>> error_of_mean(np.array([0.0, 200.0, 100.0, 100.0])).__round__(3)
    40.825
    """
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _numbers(groups: Sequence[str]) -> NDArray[np.int64] | None:
    """Return a number for the group of each video, or None if there is one group only."""
    names, numbers = np.unique(np.array(groups), return_inverse=True)
    return numbers.astype(np.int64) if len(names) > 1 else None


def _clustered(values: Scores, groups: NDArray[np.int64]) -> float:
    """Return the standard error of the mean of values that depend on each other within groups."""
    sums = np.bincount(groups, weights=values - values.mean())
    count = len(sums)
    return math.sqrt(count / (count - 1) * float(np.sum(sums**2))) / len(values)


def _jackknife(measure: Callable[[NDArray[np.bool_]], float], blocks: NDArray[np.int64]) -> float:
    """Return the standard error of a measure of videos by leaving out one block at a time."""
    found = np.array([measure(blocks != block) for block in np.unique(blocks)])
    return math.sqrt((len(found) - 1) / len(found) * float(np.sum((found - found.mean()) ** 2)))
