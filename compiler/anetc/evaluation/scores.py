"""What a network said of the videos of a split, and what that is worth. Needs no torch."""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.evaluation.metrics import (
    AveragePrecision,
    Scores,
    charades_precision,
    target_ranks,
    top_k,
    unranked,
)
from anetdsl.ir import Score
from anetdsl.vocabulary import STATEMENTS

TOP = 5
"""k of the second of the two accuracies that the paper reports."""


@attrs.frozen(eq=False)
class Evaluation:
    """The scores of every video of a split, in the split's order, beside what is right.

    `logits` (videos, classes) belong to probabilities that are averaged over a video's clips
    (paper A.6): their softmax, or with several labels their sigmoid, is that average. A video that
    could not be read (`failed`) has NaN throughout.
    """

    names: tuple[str, ...]
    logits: Scores
    targets: NDArray[np.int64] | NDArray[np.float64]
    """Class numbers (videos,), or labels (videos, classes) of zeros and ones."""
    classes: tuple[str, ...]
    failed: tuple[str, ...] = ()
    are_logits: bool = True
    """False for scores of unknown origin, which rank but have neither probabilities nor a loss."""

    @property
    def multi_label(self) -> bool:
        """Whether a video may have several classes, or none."""
        return self.targets.ndim == 2

    @property
    def unranked(self) -> NDArray[np.bool_]:
        """The videos with a NaN (videos,), which count as wrong."""
        return unranked(self.logits)

    def probabilities(self) -> Scores:
        """The averaged probabilities, (videos, classes)."""
        own, _ = _log_probabilities(self.logits, self.multi_label)
        return np.exp(own)

    def precision(self) -> AveragePrecision:
        """Average precision of the classes. For several labels a video alone."""
        return charades_precision(self.logits, self.targets.astype(np.float64))

    def loss(self) -> float:
        """Cross-entropy of the averaged probabilities, without label smoothing.

        The mean over videos, and with several labels also over classes. Videos with a NaN are left
        out; NaN where no others are left, and for scores that are no logits.
        """
        kept = ~self.unranked
        if not self.are_logits or not kept.any():
            return math.nan
        own, other = _log_probabilities(self.logits[kept], self.multi_label)
        targets = self.targets[kept]
        if self.multi_label:
            # A label of zero must not meet an infinite logarithm.
            return float(-np.mean(np.where(targets == 1, own, other)))
        return float(-np.mean(own[np.arange(len(own)), targets.astype(np.int64)]))

    def measures(self) -> dict[str, float]:
        """The measures by name, accuracies and precisions in per cent.

        One label a video: `top1`, `top5` (k is at most the number of classes), `fitness`, their sum
        (paper 4.1). Several: `mAP` and `wAP` as the official script computes them, NaN where a
        class has no video; `mAP_present` and `wAP_present` over the other classes; `fitness` is
        `mAP_present`. And `loss`.
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
        """The measures that a text can hold in its `score`: those that are numbers."""
        known = {attribute.name for attribute in STATEMENTS["score"].attributes}
        found = self.measures().items()
        return Score(tuple((k, v) for k, v in found if k in known and math.isfinite(v)))

    def ranks(self) -> NDArray[np.int64]:
        """How many classes stand before the right one, (videos,). For one label a video alone."""
        return target_ranks(self.logits, self.targets.astype(np.int64))


def average_clips(logits: NDArray[np.float64], *, multi_label: bool) -> Scores:
    """The logits (N, classes) of the probabilities that (N, clips, classes) have on average.

    Probabilities are averaged, as the paper does (A.6), but by their logarithms, so that what was
    told apart does not become a tie near 1. One clip's logits come back as they are.

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
    """The logarithm of each class's probability, and with several labels of its complement.

    Of NaN, and of the softmax of an infinite logit, it is NaN.
    """
    with np.errstate(invalid="ignore"):
        if multi_label:
            return -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        own = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        return own, own
