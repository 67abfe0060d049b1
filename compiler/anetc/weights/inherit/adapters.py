"""1x1 convolutions as matrices, and adapters that are fitted by least squares.

Two 1x1 convolutions read the input of a node (`READERS`). An input with fewer channels than the
widest one first passes a 1x1 adapter. No operation is between adapter and reader, so that the
effect of a node on one input is one matrix: `readers @ adapter`.
"""

from __future__ import annotations

import torch
from torch import Tensor

READERS = ("m0.conv1.weight", "m0.proj.weight")
"""Weights that read a node's input: (C, channels, 1, 1, 1) and (4C, channels, 1, 1, 1)."""


def adapter_name(channels: int, widest: int) -> str:
    """Return the name within a node of the adapter from `channels` to `widest` channels."""
    return f"fuse.adapt{channels}to{widest}.weight"


def as_matrix(weight: Tensor) -> Tensor:
    """Return the weight of a 1x1 convolution as a float64 matrix (out, in) on the CPU."""
    return weight.detach().double().cpu()[:, :, 0, 0, 0]


def as_weight(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a matrix (out, in) as the weight of a 1x1 convolution."""
    return matrix[..., None, None, None].to(dtype)


def fit_adapter(readers: Tensor, product: Tensor) -> Tensor:
    """Return the adapter for which `readers @ adapter` is closest to `product`."""
    adapter: Tensor = torch.linalg.lstsq(readers, product, driver="gelsd").solution
    return adapter


def fit_error(readers: Tensor, adapter: Tensor, product: Tensor) -> float:
    """Return the error of `readers @ adapter` relative to `product` (Frobenius norms)."""
    error = (readers @ adapter - product).norm() / product.norm().clamp_min(1e-30)
    return float(error)
