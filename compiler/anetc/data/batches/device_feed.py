"""Copy batches to an accelerator, one batch ahead of the computation.

The bytes of a batch (uint8 and int8, a quarter of float32) are copied from pinned memory in a
stream of their own, while the step before computes; the device scales them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs
import torch
from torch import Tensor

from anetc.data.batches.loader import Batch


class Copies(Protocol):
    """Copies to a device that do not wait for each other."""

    def start(self, tensor: Tensor) -> Tensor:
        """Start to copy a tensor of the host, and return the tensor on the device."""
        ...

    def mark(self) -> object:
        """Return a mark after the copies that have started."""
        ...

    def wait(self, mark: object, tensors: list[Tensor]) -> None:
        """Have the computations that follow wait for a mark; they use its tensors."""
        ...


def takes_bytes(device: str | torch.device) -> bool:
    """Return whether batches for a device should be compact: it scales them itself."""
    return torch.device(device).type == "cuda"


def fed(
    batches: Iterator[Batch], device: torch.device, copies: Copies | None = None
) -> Iterator[Batch]:
    """Yield the batches on a GPU; for other devices, the batches themselves.

    While a batch is in use, the next one is read and copied.
    """
    if copies is None and not takes_bytes(device):
        yield from batches
        return
    copies = copies or _CudaCopies(device)
    ahead: tuple[Batch, object] | None = None
    for batch in batches:
        started = _start(batch, copies), copies.mark()
        if ahead is not None:
            yield _finished(*ahead, copies)
        ahead = started
    if ahead is not None:
        yield _finished(*ahead, copies)


def _start(batch: Batch, copies: Copies) -> Batch:
    return attrs.evolve(
        batch,
        inputs={kind: copies.start(x) for kind, x in batch.inputs.items()},
        targets=copies.start(batch.targets),
    )


def _finished(batch: Batch, mark: object, copies: Copies) -> Batch:
    copies.wait(mark, [*batch.inputs.values(), batch.targets])
    return batch


class _CudaCopies:
    """Copies from pinned memory in a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def start(self, tensor: Tensor) -> Tensor:
        # PyTorch keeps the pinned memory until the copy has ended.
        pinned = tensor.pin_memory()
        with torch.cuda.stream(self._stream):
            return pinned.to(self._device, non_blocking=True)

    def mark(self) -> torch.cuda.Event:
        mark: torch.cuda.Event = self._stream.record_event()
        return mark

    def wait(self, mark: object, tensors: list[Tensor]) -> None:
        current = torch.cuda.current_stream(self._device)
        assert isinstance(mark, torch.cuda.Event)
        current.wait_event(mark)
        for tensor in tensors:
            # The memory belongs to the other stream: it must not be used again too early.
            tensor.record_stream(current)
