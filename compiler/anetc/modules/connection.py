"""Connections: how the outputs of several nodes become one node's input (paper 3.1, Figure 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from anetc.modules.layers import max_pool, spatial_conv
from anetdsl.ir import UNTRAINED_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence


class Source(NamedTuple):
    """One input of a node."""

    channels: int
    stride: int
    """Its total spatial stride, from the network's inputs to this output."""
    weight: float | None = None
    """sigmoid(w) as the text has it; None is untrained."""


class Connection(nn.Module):
    """The sum of sigmoid(w_i) F_i over a node's inputs F_i, made equal in size (semantics 3).

    Sequence of (N, C_i, T, H_i, W_i) -> (N, max C_i, T, min H_i, min W_i). Larger inputs are
    max-pooled (`meeting_ratio`). Inputs of equal channels are summed first; each sum that has fewer
    than the most channels passes its one 1x1 convolution `adapt{A}to{B}`. A sole input is passed on
    as it is.

    `w` holds the weights before the sigmoid: a parameter if they are `learned`, else a buffer. With
    one input there is none. Each source's stride divides the largest.
    """

    w: Tensor

    def __init__(self, sources: Sequence[Source], *, learned: bool) -> None:
        super().__init__()
        self.out_channels = max(source.channels for source in sources)
        self.weights = tuple(source.weight for source in sources)
        self.learned = learned
        largest = max(source.stride for source in sources)
        self.ratios = tuple(largest // source.stride for source in sources)
        self.groups: dict[int, list[int]] = {}
        for index, source in enumerate(sources):
            self.groups.setdefault(source.channels, []).append(index)
        for channels in self.groups:
            if channels != self.out_channels:
                adapter = spatial_conv(channels, self.out_channels, 1)
                self.add_module(self.adapter_name(channels), adapter)
        if len(sources) > 1:
            start = edge_logits(self.weights, learned=learned)
            if learned:
                self.w = nn.Parameter(start)
            else:
                self.register_buffer("w", start)

    def adapter_name(self, channels: int) -> str:
        """The name of the adapter of inputs with so many channels."""
        return f"adapt{channels}to{self.out_channels}"

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The node's input, from the outputs of the nodes it reads in the order of `inputs`."""
        if len(features) == 1:
            return features[0]
        height = min(x.shape[-2] for x in features)
        width = min(x.shape[-1] for x in features)
        terms = [
            gate * _shrink(x, height, width, ratio)
            for gate, x, ratio in zip(torch.sigmoid(self.w), features, self.ratios, strict=True)
        ]
        sums = []
        for channels, members in self.groups.items():
            total = _add([terms[index] for index in members])
            if channels != self.out_channels:
                total = self.get_submodule(self.adapter_name(channels))(total)
            sums.append(total)
        return _add(sums)


def edge_logits(weights: Sequence[float | None], *, learned: bool) -> Tensor:
    """Edge weights before the sigmoid, (inputs,) float32; an untrained one is 0.

    Frozen weights are turned in single precision, as the authors' code does, so that theirs give
    the same numbers; where that overflows (0.99999999 is 1 in single precision) they are turned as
    learned ones are, in double precision.
    """
    exact = torch.tensor(
        [UNTRAINED_WEIGHT if weight is None else weight for weight in weights], dtype=torch.float64
    )
    logits = torch.logit(exact).float()
    if learned:
        return logits
    single = -torch.log(1 / exact.float() - 1)
    return torch.where(single.isfinite(), single, logits)


def meeting_ratio(size: tuple[int, int], smallest: tuple[int, int], stride_ratio: int) -> int:
    """The window and stride of the pool from `size` (H, W) to the `smallest` (H, W).

    The authors' ratio (H + 1) // H_min serves both axes. At some odd sizes it misses (13 x 13 to
    4 x 4 gives 3, hence 5 x 5) and their code raises; there it is the ratio of the total strides.
    That always fits: a node's size is the input's by its total stride, rounded up (semantics 3).

    >>> meeting_ratio((9, 9), (3, 3), 4), meeting_ratio((13, 13), (4, 4), 4)
    (3, 4)
    """
    ratio = (size[0] + 1) // smallest[0]
    fits = all(-(-n // ratio) == target for n, target in zip(size, smallest, strict=True))
    return ratio if fits else stride_ratio


def _shrink(x: Tensor, height: int, width: int, stride_ratio: int) -> Tensor:
    """(N, C, T, H, W) -> (N, C, T, height, width)."""
    size = (x.shape[-2], x.shape[-1])
    if size == (height, width):
        return x
    ratio = meeting_ratio(size, (height, width), stride_ratio)
    return max_pool(x, ratio, ratio)


def _add(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
