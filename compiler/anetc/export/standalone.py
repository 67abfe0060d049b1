"""The blocks of Python artifacts. `anetc.export.python_source` copies the code below the mark.

The code may import torch only. Lines have at most 88 columns, the default of formatters.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - common in PyTorch code

# --- copied from here


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


class Block(nn.Module):
    """Weighted sum of the inputs, then alternating 2D and (2+1)D residual modules.

    `sources` holds, for each input, its channels and the ratio of its map size to the
    smallest one. Larger maps are pooled. Inputs with fewer channels are summed first
    and pass a 1x1 convolution.
    """

    gates: Tensor

    def __init__(
        self,
        sources: list[tuple[int, int]],
        channels: int,
        width: int,
        modules: int,
        dilation: int,
        stride: int,
    ):
        super().__init__()
        self.sources = sources
        self.most = max(channels for channels, _ in sources)
        fewer = {str(c): nn.Conv2d(c, self.most, 1, bias=False) for c, _ in sources}
        fewer.pop(str(self.most))
        self.adapt = nn.ModuleDict(fewer)
        self.register_buffer("gates", torch.ones(len(sources)))
        first = ResidualModule(self.most, channels, width, stride, project=True)
        self.modules_ = nn.ModuleList([first])
        for index in range(1, modules):
            time_dilation = dilation if index % 2 else None
            self.modules_.append(
                ResidualModule(4 * channels, channels, width, dilation=time_dilation)
            )

    def forward(self, features: list[Tensor], frames: int) -> Tensor:
        """Return the output of the block, (N*T, 4C, H/stride, W/stride)."""
        x = features[0] if len(features) == 1 else self.fuse(features)
        for module in self.modules_:
            x = module(x, frames)
        return x

    def fuse(self, features: list[Tensor]) -> Tensor:
        """Return the sum of the features times their gates, sigmoid(weight)."""
        height = min(x.shape[2] for x in features)
        width = min(x.shape[3] for x in features)
        sums: dict[int, Tensor] = {}
        for index, x in enumerate(features):
            gate, (channels, ratio) = self.gates[index], self.sources[index]
            term = gate * shrink(x, height, width, ratio)
            sums[channels] = sums[channels].add_(term) if channels in sums else term
        total = sums.pop(self.most)
        for channels, term in sums.items():
            total = total.add_(self.adapt[str(channels)](term))
        return total


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
        means = [x.float().mean(dim=(2, 3)) for x in features]
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


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    """Max-pool to ceil(size / stride) cells; odd padding puts more at the end."""
    padding = []
    for size in x.shape[2:]:
        cells = -(-size // stride)
        padding.append(max((cells - 1) * stride + window - size, 0) // 2)
    return F.max_pool2d(x, window, stride, padding, ceil_mode=True)


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
