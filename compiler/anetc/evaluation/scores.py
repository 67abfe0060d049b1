"""Scores of the videos of a split, and the measures computed from them. Needs no torch."""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.metrics import (
    AveragePrecision,
    Scores,
    charades_precision,
    confusion_matrix,
    top_k,
    unranked,
)
from anetdsl.ir import Score
from anetdsl.vocabulary import STATEMENTS

TOP = 5
"""k of the second accuracy that the paper reports, beside top-1."""


@attrs.frozen(eq=False)
class Evaluation:
    """Scores and targets of every video of a split, in the order of the split.

    `logits` (videos, classes) represent probabilities averaged over the clips of a video (paper
    A.6): their softmax, or for multi-label data their sigmoid, is that average. All logits of a
    video in `failed` are NaN.
    """

    names: tuple[str, ...]
    """Names of the videos."""
    logits: Scores
    targets: NDArray[np.int64] | NDArray[np.float64]
    """Class numbers (videos,), or multi-label targets (videos, classes) of zeros and ones."""
    classes: tuple[str, ...]
    """Names of the classes."""
    failed: tuple[str, ...] = ()
    """Names of the videos without scores, such as videos that could not be read."""
    are_logits: bool = True
    """True if the scores are logits. Other scores give a ranking, but no probabilities or loss."""
    groups: tuple[str, ...] | None = None
    """Group of each video, such as the person in it; None if the data have no groups."""

    @property
    def multi_label(self) -> bool:
        """True if a video may have several classes or none."""
        return self.targets.ndim == 2

    @property
    def unranked(self) -> NDArray[np.bool_]:
        """True for each video that has a NaN and therefore counts as wrong, (videos,)."""
        return unranked(self.logits)

    def probabilities(self) -> Scores:
        """Return the averaged probabilities, (videos, classes)."""
        own, _ = _log_probabilities(self.logits, self.multi_label)
        return np.exp(own)

    def precision(self) -> AveragePrecision:
        """Compute the average precision of the classes. Requires multi-label targets."""
        return charades_precision(self.logits, self.targets.astype(np.float64))

    def loss(self) -> float:
        """Compute the cross-entropy of the averaged probabilities, without label smoothing.

        The loss is the mean over videos, for multi-label data over videos and classes. Videos with
        a NaN are left out. The result is NaN if no video remains or the scores are not logits.
        """
        kept = ~self.unranked
        if not self.are_logits or not kept.any():
            return math.nan
        own, other = _log_probabilities(self.logits[kept], self.multi_label)
        targets = self.targets[kept]
        if self.multi_label:
            # Selection, not multiplication: 0 times an infinite logarithm would be NaN.
            return float(-np.mean(np.where(targets == 1, own, other)))
        return float(-np.mean(own[np.arange(len(own)), targets.astype(np.int64)]))

    def measures(self) -> dict[str, float]:
        """Return the measures by name; accuracies and precisions are in per cent.

        For one label per video: `top1`, `top5` (k is at most the number of classes) and `fitness`,
        their sum (paper 4.1). For multi-label data: `mAP` and `wAP` as the official script computes
        them, NaN if a class has no video; `mAP_present` and `wAP_present` over the other classes;
        `fitness`, which equals `mAP_present`. For both: `loss`.
        """
        if self.multi_label:
            precision = self.precision()
            found = {
                "mAP": 100 * precision.mean,
                "wAP": 100 * precision.weighted,
                "mAP_present": 100 * precision.mean_present,
                "wAP_present": 100 * precision.weighted_present,
            }
            fitness = found["mAP_present"]
        else:
            targets = self.targets.astype(np.int64)
            found = {f"top{k}": 100 * top_k(self.logits, targets, k) for k in (1, TOP)}
            fitness = sum(found.values())
        return {**found, "loss": self.loss(), "fitness": fitness}

    def score(self) -> Score:
        """Return the finite measures that the `score` statement of a network text can hold."""
        known = {attribute.name for attribute in STATEMENTS["score"].attributes}
        found = self.measures().items()
        return Score(tuple((k, v) for k, v in found if k in known and math.isfinite(v)))

    def confusion(self) -> NDArray[np.int64]:
        """Return the confusion matrix (classes, classes). Requires one label per video.

        Rows are true classes, columns are predicted classes.
        """
        return confusion_matrix(self.logits, self.targets.astype(np.int64))


def pooled(first: Evaluation, second: Evaluation) -> Evaluation:
    """Return the evaluation of the videos of both, which have the same classes."""
    both = first.groups is not None and second.groups is not None
    return Evaluation(
        names=first.names + second.names,
        logits=np.concatenate([first.logits, second.logits]),
        targets=np.concatenate([first.targets, second.targets]),
        classes=first.classes,
        failed=first.failed + second.failed,
        are_logits=first.are_logits,
        groups=(*(first.groups or ()), *(second.groups or ())) if both else None,
    )


def average_clips(logits: NDArray[np.float64], *, multi_label: bool) -> Scores:
    """Average logits (N, clips, classes) over the clips; return logits (N, classes).

    The probabilities are averaged as in the paper (A.6). The average is computed from logarithms,
    so that probabilities near 1 do not round to the same number. Logits of a single clip are
    returned unchanged.

    >>> average_clips(np.array([[[40.0], [50.0]]]), multi_label=True).round(3).tolist()
    [[40.693]]
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    own, other = _log_probabilities(logits, multi_label)
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        mean = np.logaddexp.reduce(own, axis=1)
        if multi_label:
            return np.asarray(mean - np.logaddexp.reduce(other, axis=1))
    return np.asarray(mean - math.log(logits.shape[1]))


def _log_probabilities(
    logits: NDArray[np.float64], multi_label: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log p of every class, and log(1 - p) for multi-label data, else log p again.

    The results are NaN for NaN, and for the softmax of an infinite logit.
    """
    with np.errstate(invalid="ignore"):
        if multi_label:
            return -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        own = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        return own, own
