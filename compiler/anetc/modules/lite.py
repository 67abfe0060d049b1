"""The stem, the blocks and the sink of a network with `blocks=lite` (AssembleNet++ lite).

All padding is TensorFlow's "same": an odd cell of padding is at the bottom or at the right, unlike
the symmetric padding of the full blocks (semantics 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from anetc.modules.layers import Conv, batch_norm, same_padding, spatial_conv, temporal_conv
from anetc.modules.sink import Sink
from anetdsl.vocabulary import LITE_SINK_WIDTHS

if TYPE_CHECKING:
    from anetdsl.ir import Triple


class SameConv(Conv):
    """A 3x3 convolution of each frame with a stride and TensorFlow's "same" padding.

    (N, in, T, H, W) -> (N, out, T, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, (1, 3, 3), stride=stride, same=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of (N, in, T, H, W)."""
        pads: list[int] = []
        for size in (x.shape[4], x.shape[3]):
            stride = self.stride[1]
            total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
            begin = same_padding(size, 3, stride)
            pads += [begin, total - begin]
        return super().forward(nn.functional.pad(x, pads))


class LiteStem(nn.Module):
    """A lite stem: a 3x3 convolution of stride 2 and a temporal convolution (semantics 2).

    (N, in, T, H, W) -> (N, C, T, ceil(H / 2), ceil(W / 2)), for RGB and flow alike.
    """

    def __init__(self, in_channels: int, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = SameConv(in_channels, channels, 2)
        self.conv_bn = batch_norm(channels)
        self.tconv = temporal_conv(channels, channels, 3, dilation)
        self.tconv_bn = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the stem for an input (N, in, T, H, W)."""
        x = torch.relu(self.conv_bn(self.conv(x)))
        return torch.relu(self.tconv_bn(self.tconv(x)))


class LiteModule(nn.Module):
    """A residual module of widths f0, f1, f2 (semantics 4).

    (N, in, T, H, W) -> (N, f2, T, ceil(H / stride), ceil(W / stride)). The second convolution is
    3x3x3; with a stride it is 3x3 in space, followed by a temporal one. The dilation is that of
    time. Without a projection, `in` is f2 and the stride is 1.
    """

    def __init__(
        self, in_channels: int, widths: Triple, dilation: int, *, stride: int, project: bool
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.project = project
        self.strided = stride > 1
        if project:
            self.proj = spatial_conv(in_channels, third, 1, stride)
            self.proj_bn = batch_norm(third)
        self.conv1 = spatial_conv(in_channels, first, 1)
        self.conv1_bn = batch_norm(first)
        if self.strided:
            self.conv2: Conv = SameConv(first, second, stride)
            self.tconv = temporal_conv(second, second, 3, dilation)
            self.tconv_bn = batch_norm(second)
        else:
            self.conv2 = Conv(first, second, (3, 3, 3), dilation=dilation)
        self.conv2_bn = batch_norm(second)
        self.conv3 = spatial_conv(second, third, 1)
        self.conv3_bn = batch_norm(third)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the module for an input (N, in, T, H, W)."""
        shortcut = self.proj_bn(self.proj(x)) if self.project else x
        x = torch.relu(self.conv1_bn(self.conv1(x)))
        x = torch.relu(self.conv2_bn(self.conv2(x)))
        if self.strided:
            x = torch.relu(self.tconv_bn(self.tconv(x)))
        return torch.relu(self.conv3_bn(self.conv3(x)) + shortcut)


def lite_modules(
    in_channels: int, widths: Triple, modules: int, dilation: int, stride: int
) -> list[nn.Module]:
    """Return the modules of a lite block; the first one has the stride and a projection."""
    return [
        LiteModule(in_channels, widths, dilation, stride=stride, project=True),
        *(
            LiteModule(widths[2], widths, dilation, stride=1, project=False)
            for _ in range(1, modules)
        ),
    ]


class LiteSink(Sink):
    """The sink of a lite network: two 1x1 convolutions, then the sink of one node (semantics 5).

    (N, C, T, H, W) -> logits (N, classes).
    """

    def __init__(
        self, channels: int, classes: int, head: Literal["mean", "maxpool"] = "mean"
    ) -> None:
        first, second = LITE_SINK_WIDTHS
        super().__init__([second], classes, head=head)
        self.conv1 = spatial_conv(channels, first, 1)
        self.conv1_bn = batch_norm(first)
        self.conv2 = spatial_conv(first, second, 1)
        self.conv2_bn = batch_norm(second)

    def forward(self, features: list[Tensor]) -> Tensor:  # type: ignore[override]
        """Return the logits (N, classes) for the output of the one node that the sink reads."""
        x = torch.relu(self.conv1_bn(self.conv1(features[0])))
        x = torch.relu(self.conv2_bn(self.conv2(x)))
        return super().forward([x])
