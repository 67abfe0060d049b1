"""Measure the machine's limits: a large convolution and a large copy.

Networks spend most of their time in such convolutions: 3x3, 256 to 256 channels, in the layout and
with the library that plans use. The size suits every processor. A network's own convolutions are
smaller, have fewer channels or a stride, so networks stay below this ceiling.
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
"""Count of float32 numbers that are copied: 256 MiB, more than caches hold."""
NUMBER_BYTES = 4

Clock = Callable[[], float]
"""Function that returns seconds since a fixed moment."""
GFLOP = 2e-9 * IMAGES * SIDE * SIDE * CHANNELS * CHANNELS * 9


@attrs.frozen
class Ceiling:
    """A convolution of one data type."""

    x: Tensor
    weight: Tensor

    @classmethod
    def of(cls, dtype: torch.dtype) -> Ceiling:
        """Return a convolution of random numbers, drawn from a fixed seed."""
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=generator)
        weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator)
        layout = torch.channels_last
        return cls(*(part.to(dtype).contiguous(memory_format=layout) for part in (x, weight)))

    def gflops(self, clock: Clock = time.perf_counter) -> float:
        """Run once and return billions of floating-point operations per second."""
        start = clock()
        functional.conv2d(self.x, self.weight, padding=1)
        return GFLOP / (clock() - start)


@attrs.frozen
class Copy:
    """A copy from one tensor to another."""

    source: Tensor
    target: Tensor

    @classmethod
    def of(cls, count: int = COPIED) -> Copy:
        """Return a copy of `count` float32 numbers."""
        return cls(torch.ones(count), torch.zeros(count))

    def bytes_per_second(self, clock: Clock = time.perf_counter) -> float:
        """Run once and return the bytes read and written per second."""
        start = clock()
        self.target.copy_(self.source)
        return 2 * NUMBER_BYTES * self.source.numel() / (clock() - start)
