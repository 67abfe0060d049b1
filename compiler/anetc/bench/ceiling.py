"""Measure the machine's limits: a large convolution and a large copy.

Networks spend most of their time in such convolutions: 3x3, 256 to 256 channels, in the layout and
with the library that plans use. The size suits every processor. A network's own convolutions are
smaller, have fewer channels or a stride, so networks stay below this ceiling.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.nn import functional

CHANNELS = 256
IMAGES = 8
GPU_IMAGES = 512
"""Images of the convolution on a GPU, which has some hundred times as many lanes as a CPU."""
SIDE = 28
COPIED = 1 << 26
"""Count of float32 numbers that are copied: 256 MiB, more than caches hold."""
NUMBER_BYTES = 4

Clock = Callable[[], float]
"""Function that returns seconds since a fixed moment."""
_IMAGE_GFLOP = 2e-9 * SIDE * SIDE * CHANNELS * CHANNELS * 9


class EventClock:
    """The clock of a GPU: seconds since its creation, when all work so far is done.

    The moments are CUDA events, so that the answer does not count the way back to the processor.
    """

    def __init__(self) -> None:
        self._start: Any = _event()
        self._start.record()

    def __call__(self) -> float:
        """Wait for the GPU and return the seconds."""
        event = _event()
        event.record()
        event.synchronize()
        return float(self._start.elapsed_time(event)) / 1000


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


@attrs.frozen
class Ceiling:
    """A convolution of one data type."""

    x: Tensor
    weight: Tensor

    @classmethod
    def of(cls, dtype: torch.dtype, device: str = "cpu") -> Ceiling:
        """Return a convolution of random numbers, drawn from a fixed seed."""
        generator = torch.Generator().manual_seed(0)
        images = IMAGES if device == "cpu" else GPU_IMAGES
        x = torch.randn(images, CHANNELS, SIDE, SIDE, generator=generator)
        weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator)
        layout = torch.channels_last
        parts = (part.to(device, dtype).contiguous(memory_format=layout) for part in (x, weight))
        return cls(*parts)

    def gflops(self, clock: Clock = time.perf_counter) -> float:
        """Run once and return billions of floating-point operations per second."""
        start = clock()
        functional.conv2d(self.x, self.weight, padding=1)
        return len(self.x) * _IMAGE_GFLOP / (clock() - start)


@attrs.frozen
class Copy:
    """A copy from one tensor to another."""

    source: Tensor
    target: Tensor

    @classmethod
    def of(cls, count: int = COPIED, device: str = "cpu") -> Copy:
        """Return a copy of `count` float32 numbers."""
        return cls(torch.ones(count, device=device), torch.zeros(count, device=device))

    def bytes_per_second(self, clock: Clock = time.perf_counter) -> float:
        """Run once and return the bytes read and written per second."""
        start = clock()
        self.target.copy_(self.source)
        return 2 * NUMBER_BYTES * self.source.numel() / (clock() - start)
