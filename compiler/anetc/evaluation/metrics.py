"""Compute top-k accuracy, the mean average precision of Charades and confusion matrices.

All functions are pure and take float64 arrays. Scores are (videos, classes); a larger score means a
more probable class. Targets are class numbers (videos,), or multi-label targets (videos, classes)
of zeros and ones. Results are fractions, not per cent. Pass logits as scores: probabilities
saturate at 0 and 1, which turns different logits into ties.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Targets = NDArray[np.int64]
Labels = NDArray[np.float64]


def unranked(scores: Scores) -> NDArray[np.bool_]:
    """Return which videos have no ranking because one of their scores is NaN, (videos,)."""
    return np.asarray(np.isnan(scores).any(axis=1))


def target_ranks(scores: Scores, targets: Targets) -> NDArray[np.int64]:
    """Return the rank of the true class of each video, from 0, (videos,).

    Of equal scores, the class with the lower number ranks first. A video with a NaN has rank
    `classes`, after all ranks that exist. Raises ValueError for a target that is not a class.

    >>> target_ranks(np.array([[0.1, 0.9, 0.9], [np.nan, 1.0, 0.0]]), np.array([2, 1])).tolist()
    [1, 3]
    """
    _check(scores, targets, (len(scores),))
    if len(targets) and not 0 <= targets.min() <= targets.max() < scores.shape[1]:
        raise ValueError(f"targets must lie between 0 and {scores.shape[1] - 1}")
    own = scores[np.arange(len(scores)), targets][:, None]
    earlier = np.arange(scores.shape[1]) < targets[:, None]
    ranks = np.count_nonzero((scores > own) | ((scores == own) & earlier), axis=1)
    return np.asarray(np.where(unranked(scores), scores.shape[1], ranks), np.int64)


def top_k(scores: Scores, targets: Targets, k: int) -> float:
    """Return the fraction of videos whose true class is among the `k` highest scores.

    `k` is limited to the number of classes. A video with a NaN counts as wrong for every `k`.
    Raises ValueError if there are no videos.
    """
    ranks = target_ranks(scores, targets)
    if not len(ranks):
        raise ValueError("accuracy needs at least one video; there are no videos")
    return float(np.mean(ranks < min(k, scores.shape[1])))


def class_top_k(scores: Scores, targets: Targets, k: int) -> NDArray[np.float64]:
    """Return `top_k` of the videos of each class, (classes,); NaN for a class without videos."""
    classes = scores.shape[1]
    hits = target_ranks(scores, targets) < min(k, classes)
    videos = np.bincount(targets, minlength=classes)
    right = np.bincount(targets, weights=hits, minlength=classes)
    return np.asarray(np.divide(right, videos, out=np.full(classes, np.nan), where=videos > 0))


def confusion_matrix(scores: Scores, targets: Targets) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes): true classes in rows, predicted in columns.

    Videos with a NaN have no predicted class and are left out.
    """
    _check(scores, targets, (len(scores),))
    classes = scores.shape[1]
    ranked = ~unranked(scores)
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (targets[ranked], scores[ranked].argmax(axis=1)), 1)
    return matrix


@attrs.frozen(eq=False)
class AveragePrecision:
    """Average precision as Charades_v1_classify computes it (Sigurdsson et al. 2016).

    `mean` and `weighted` are the MAP and WAP of that script: NaN if any class has no positive
    video. `mean_present` and `weighted_present` are the same means over the classes that have a
    positive video.
    """

    per_class: NDArray[np.float64]
    """Average precision, (classes,); NaN for a class without a positive video."""
    positives: NDArray[np.int64]
    """Number of videos that have the class, (classes,)."""
    mean: float
    weighted: float
    mean_present: float
    weighted_present: float

    @property
    def absent(self) -> tuple[int, ...]:
        """Numbers of the classes without a positive video."""
        return tuple(int(number) for number in np.flatnonzero(self.positives == 0))


def charades_precision(scores: Scores, labels: Labels) -> AveragePrecision:
    """Compute the official mAP and weighted AP of Charades.

    Ties and unlabelled videos are treated as in the official script. A video without any label
    gets the score -infinity for every class and therefore ranks after all other videos. A video
    without predictions also ranks last: pass its scores as -infinity or NaN. Videos with equal
    scores keep the order in which they are given, which is the order of the annotations.

    Args:
        scores: Scores (videos, classes).
        labels: Multi-label targets (videos, classes) of zeros and ones.

    Raises:
        ValueError: The shapes differ, or a label is neither 0 nor 1.
    """
    _check(scores, labels, scores.shape)
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("labels must be zeros and ones")
    positive = labels == 1
    # MATLAB and NumPy sort NaN after infinity, so videos without predictions come last.
    ranked = np.where(positive.any(axis=1)[:, None], scores, -np.inf)
    order = np.argsort(-ranked, axis=0, kind="stable")
    hits = np.take_along_axis(positive, order, axis=0)
    precision = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    positives = np.count_nonzero(positive, axis=0)
    total = np.sum(precision * hits, axis=0)
    present = positives > 0
    per_class = np.divide(total, positives, out=np.full(len(positives), np.nan), where=present)
    mean = weighted = np.nan
    if present.any():
        mean = float(np.mean(per_class[present]))
        weighted = float(np.sum(total[present]) / np.sum(positives))
    whole = bool(present.all())
    return AveragePrecision(
        per_class=per_class,
        positives=positives.astype(np.int64),
        mean=mean if whole else np.nan,
        weighted=weighted if whole else np.nan,
        mean_present=mean,
        weighted_present=weighted,
    )


def _check(
    scores: Scores, targets: NDArray[np.int64] | NDArray[np.float64], shape: tuple[int, ...]
) -> None:
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"scores must have the shape (videos, classes), not {scores.shape}")
    if targets.shape != shape:
        raise ValueError(f"targets must have the shape {shape}, not {targets.shape}")
