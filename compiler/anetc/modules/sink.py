"""The sink: from the last blocks' outputs to logits (paper A.4, semantics 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sink(nn.Module):
    """Spatial and temporal averages of each input, combined, and a linear layer `fc`.

    Sequence of (N, C_i, T, H_i, W_i) -> logits (N, classes). With the `maxpool` head every frame is
    classified, and a frame's logits count by the softmax over time of logits / sqrt(T), class by
    class: the authors' alternative for long clips. Inputs to be averaged have equal channels.
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
        """The logits (N, classes)."""
        frames = [x.mean(dim=(3, 4)).transpose(1, 2) for x in features]  # (N, T, C_i)
        if self.head == "mean":
            return self.classify([x.mean(dim=1) for x in frames])
        logits = self.classify(frames)  # (N, T, classes)
        shares = torch.softmax(logits / math.sqrt(logits.shape[1]), dim=1)
        return (shares * logits).sum(dim=1)

    def classify(self, vectors: Sequence[Tensor]) -> Tensor:
        """The linear layer on the combination of (..., C_i): (..., classes)."""
        if self.combine == "concat":
            joined = torch.cat(list(vectors), dim=-1)
        else:
            joined = torch.stack(list(vectors)).mean(dim=0)
        logits: Tensor = self.fc(joined)
        return logits
