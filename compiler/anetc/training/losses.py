"""Loss functions (semantics 10)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def loss_of(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean loss of logits (N, classes).

    For `targets` int64 (N,) it is the cross-entropy with the softmax of the logits. The target is
    1 - s + s / classes for the clip's class and s / classes for the others, where s is the
    smoothing. For `targets` float (N, classes) of zeros and ones it is the binary cross-entropy
    with the sigmoid, averaged over the classes, without smoothing, as in
    `official/vision/tasks/video_classification.py` of the authors' TensorFlow port.
    """
    logits = logits.float()
    if targets.is_floating_point():
        return functional.binary_cross_entropy_with_logits(logits, targets)
    return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
