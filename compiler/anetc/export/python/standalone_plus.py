"""The blocks of Python artifacts that only AssembleNet++ has: attention and lite blocks.

The rules of `standalone` hold here, too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - common in PyTorch code

from anetc.export.python.standalone import Connection, Sink, TimeConv, frame_means, same_padding


class SelfConnection(Connection):
    """Connection with attention: the means of each input scale its channels."""

    def __init__(self, sources: list[tuple[int, int]], width: int | None = None):
        super().__init__(sources, width)
        self.scales = nn.ModuleList(nn.Linear(c, c) for c, _ in sources)

    def term(self, x: Tensor, index: int, *peers: Tensor) -> Tensor:
        """Return an input times its gate and its attention."""
        x = super().term(x, index)
        (means,) = frame_means([x])
        return attended(x, self.scales[index](means))


class PeerConnection(Connection):
    """Connection with attention: the means of the peers scale the inputs' channels.

    The peers are all nodes of lower levels; `peers` holds their channels. `shares`
    (inputs, peers) holds the learned share of each peer.
    """

    shares: Tensor

    def __init__(
        self,
        sources: list[tuple[int, int]],
        peers: list[int],
        width: int | None = None,
    ):
        super().__init__(sources, width)
        self.peers = nn.ModuleList(nn.Linear(c, max(peers)) for c in peers)
        self.scales = nn.ModuleList(nn.Linear(max(peers), c) for c, _ in sources)
        self.register_buffer("shares", torch.ones(len(sources), len(peers)))

    def forward(self, features: list[Tensor], *peers: Tensor) -> Tensor:
        """Return the sum of the features; `peers` are the means (N*T, C) of peers."""
        vectors = [layer(x) for layer, x in zip(self.peers, peers, strict=True)]
        return super().forward(features, torch.stack(vectors, dim=1))

    def term(self, x: Tensor, index: int, *peers: Tensor) -> Tensor:
        """Return an input times its gate and its attention."""
        (vectors,) = peers
        mixture = self.shares[index] @ vectors
        return attended(super().term(x, index), self.scales[index](mixture))


def attended(x: Tensor, logits: Tensor) -> Tensor:
    """Return (N*T, C, H, W) with each channel times the sigmoid of its logit."""
    return x * torch.sigmoid(logits)[:, :, None, None].to(x.dtype)


class SpaceTimeConv(nn.Conv3d):
    """3x3x3 convolution, with a dilation of time in frames.

    It views the memory of (N*T, C, H, W) as (N, C, T, H, W) and copies nothing.
    """

    def __init__(self, in_channels: int, channels: int, dilation: int):
        steps = (dilation, 1, 1)
        super().__init__(in_channels, channels, 3, padding=steps, dilation=steps)

    def forward(self, x: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """Map (N*T, C, H, W) to (N*T, channels, H, W)."""
        count, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(-1, frames, height, width, channels)
        x = x.permute(0, 4, 1, 2, 3)
        if x.dtype == torch.bfloat16 and min(frames, height, width) < 3:
            # oneDNN of PyTorch 2.13 may read memory outside of such an input.
            bias = None if self.bias is None else self.bias.float()
            x = self._conv_forward(x.float(), self.weight.float(), bias)
            x = x.to(torch.bfloat16)
        else:
            x = super().forward(x)
        x = x.permute(0, 2, 3, 4, 1).reshape(count, height, width, -1)
        return x.permute(0, 3, 1, 2)


class SameConv(nn.Conv2d):
    """3x3 convolution with a stride; odd padding puts more at the end."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(in_channels, channels, 3, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N*T, C, H, W) to (N*T, channels, H/stride, W/stride)."""
        rows, columns = (same_padding(size, 3, self.stride[0]) for size in x.shape[2:])
        left, top = columns // 2, rows // 2
        return super().forward(F.pad(x, (left, columns - left, top, rows - top)))


class LiteStem(nn.Module):
    """3x3 convolution of stride 2, temporal convolution."""

    def __init__(self, in_channels: int, channels: int, dilation: int):
        super().__init__()
        self.conv = SameConv(in_channels, channels, 2)
        self.tconv = TimeConv(channels, channels, 3, dilation)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, in, H, W) to (N*T, C, H/2, W/2)."""
        x = self.conv(x).relu_()
        x = self.tconv(x, frames)
        return x.relu_()


class LiteModule(nn.Module):
    """Residual module: 1x1x1, 3x3x3 and 1x1x1 convolution; widths f0, f1, f2.

    With a stride, the second one is a 3x3 and a temporal convolution.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int],
        dilation: int,
        stride: int = 1,
        project: bool = False,
    ):
        super().__init__()
        first, second, third = widths
        if project:
            self.proj = nn.Conv2d(in_channels, third, 1, stride)
        self.conv1 = nn.Conv2d(in_channels, first, 1)
        if stride > 1:
            self.conv2: nn.Module = SameConv(first, second, stride)
            self.tconv = TimeConv(second, second, 3, dilation)
        else:
            self.conv2 = SpaceTimeConv(first, second, dilation)
        self.conv3 = nn.Conv2d(second, third, 1)
        self.project, self.strided = project, stride > 1

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, in, H, W) to (N*T, f2, H/stride, W/stride)."""
        shortcut = self.proj(x) if self.project else x
        x = self.conv1(x).relu_()
        if self.strided:
            x = self.tconv(self.conv2(x).relu_(), frames).relu_()
        else:
            x = self.conv2(x, frames).relu_()
        x = self.conv3(x)
        return x.add_(shortcut).relu_()


class LiteBlock(nn.Module):
    """A connection, then residual modules of widths f0, f1, f2."""

    def __init__(
        self,
        fuse: Connection,
        widths: tuple[int, int, int],
        modules: int,
        dilation: int,
        stride: int,
    ):
        super().__init__()
        self.fuse = fuse
        first = LiteModule(fuse.width, widths, dilation, stride, project=True)
        self.modules_ = nn.ModuleList([first])
        for _ in range(1, modules):
            self.modules_.append(LiteModule(widths[2], widths, dilation))

    def forward(self, features: list[Tensor], frames: int, *peers: Tensor) -> Tensor:
        """Return the output of the block, (N*T, f2, H/stride, W/stride)."""
        x: Tensor = self.fuse(features, *peers)
        for module in self.modules_:
            x = module(x, frames)
        return x


class LiteSink(Sink):
    """Two 1x1 convolutions of the last block, then a sink."""

    def __init__(self, channels: int, widths: tuple[int, int], classes: int, head: str):
        first, second = widths
        super().__init__(second, classes, "mean", head)
        self.conv1 = nn.Conv2d(channels, first, 1)
        self.conv2 = nn.Conv2d(first, second, 1)

    def forward(self, features: list[Tensor], frames: int) -> Tensor:
        """Return the logits, (N, classes)."""
        x = self.conv1(features[0]).relu_()
        x = self.conv2(x).relu_()
        return super().forward([x], frames)
