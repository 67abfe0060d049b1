"""Connections: combine the outputs of several nodes into one input (paper 3.1, Figure 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from anetc.modules.layers import max_pool, spatial_conv
from anetdsl.ir import UNTRAINED_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anetc.modules.attention import PeerAttention, SelfAttention


class Source(NamedTuple):
    """One input of a node."""

    channels: int
    stride: int
    """Total spatial stride, from the network's inputs to this output."""
    weight: float | None = None
    """Edge weight sigmoid(w) in the text; None if untrained."""


class Connection(nn.Module):
    """The sum of sigmoid(w_i) F_i over the inputs F_i of a node, at one size (semantics 3).

    Sequence of (N, C_i, T, H_i, W_i) -> (N, out_channels, T, min H_i, min W_i). Larger inputs are
    max-pooled (`pool_ratio`). If there is an `attention`, it scales the inputs. Inputs with equal
    channels are summed first. A sum with other channels than `out_channels` passes through a 1x1
    convolution `adapt{A}to{B}`. A sole input is neither weighted nor adapted.

    `w` holds the edge weights before the sigmoid: a parameter if they are `learned`, else a buffer.
    A node with one input has no `w`. The stride of each source must divide the largest stride.
    `out_channels` are by default those of the widest input.
    """

    w: Tensor

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        learned: bool,
        out_channels: int | None = None,
        attention: SelfAttention | PeerAttention | None = None,
    ) -> None:
        super().__init__()
        if out_channels is None or len(sources) == 1:
            out_channels = max(source.channels for source in sources)
        self.out_channels = out_channels
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
        self.attention = attention

    def adapter_name(self, channels: int) -> str:
        """Return the name of the adapter for inputs with this number of channels."""
        return f"adapt{channels}to{self.out_channels}"

    def forward(
        self, features: Sequence[Tensor], peers: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the input of the node from its source outputs, in the order of `inputs`.

        `peers` holds the spatial means of the nodes of lower levels, for peer attention.
        """
        if len(features) == 1:
            return self._attended(features, peers)[0]
        height = min(x.shape[-2] for x in features)
        width = min(x.shape[-1] for x in features)
        terms = [
            gate * _shrink(x, height, width, ratio)
            for gate, x, ratio in zip(torch.sigmoid(self.w), features, self.ratios, strict=True)
        ]
        attended = self._attended(terms, peers)
        sums = []
        for channels, members in self.groups.items():
            total = _add([attended[index] for index in members])
            if channels != self.out_channels:
                total = self.get_submodule(self.adapter_name(channels))(total)
            sums.append(total)
        return _add(sums)

    def _attended(
        self, terms: Sequence[Tensor], peers: Mapping[str, Tensor] | None
    ) -> Sequence[Tensor]:
        return terms if self.attention is None else self.attention(terms, peers or {})


def edge_logits(weights: Sequence[float | None], *, learned: bool) -> Tensor:
    """Return the edge weights before the sigmoid, (inputs,) float32; 0 for an untrained edge.

    Fixed weights are converted in single precision, as in the authors' code, so that the authors'
    weights give the same numbers. Where single precision overflows (0.99999999 rounds to 1), and
    for learned weights, the conversion is in double precision.
    """
    exact = torch.tensor(
        [UNTRAINED_WEIGHT if weight is None else weight for weight in weights], dtype=torch.float64
    )
    logits = torch.logit(exact).float()
    if learned:
        return logits
    single = -torch.log(1 / exact.float() - 1)
    return torch.where(single.isfinite(), single, logits)


def pool_ratio(size: tuple[int, int], smallest: tuple[int, int], stride_ratio: int) -> int:
    """Return the window and stride of the max pool from `size` (H, W) to `smallest` (H, W).

    The authors use (H + 1) // H_min for both axes. At some odd sizes this ratio does not give
    `smallest` (13 x 13 to 4 x 4 gives 3, hence 5 x 5), and the authors' code raises an error. Here
    the ratio of the total strides is used at those sizes. It always fits, because the size of a
    node is the size of the clip divided by the node's total stride, rounded up (semantics 3).

    >>> pool_ratio((9, 9), (3, 3), 4), pool_ratio((13, 13), (4, 4), 4)
    (3, 4)
    """
    ratio = (size[0] + 1) // smallest[0]
    fits = all(-(-n // ratio) == target for n, target in zip(size, smallest, strict=True))
    return ratio if fits else stride_ratio


def _shrink(x: Tensor, height: int, width: int, stride_ratio: int) -> Tensor:
    """Max-pool (N, C, T, H, W) to (N, C, T, height, width)."""
    size = (x.shape[-2], x.shape[-1])
    if size == (height, width):
        return x
    ratio = pool_ratio(size, (height, width), stride_ratio)
    return max_pool(x, ratio, ratio)


def _add(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
