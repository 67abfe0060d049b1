"""Inductor, with a mistake of its scheduler mended.

PyTorch 2.13 plans loops anew when it fuses operations, and forgets by that which of them read what
another has changed in place, as a residual sum that a convolution adds to. Some ran too early, and
frozen networks gave wrong numbers (pytorch/pytorch#185509; newer versions have #185873).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def mended_scheduler() -> Iterator[None]:
    """What Inductor compiles in this block reads nothing before it is written."""
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
