"""Blocks of levels 1 to 4: 2D and (2+1)D residual modules (paper 3.1, A.3; semantics 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.modules.layers import batch_norm, spatial_conv, temporal_conv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anetc.modules.connection import Connection


class ResidualModule(nn.Module):
    """A residual module: a shortcut and three convolutions of widths C, D and 4C.

    (N, in, T, H, W) -> (N, 4C, T, ceil(H / stride), ceil(W / stride)). The convolutions of a 2D
    module are 1x1, 3x3 and 1x1. With a `dilation` the module is (2+1)D: its first convolution is
    temporal, over 3 frames that are `dilation` apart. The stride is that of the 3x3 convolution
    and of the shortcut's projection. Without a projection, `in` is 4C and the stride is 1.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        width: int,
        *,
        stride: int = 1,
        dilation: int | None = None,
        project: bool = False,
    ) -> None:
        super().__init__()
        out_channels = 4 * channels
        self.project = project
        self.temporal = dilation is not None
        if project:
            self.proj = spatial_conv(in_channels, out_channels, 1, stride)
            self.proj_bn = batch_norm(out_channels)
        if dilation is not None:
            self.tconv = temporal_conv(in_channels, channels, 3, dilation)
            self.tconv_bn = batch_norm(channels)
        else:
            self.conv1 = spatial_conv(in_channels, channels, 1)
            self.conv1_bn = batch_norm(channels)
        self.conv2 = spatial_conv(channels, width, 3, stride)
        self.conv2_bn = batch_norm(width)
        self.conv3 = spatial_conv(width, out_channels, 1)
        self.conv3_bn = batch_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the module for an input (N, in, T, H, W)."""
        shortcut = self.proj_bn(self.proj(x)) if self.project else x
        first = self.tconv_bn(self.tconv(x)) if self.temporal else self.conv1_bn(self.conv1(x))
        second = self.conv2_bn(self.conv2(torch.relu(first)))
        third = self.conv3_bn(self.conv3(torch.relu(second)))
        return torch.relu(third + shortcut)


class Block(nn.Module):
    """A node of levels 1 to 4: its connection `fuse` and its residual modules `m0`, `m1`, ...

    Sequence of (N, C_i, T, H_i, W_i) -> (N, channels, T, ceil(H / stride), ceil(W / stride)), where
    H and W are the smallest of the inputs. `m0` has the stride.
    """

    def __init__(self, fuse: Connection, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.fuse = fuse
        self.count = len(modules)
        for index, module in enumerate(modules):
            self.add_module(f"m{index}", module)

    def forward(
        self, features: Sequence[Tensor], peers: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the output of the node. `peers` are those of `Connection.forward`."""
        x: Tensor = self.fuse(features, peers)
        for index in range(self.count):
            x = self.get_submodule(f"m{index}")(x)
        return x


def residual_modules(
    in_channels: int, channels: int, width: int, modules: int, dilation: int, stride: int
) -> list[nn.Module]:
    """Return the modules of a block; `m1`, `m3`, ... are (2+1)D."""
    first = ResidualModule(in_channels, channels, width, stride=stride, project=True)
    return [
        first,
        *(
            ResidualModule(4 * channels, channels, width, dilation=dilation if index % 2 else None)
            for index in range(1, modules)
        ),
    ]
