"""Reuse the memory of large results within one forward pass.

The operating system provides large blocks page by page, filled with zeros, and takes them back when
they are freed. So filling a new tensor of 50 MiB takes ten times as long as filling it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
import torch
from torch import Tensor

MIN_BYTES = 32 << 20
"""Smallest size of a block in the pool. The C library (glibc) keeps smaller blocks itself and
requests larger ones from the system each time."""
MAX_BLOCKS = 2
"""Most blocks in the pool, so that a forward pass holds little more memory than it needs."""


@attrs.define
class BufferPool:
    """Unused blocks of memory, in order of size."""

    protected: frozenset[int]
    """Addresses of the inputs' memory, which belongs to the caller and is never reused."""
    blocks: list[Tensor] = attrs.Factory(list)

    @classmethod
    def protecting(cls, inputs: Iterable[Tensor]) -> BufferPool:
        """Return an empty pool that never reuses the memory of these tensors."""
        return cls(frozenset(map(_address, inputs)))

    def release(self, tensor: Tensor, live: Iterable[Tensor]) -> None:
        """Add a tensor's memory to the pool, unless a tensor of `live` or an input shares it."""
        size, address = tensor.untyped_storage().nbytes(), _address(tensor)
        if size < MIN_BYTES or address in self.protected:
            return
        if any(address == _address(other) for other in live):
            return
        self.blocks.append(tensor.as_strided((size // tensor.element_size(),), (1,), 0))
        self.blocks.sort(key=Tensor.numel)
        del self.blocks[: max(len(self.blocks) - MAX_BLOCKS, 0)]

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        """Return an uninitialised channels-last tensor (B, C, H, W), or None if no block fits."""
        count, channels, height, width = shape
        size = math.prod(shape)
        if size * dtype.itemsize < MIN_BYTES:
            return None
        for place, block in enumerate(self.blocks):
            if block.dtype == dtype and block.numel() >= size:
                del self.blocks[place]
                return block[:size].view(count, height, width, channels).permute(0, 3, 1, 2)
        return None


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
