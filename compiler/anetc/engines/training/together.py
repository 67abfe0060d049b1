"""Batch statistics of several processes that train one model, each on its own clips.

Built on collectives of `torch.distributed`, in its default group. Every process has to run the same
network in the same order, as processes that train together do.
"""

from __future__ import annotations

import torch
import torch.distributed as processes
from torch import Tensor


def are_several() -> bool:
    """Whether this process is one of several."""
    if not processes.is_available() or not processes.is_initialized():
        return False
    return processes.get_world_size() > 1


def whole_statistics(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Mean and variance (C,) (biased) of all processes' cells, and how many there are.

    Given are this process's own. One exchange; every process computes the same from the same
    numbers, in double precision.
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


def whole_sums(sums: Tensor, count: int) -> tuple[Tensor, int]:
    """The sum of every process's `sums`, and of their counts of cells."""
    given = torch.cat([sums.double().flatten(), _number(count, sums)])
    processes.all_reduce(given)
    return given[:-1].to(sums.dtype).view_as(sums), int(given[-1])


def _number(count: int, like: Tensor) -> Tensor:
    return torch.tensor([count], dtype=torch.float64, device=like.device)
