"""Memory that a pass has done with, for results to come in the same pass.

A system hands large blocks out page by page and empty, and takes them back when they are freed: a
tensor of 50 MiB takes ten times as long to fill for the first time as again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
import torch
from torch import Tensor

LARGE = 32 << 20
"""Bytes of a block that the C library takes from the system anew each time: glibc's limit for what
it keeps. Smaller ones gain nothing by being taken again."""
MOST = 2
"""Blocks kept at once, so that a pass holds little more than what it needs."""


@attrs.define
class BufferPool:
    """The blocks that nothing uses now, the small ones first."""

    foreign: frozenset[int]
    """Memory of callers, by address: it is never given out."""
    blocks: list[Tensor] = attrs.Factory(list)

    @classmethod
    def beside(cls, inputs: Iterable[Tensor]) -> BufferPool:
        """None yet. The inputs' memory is their owners'."""
        return cls(frozenset(map(_address, inputs)))

    def give(self, tensor: Tensor, live: Iterable[Tensor]) -> None:
        """Keep a tensor's memory, unless one of `live` or a caller has it too."""
        size, address = tensor.untyped_storage().nbytes(), _address(tensor)
        if size < LARGE or address in self.foreign:
            return
        if any(address == _address(other) for other in live):
            return
        self.blocks.append(tensor.as_strided((size // tensor.element_size(),), (1,), 0))
        self.blocks.sort(key=Tensor.numel)
        del self.blocks[: max(len(self.blocks) - MOST, 0)]

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        """A tensor (B, C, H, W), channels last, of whatever numbers; None if no block fits."""
        count, channels, height, width = shape
        wanted = math.prod(shape)
        if wanted * dtype.itemsize < LARGE:
            return None
        for place, block in enumerate(self.blocks):
            if block.dtype == dtype and block.numel() >= wanted:
                del self.blocks[place]
                return block[:wanted].view(count, height, width, channels).permute(0, 3, 1, 2)
        return None


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
