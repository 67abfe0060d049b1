"""What training makes small (semantics 10)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def loss_of(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """The mean loss of logits (N, classes).

    With `targets` int64 (N,): cross-entropy with the softmax of the logits, the target being
    1 - s + s / classes for the clip's class and s / classes for the others, s the smoothing. With
    `targets` float (N, classes) of zeros and ones: binary cross-entropy with the sigmoid, averaged
    over the classes, without smoothing, as `official/vision/tasks/video_classification.py` of the
    authors' TensorFlow port has it.
    """
    logits = logits.float()
    if targets.is_floating_point():
        return functional.binary_cross_entropy_with_logits(logits, targets)
    return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
