"""What scores are worth: top-k accuracy, the mean average precision of Charades, confusions.

Pure functions on float64 arrays. Scores are (videos, classes), the larger the better; targets are
class numbers (videos,), or labels (videos, classes) of zeros and ones where a video may have
several. Results are fractions, not per cent. Rank on logits: probabilities saturate, and what was
told apart becomes a tie.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Targets = NDArray[np.int64]
Labels = NDArray[np.float64]


def unranked(scores: Scores) -> NDArray[np.bool_]:
    """The videos (videos,) that no class can be named for, because a score is NaN."""
    return np.asarray(np.isnan(scores).any(axis=1))


def target_ranks(scores: Scores, targets: Targets) -> NDArray[np.int64]:
    """How many classes come before the right one, (videos,); of equal scores the lower class does.

    A video with a NaN has its right class after all others, at rank `classes`.

    >>> target_ranks(np.array([[0.1, 0.9, 0.9], [np.nan, 1.0, 0.0]]), np.array([2, 1])).tolist()
    [1, 3]
    """
    _check(scores, targets, (len(scores),))
    if len(targets) and not 0 <= targets.min() <= targets.max() < scores.shape[1]:
        raise ValueError(f"targets lie between 0 and {scores.shape[1] - 1}")
    own = scores[np.arange(len(scores)), targets][:, None]
    earlier = np.arange(scores.shape[1]) < targets[:, None]
    ranks = np.count_nonzero((scores > own) | ((scores == own) & earlier), axis=1)
    return np.asarray(np.where(unranked(scores), scores.shape[1], ranks), np.int64)


def top_k(scores: Scores, targets: Targets, k: int) -> float:
    """The share of videos whose right class is among the best `k`, at most all classes.

    A video with a NaN counts as wrong, whatever `k`. Raises ValueError where there are no videos.
    """
    ranks = target_ranks(scores, targets)
    if not len(ranks):
        raise ValueError("no videos")
    return float(np.mean(ranks < min(k, scores.shape[1])))


def class_top_k(scores: Scores, targets: Targets, k: int) -> NDArray[np.float64]:
    """`top_k` over the videos of each class, (classes,); NaN for a class without videos."""
    classes = scores.shape[1]
    hits = target_ranks(scores, targets) < min(k, classes)
    videos = np.bincount(targets, minlength=classes)
    right = np.bincount(targets, weights=hits, minlength=classes)
    return np.asarray(np.divide(right, videos, out=np.full(classes, np.nan), where=videos > 0))


def confusion(scores: Scores, targets: Targets) -> NDArray[np.int64]:
    """How often each class (row) was taken for each class (column), (classes, classes).

    Videos with a NaN are left out: nothing was named for them.
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

    `mean` and `weighted` are that script's MAP and WAP: NaN where a class has no positive video.
    `mean_present` and `weighted_present` are the same over the classes that have one.
    """

    per_class: NDArray[np.float64]
    """(classes,); NaN for a class without a positive video."""
    positives: NDArray[np.int64]
    """Videos that have the class, (classes,)."""
    mean: float
    weighted: float
    mean_present: float
    weighted_present: float

    @property
    def absent(self) -> tuple[int, ...]:
        """The classes without a positive video."""
        return tuple(int(number) for number in np.flatnonzero(self.positives == 0))


def charades_precision(scores: Scores, labels: Labels) -> AveragePrecision:
    """The official mAP and weighted AP of Charades, ties and unlabelled videos included.

    A video without any label scores -infinity for every class, so that it stands behind all others;
    so does a video without predictions, whose scores are to be given as -infinity or NaN. Videos of
    equal scores stay in the order in which they are given, which is that of the ground truth.
    """
    _check(scores, labels, scores.shape)
    if not np.isin(labels, (0.0, 1.0)).all():
        raise ValueError("labels are zeros and ones")
    positive = labels == 1
    # MATLAB sorts NaN behind infinity, NumPy too: missing videos come last in either form.
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
        raise ValueError(f"scores are (videos, classes), not {scores.shape}")
    if targets.shape != shape:
        raise ValueError(f"targets of scores {scores.shape} are {shape}, not {targets.shape}")
