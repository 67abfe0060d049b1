"""The blocks of Python artifacts; `python_source` copies those that a network needs.

The code may import torch only. Lines have at most 88 columns, the default of formatters.
`standalone_plus` has the blocks of AssembleNet++.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - common in PyTorch code


class TimeConv(nn.Conv2d):
    """Convolution over time, with a dilation in frames.

    It views the memory of (N*T, C, H, W) as (N, C, T, H*W) and copies nothing.
    """

    def __init__(self, in_channels: int, channels: int, size: int, dilation: int):
        padding = (dilation * (size // 2), 0)
        super().__init__(in_channels, channels, (size, 1), 1, padding, (dilation, 1))

    def forward(self, x: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """Map (N*T, C, H, W) to (N*T, channels, H, W)."""
        count, channels, height, width = x.shape
        x = x.permute(0, 2, 3, 1).reshape(-1, frames, height * width, channels)
        x = super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x.reshape(count, height, width, -1).permute(0, 3, 1, 2)


class Stem(nn.Module):
    """7x7 convolution of stride 2, temporal convolution (RGB only), max pooling."""

    def __init__(self, in_channels: int, channels: int, dilation: int | None = None):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3)
        self.tconv = TimeConv(channels, channels, 5, dilation) if dilation else None

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, in, H, W) to (N*T, C, H/4, W/4)."""
        x = self.conv(x).relu_()
        if self.tconv is None:
            return max_pool(x, 2, 2)
        return max_pool(self.tconv(x, frames).relu_(), 3, 2)


class ResidualModule(nn.Module):
    """Residual module: 1x1 or temporal, 3x3 and 1x1 convolution; widths C, D, 4C."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        width: int,
        stride: int = 1,
        dilation: int | None = None,
        project: bool = False,
    ):
        super().__init__()
        if project:
            self.proj = nn.Conv2d(in_channels, 4 * channels, 1, stride)
        if dilation is None:
            self.conv1 = nn.Conv2d(in_channels, channels, 1)
        else:
            self.tconv = TimeConv(in_channels, channels, 3, dilation)
        self.conv2 = nn.Conv2d(channels, width, 3, stride, padding=1)
        self.conv3 = nn.Conv2d(width, 4 * channels, 1)
        self.project, self.temporal = project, dilation is not None

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Map (N*T, in, H, W) to (N*T, 4C, H/stride, W/stride)."""
        shortcut = self.proj(x) if self.project else x
        x = self.tconv(x, frames) if self.temporal else self.conv1(x)
        x = self.conv2(x.relu_()).relu_()
        x = self.conv3(x)
        return x.add_(shortcut).relu_()


class Connection(nn.Module):
    """Weighted sum of the inputs of a block.

    `sources` holds, for each input, its channels and the ratio of its map size to the
    smallest one. Larger maps are pooled. Inputs of equal channels are summed first;
    sums of other channels than `width` pass a 1x1 convolution.
    """

    gates: Tensor

    def __init__(self, sources: list[tuple[int, int]], width: int | None = None):
        super().__init__()
        self.sources = sources
        self.width = width or max(channels for channels, _ in sources)
        others = sorted({channels for channels, _ in sources} - {self.width})
        adapters = {str(c): nn.Conv2d(c, self.width, 1, bias=False) for c in others}
        self.adapt = nn.ModuleDict(adapters)
        if len(sources) > 1:
            self.register_buffer("gates", torch.ones(len(sources)))

    def forward(self, features: list[Tensor], *peers: Tensor) -> Tensor:
        """Return the sum of the features at the smallest size.

        `peers` are for attention, here and in the other classes.
        """
        height = min(x.shape[2] for x in features)
        width = min(x.shape[3] for x in features)
        sums: dict[int, Tensor] = {}
        for index, x in enumerate(features):
            channels, ratio = self.sources[index]
            x = self.term(shrink(x, height, width, ratio), index, *peers)
            sums[channels] = sums[channels].add_(x) if channels in sums else x
        total = sums.pop(self.width)
        for channels, x in sums.items():
            total = total.add_(self.adapt[str(channels)](x))
        return total

    def term(self, x: Tensor, index: int, *peers: Tensor) -> Tensor:
        """Return an input times its gate, sigmoid(weight). A sole input has no gate."""
        return self.gates[index] * x if len(self.sources) > 1 else x


class Block(nn.Module):
    """A connection, then alternating 2D and (2+1)D residual modules."""

    def __init__(
        self,
        fuse: Connection,
        channels: int,
        width: int,
        modules: int,
        dilation: int,
        stride: int,
    ):
        super().__init__()
        self.fuse = fuse
        first = ResidualModule(fuse.width, channels, width, stride, project=True)
        self.modules_ = nn.ModuleList([first])
        for index in range(1, modules):
            time_dilation = dilation if index % 2 else None
            self.modules_.append(
                ResidualModule(4 * channels, channels, width, dilation=time_dilation)
            )

    def forward(self, features: list[Tensor], frames: int, *peers: Tensor) -> Tensor:
        """Return the output of the block, (N*T, 4C, H/stride, W/stride)."""
        x: Tensor = self.fuse(features, *peers)
        for module in self.modules_:
            x = module(x, frames)
        return x


class Sink(nn.Module):
    """Means of the last blocks over space and time, combined, then a linear layer.

    The head `maxpool` classifies each frame; a softmax over time weights the frames.
    """

    def __init__(self, channels: int, classes: int, combine: str, head: str):
        super().__init__()
        self.fc = nn.Linear(channels, classes)
        self.combine, self.head = combine, head

    def forward(self, features: list[Tensor], frames: int) -> Tensor:
        """Return the logits, (N, classes)."""
        means = frame_means(features)
        vectors = [mean.reshape(-1, frames, mean.shape[1]) for mean in means]
        if self.head == "mean":
            vectors = [x.mean(dim=1) for x in vectors]
        if self.combine == "concat":
            x = torch.cat(vectors, dim=-1)
        else:
            x = torch.stack(vectors).mean(dim=0)
        logits: Tensor = self.fc(x)
        if self.head == "mean":
            return logits
        shares = torch.softmax(logits / frames**0.5, dim=1)
        return (shares * logits).sum(dim=1)


def as_frames(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert (N, C, T, H, W) to (N*T, C, H, W), channels last in memory."""
    x = x.to(dtype).permute(0, 2, 3, 4, 1).flatten(0, 1)
    return x.contiguous().permute(0, 3, 1, 2)


def frame_means(features: list[Tensor]) -> list[Tensor]:
    """Return the mean over space of each (N*T, C, H, W), (N*T, C) in float32."""
    return [x.float().mean(dim=(2, 3)) for x in features]


def same_padding(size: int, window: int, stride: int) -> int:
    """Return how many cells of padding give ceil(size / stride) windows."""
    cells = -(-size // stride)
    return max((cells - 1) * stride + window - size, 0)


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """Max-pool to ceil(size / stride) cells; odd padding puts more at the end."""
    before = [same_padding(size, window, stride) // 2 for size in x.shape[2:]]
    return F.max_pool2d(x, window, stride, before, ceil_mode=True)


def shrink(x: Tensor, height: int, width: int, ratio: int) -> Tensor:
    """Max-pool to (height, width), by `ratio` if the rounded ratio does not fit."""
    if x.shape[2:] == (height, width):
        return x
    guess = (x.shape[2] + 1) // height
    if (-(-x.shape[2] // guess), -(-x.shape[3] // guess)) == (height, width):
        ratio = guess
    return max_pool(x, ratio, ratio)


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file.

    The file holds the length of its JSON header, the header, and the tensors.
    """
    size = Path(path).stat().st_size
    data = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    start = 8 + int.from_bytes(bytes(data[:8].tolist()), "little")
    header = json.loads(bytes(data[8:start].tolist()))
    header.pop("__metadata__", None)
    dtypes = {"F32": torch.float32, "BF16": torch.bfloat16}
    tensors = {}
    for name, entry in header.items():
        first, end = (start + offset for offset in entry["data_offsets"])
        tensor = data[first:end].view(dtypes[entry["dtype"]])
        tensors[name] = tensor.view(entry["shape"])
    return tensors
