"""Stems: the blocks of level 0, which read the inputs of the network (paper 3.1, A.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.modules.layers import batch_norm, max_pool, spatial_conv, temporal_conv
from anetdsl.vocabulary import OBJECT_STEM_STRIDE

if TYPE_CHECKING:
    from anetdsl.ir import Kind


class Stem(nn.Module):
    """A stem: a 7x7 convolution, a temporal convolution for RGB, and a max pool (semantics 2).

    (N, in, T, H, W) -> (N, C, T, ceil(H / 4), ceil(W / 4)). The temporal convolution of an RGB stem
    has 5 frames, and its pool is 3x3. A flow stem has no temporal convolution, ignores `dilation`
    and pools 2x2.
    """

    def __init__(self, in_channels: int, channels: int, kind: Kind, dilation: int) -> None:
        super().__init__()
        self.conv = spatial_conv(in_channels, channels, 7, stride=2)
        self.conv_bn = batch_norm(channels)
        self.temporal = kind == "rgb"
        self.window = 3 if self.temporal else 2
        if self.temporal:
            self.tconv = temporal_conv(channels, channels, 5, dilation)
            self.tconv_bn = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the stem for an input (N, in, T, H, W)."""
        x = torch.relu(self.conv_bn(self.conv(x)))
        if self.temporal:
            x = torch.relu(self.tconv_bn(self.tconv(x)))
        return max_pool(x, self.window, stride=2)


class ObjectStem(nn.Module):
    """The stem of an object input: a 4x4 max pool of stride 4 without weights (semantics 2).

    (N, K, T, H, W) -> (N, K, T, ceil(H / 4), ceil(W / 4)).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the stem for segmentation maps (N, K, T, H, W)."""
        return max_pool(x, OBJECT_STEM_STRIDE, stride=OBJECT_STEM_STRIDE)
