"""Median filter of small windows, computed by elementwise minima and maxima.

The columns of a window are sorted once for all windows that share them; then the rows are sorted.
Entry (i, j) of a size x size window then has at least (i + 1)(j + 1) - 1 smaller and
(size - i)(size - j) - 1 larger entries. So the median lies in a band around the antidiagonal: three
of 9 entries, thirteen of 25. Only the comparisons that the median depends on are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class MinMaxStep(NamedTuple):
    """Compare wires low and high; keep the minimum on low and the maximum on high if needed."""

    low: int
    high: int
    minimum: bool
    maximum: bool


def median_filter(x: Tensor, size: int) -> Tensor:
    """Filter (N, C, H, W) by the median of size x size windows (size odd); edges are replicated."""
    if size == 1:
        return x
    radius = size // 2
    height, width = x.shape[-2:]
    padded = functional.pad(x, (radius, radius, radius, radius), mode="replicate")
    columns = _run(
        _steps(size, tuple(range(size))),
        [padded[..., i : i + height, :] for i in range(size)],
    )
    band: list[Tensor] = []
    for rank, column in enumerate(columns):
        wanted = _band(size, rank)
        row = [column[..., j : j + width] for j in range(size)]
        band += [_run(_steps(size, wanted), row)[j] for j in wanted]
    middle = len(band) // 2
    return _run(_steps(len(band), (middle,)), band)[middle]


@cache
def _band(size: int, rank: int) -> tuple[int, ...]:
    """Return the columns j in which row `rank` of the sorted window may hold the median."""
    half = (size * size + 1) // 2
    return tuple(
        j
        for j in range(size)
        if (rank + 1) * (j + 1) <= half and (size - rank) * (size - j) <= half
    )


@cache
def _steps(wires: int, wanted: tuple[int, ...]) -> tuple[MinMaxStep, ...]:
    """Return the comparators that bring the values of the wanted ranks to their wires, in order."""
    needed = set(wanted)
    steps: list[MinMaxStep] = []
    for low, high in reversed(tuple(_merge_exchange(wires))):
        minimum, maximum = low in needed, high in needed
        if minimum or maximum:
            needed |= {low, high}
            steps.append(MinMaxStep(low, high, minimum, maximum))
    return tuple(reversed(steps))


def _merge_exchange(wires: int) -> Iterator[tuple[int, int]]:
    """Yield Batcher's sorting network for `wires` wires (Knuth, TAOCP 3, algorithm 5.2.2M)."""
    top = (1 << (wires - 1).bit_length()) // 2
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(wires - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2


def _run(steps: tuple[MinMaxStep, ...], values: list[Tensor]) -> list[Tensor]:
    values = list(values)
    for low, high, minimum, maximum in steps:
        a, b = values[low], values[high]
        if minimum:
            values[low] = torch.minimum(a, b)
        if maximum:
            values[high] = torch.maximum(a, b)
    return values
