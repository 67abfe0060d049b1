"""The sink: compute logits from the outputs of the last blocks (paper A.4, semantics 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sink(nn.Module):
    """Global averages of the inputs, their combination, and a linear layer `fc`.

    Sequence of (N, C_i, T, H_i, W_i) -> logits (N, classes). With the head `mean`, each input is
    averaged over space and time. The head `maxpool`, the authors' alternative for long clips,
    classifies every frame and returns a weighted sum of the frames' logits: the weight of a frame,
    for each class, is the softmax over time of logits / sqrt(T). With `combine="mean"`, all inputs
    have equal channels.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        combine: Literal["mean", "concat"] = "mean",
        head: Literal["mean", "maxpool"] = "mean",
    ) -> None:
        super().__init__()
        self.combine = combine
        self.head = head
        self.fc = nn.Linear(sum(channels) if combine == "concat" else channels[0], classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits (N, classes)."""
        frames = [x.mean(dim=(3, 4)).transpose(1, 2) for x in features]  # (N, T, C_i)
        if self.head == "mean":
            return self.classify([x.mean(dim=1) for x in frames])
        logits = self.classify(frames)  # (N, T, classes)
        shares = torch.softmax(logits / math.sqrt(logits.shape[1]), dim=1)
        return (shares * logits).sum(dim=1)

    def classify(self, vectors: Sequence[Tensor]) -> Tensor:
        """Combine vectors (..., C_i) and return the linear layer's result (..., classes)."""
        if self.combine == "concat":
            joined = torch.cat(list(vectors), dim=-1)
        else:
            joined = torch.stack(list(vectors)).mean(dim=0)
        logits: Tensor = self.fc(joined)
        return logits
