"""CUDA's contract, checked on the CPU: what an engine may call in a training step on a GPU.

A dispatch mode sees every operation of PyTorch that is called inside it, forward and backward. It
plays the parts of CUDA's behaviour that a CPU hides:

- `native_batch_norm_backward` without a weight returns sums of size 0 (CUDA's channels-last
  kernel).
- Operations of `mkldnn::` exist on CPUs only.
- Reading a value (`_local_scalar_dense`) and operations with results of unknown size wait for the
  device. So does an index that is a list, and every other tensor made from a Python value: its
  copy to the device is not asynchronous.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_WAITING = {
    "aten::_local_scalar_dense": "a value is read from the device",
    "aten::lift_fresh": "a tensor is made from a Python value, such as an index that is a list",
    "aten::nonzero": "the size of the result depends on values",
    "aten::masked_select": "the size of the result depends on values",
    "aten::_unique2": "the size of the result depends on values",
}


class BrokenContract(AssertionError):
    """An operation fails on CUDA, or waits for the device."""


class CudaContract(TorchDispatchMode):
    """The mode. With `may_wait` only operations that fail on CUDA are errors."""

    def __init__(self, *, may_wait: bool = False) -> None:
        super().__init__()
        self.may_wait = may_wait
        self.calls = 0
        """Number of operations so far: on a GPU, about the number of kernels."""

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = operation.name().partition(".")[0]
        self.calls += 1
        if name.startswith("mkldnn::"):
            raise BrokenContract(f"{name} exists on CPUs only")
        if not self.may_wait and name in _WAITING:
            raise BrokenContract(f"{name}: {_WAITING[name]}")
        result = operation(*args, **(kwargs or {}))
        if name == "aten::native_batch_norm_backward" and args[2] is None:
            grad_input, *sums = result
            return grad_input, *(part if part is None else part.new_empty(0) for part in sums)
        return result


def calls_of(step: Callable[[], object], *, may_wait: bool = False) -> int:
    """Run a step in the mode, and return its number of operations."""
    with CudaContract(may_wait=may_wait) as mode:
        step()
    return mode.calls
