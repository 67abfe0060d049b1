"""What the machine can do: a large convolution, and a copy, timed like anything else.

The convolution is the kind that networks spend most time in, at a size that suits every processor:
3x3 from 256 to 256 channels, in the layout and by the library that plans use. A network's own are
smaller, thinner or strided, so the ceiling is one that is hardly reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import torch
from torch import Tensor
from torch.nn import functional

CHANNELS = 256
IMAGES = 8
SIDE = 28
COPIED = 1 << 26
"""Numbers that are copied: 256 MiB, more than caches hold."""
NUMBER_BYTES = 4

Clock = Callable[[], float]
"""Seconds since some moment."""
GFLOP = 2e-9 * IMAGES * SIDE * SIDE * CHANNELS * CHANNELS * 9


@attrs.frozen
class Ceiling:
    """Tensors of a convolution in one type."""

    x: Tensor
    weight: Tensor

    @classmethod
    def of(cls, dtype: torch.dtype) -> Ceiling:
        """Made of numbers drawn from a fixed seed."""
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=generator)
        weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator)
        layout = torch.channels_last
        return cls(*(part.to(dtype).contiguous(memory_format=layout) for part in (x, weight)))

    def gflops(self, clock: Clock = time.perf_counter) -> float:
        """Billions of operations a second of one run."""
        start = clock()
        functional.conv2d(self.x, self.weight, padding=1)
        return GFLOP / (clock() - start)


@attrs.frozen
class Copy:
    """Memory to copy, and to copy it to."""

    source: Tensor
    target: Tensor

    @classmethod
    def of(cls, count: int = COPIED) -> Copy:
        """So many numbers of single precision."""
        return cls(torch.ones(count), torch.zeros(count))

    def bytes_per_second(self, clock: Clock = time.perf_counter) -> float:
        """Bytes read and written a second, of one run."""
        start = clock()
        self.target.copy_(self.source)
        return 2 * NUMBER_BYTES * self.source.numel() / (clock() - start)
