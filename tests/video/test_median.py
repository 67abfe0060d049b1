"""The median filter of the flow solver agrees with the median by sorting."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from anetc.video.flow.median import median_filter


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("shape", [(2, 2, 13, 10), (1, 2, 1, 6), (1, 1, 6, 1), (1, 1, 1, 1)])
def test_equals_the_median_of_each_window(size: int, shape: tuple[int, ...]) -> None:
    """With replicated edges, also if the window is larger than the image."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(size))
    radius = size // 2
    padded = functional.pad(x, (radius, radius, radius, radius), mode="replicate")
    windows = padded.unfold(2, size, 1).unfold(3, size, 1).flatten(-2)
    assert torch.equal(median_filter(x, size), windows.median(dim=-1).values)


def test_does_not_change_its_input() -> None:
    """The comparisons do not write in place."""
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    median_filter(x, 3)
    assert torch.equal(x, before)
