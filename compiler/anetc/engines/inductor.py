"""A fix for a bug in the scheduler of PyTorch's Inductor.

When Inductor of PyTorch 2.13 fuses operations, it computes their loops again. It then loses the
dependencies on tensors that another operation changes in place, such as a residual sum to which a
convolution is added. Some operations ran too early, and frozen networks gave wrong numbers
(pytorch/pytorch#185509, fixed in newer versions by #185873).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def patched_scheduler() -> Iterator[None]:
    """Keep dependencies on in-place changes in all that Inductor compiles within this block."""
    from torch._inductor.scheduler import SchedulerNode

    original = SchedulerNode.recompute_size_and_body

    def recompute(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self.set_read_writes(self.read_writes.rename(self.mutation_renames))

    SchedulerNode.recompute_size_and_body = recompute  # type: ignore[method-assign]
    try:
        yield
    finally:
        SchedulerNode.recompute_size_and_body = original  # type: ignore[method-assign]
