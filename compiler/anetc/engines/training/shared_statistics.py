"""Compute batch statistics over all processes that train one model, each on its own clips.

The functions use collectives of `torch.distributed` in its default group. All processes must run
the same network in the same order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import torch
import torch.distributed as processes
from torch import Tensor

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


@contextlib.contextmanager
def not_shared() -> Iterator[None]:
    """Compute the statistics of the block over the clips of this process alone."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def is_distributed() -> bool:
    """Return whether this process is one of several that share their statistics."""
    if _ALONE.get():
        return False
    if not processes.is_available() or not processes.is_initialized():
        return False
    return processes.get_world_size() > 1


def global_statistics(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Return the mean, the biased variance (C,) and the number of the cells of all processes.

    The arguments are those of this process. The exchange is one collective. Every process computes
    the result from the same numbers in double precision, so that the results are equal.
    """
    own = torch.cat([mean.double(), variance.double(), _number(count, mean)])
    found = [torch.empty_like(own) for _ in range(processes.get_world_size())]
    processes.all_gather(found, own)
    parts = torch.stack(found)
    counts, channels = parts[:, -1:], len(mean)
    total = counts.sum()
    means, variances = parts[:, :channels], parts[:, channels:-1]
    whole = (counts * means).sum(0) / total
    spread = (counts * (variances + (means - whole).square())).sum(0) / total
    return whole.to(mean.dtype), spread.to(variance.dtype), int(total)


def global_sums(sums: Tensor, count: int) -> tuple[Tensor, int]:
    """Return `sums` and `count`, the number of cells, summed over all processes."""
    total = torch.cat([sums.double().flatten(), _number(count, sums)])
    processes.all_reduce(total)
    return total[:-1].to(sums.dtype).view_as(sums), int(total[-1])


def _number(count: int, like: Tensor) -> Tensor:
    return torch.tensor([count], dtype=torch.float64, device=like.device)
