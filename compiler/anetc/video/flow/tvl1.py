"""Compute the TV-L1 optical flow of a batch of image pairs, by in-place tensor operations.

C. Zach, T. Pock, H. Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007;
the median filter between warps and the averaged derivatives of both images come from A. Wedel,
T. Pock, C. Zach, H. Bischof, D. Cremers, "An Improved Algorithm for TV-L1 Optical Flow", 2009.

The flow u minimises, summed over the pixels x, |grad u1| + |grad u2| + lambda
|I1(x + u) - I0(x)|. No operation mixes the pairs of a batch, and the number of operations is fixed,
so the flow of a pair is the same in every batch.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from attrs import validators
from torch import Tensor
from torch.nn import functional

from anetc.video.flow.median import median_filter

NO_GRADIENT = 1e-6
"""Squared gradient, in (intensities / px)^2, below which a pixel does not determine its motion."""


def _odd(_instance: Any, attribute: attrs.Attribute[int], value: int) -> None:
    if value % 2 == 0:
        raise ValueError(f"{attribute.name!r} must be odd, got {value}")


@attrs.frozen
class TVL1:
    """Parameters of TV-L1 flow, for intensities 0..255. Symbols are those of Zach et al.

    There is no convergence test: all iterations are computed, so time and result depend on the pair
    only. Raises ValueError for a value out of range.
    """

    attachment: float = attrs.field(default=0.15, validator=validators.gt(0))
    """lambda, weight of the data term, in 1 / intensity: a larger one follows the images more."""
    tightness: float = attrs.field(default=0.25, validator=validators.gt(0))
    """theta, in px^2: tolerance between the smooth flow and the flow that fits the images."""
    step: float = attrs.field(default=0.25, validator=[validators.gt(0), validators.le(0.25)])
    """tau, in px^2: time step of the dual ascent, stable up to 1/4."""
    scale: float = attrs.field(default=0.5, validator=[validators.gt(0), validators.le(0.95)])
    """Size of a pyramid level relative to the next finer one, at most 0.95."""
    smallest: int = attrs.field(default=8, validator=validators.ge(2))
    """Smallest short side, in px, of a pyramid level below the image itself."""
    warps: int = attrs.field(default=5, validator=validators.ge(1))
    """Number of linearisations of the second image per level."""
    iterations: int = attrs.field(default=30, validator=validators.ge(1))
    """Number of primal and dual updates per warp. Many updates make the flow piecewise constant."""
    median: int = attrs.field(default=3, validator=[validators.ge(1), _odd])
    """Side in px of the median filter after each warp; 1 is no filter."""


def solve(images0: Tensor, images1: Tensor, params: TVL1) -> Tensor:
    """Compute the flow (B, 2, H, W) in px between float32 images (B, 1, H, W), coarse to fine."""
    pyramid0, pyramid1 = _pyramid(images0, params), _pyramid(images1, params)
    coarsest = pyramid0[-1]
    flow = coarsest.new_zeros(len(coarsest), 2, *coarsest.shape[-2:])
    for level0, level1 in zip(reversed(pyramid0), reversed(pyramid1), strict=True):
        flow = _refine(level0, level1, _resize_flow(flow, level0), params)
    return flow


def _pyramid(images: Tensor, params: TVL1) -> list[Tensor]:
    """Return the image pyramid, finest first; each level is antialiased before it is sampled."""
    height, width = images.shape[-2:]
    levels = [images]
    while True:
        factor = params.scale ** len(levels)
        size = (round(height * factor), round(width * factor))
        if min(size) < params.smallest or size == levels[-1].shape[-2:]:
            return levels
        levels.append(
            functional.interpolate(levels[-1], size=size, mode="bilinear", antialias=True)
        )


def _resize_flow(flow: Tensor, images: Tensor) -> Tensor:
    """Resize the flow to the images' size, and scale its vectors accordingly."""
    (old_height, old_width), (height, width) = flow.shape[-2:], images.shape[-2:]
    flow = functional.interpolate(flow, size=(height, width), mode="bilinear")
    flow[:, 0] *= width / old_width
    flow[:, 1] *= height / old_height
    return flow


def _refine(images0: Tensor, images1: Tensor, flow: Tensor, params: TVL1) -> Tensor:
    """Refine an estimate of the flow of one level."""
    derivatives0 = _derivatives(images0)
    sampled = torch.cat([images1, _derivatives(images1)], dim=1)
    for _ in range(params.warps):
        warped, inside = _warp(sampled, flow)
        gradient = (derivatives0 + warped[:, 1:]).mul_(0.5).mul_(inside)
        difference = (warped[:, :1] - images0).mul_(inside)
        flow = median_filter(_minimise(flow, gradient, difference, params), params.median)
    return flow


def _derivatives(images: Tensor) -> Tensor:
    """Return d/dx and d/dy of (B, 1, H, W) as (B, 2, H, W): fourth-order central differences."""
    height, width = images.shape[-2:]
    padded = functional.pad(images, (2, 2, 2, 2), mode="replicate")
    across = [padded[..., 2:-2, i : i + width] for i in (0, 1, 3, 4)]
    down = [padded[..., i : i + height, 2:-2] for i in (0, 1, 3, 4)]
    return torch.cat(
        [
            (8 * (after - before) - (last - first)) / 12
            for first, before, after, last in (across, down)
        ],
        dim=1,
    )


def _warp(images: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return images(x + flow), bicubic, and whether x + flow is inside the images, (B, 1, H, W)."""
    height, width = flow.shape[-2:]
    x = flow[:, 0] + torch.arange(width, dtype=flow.dtype, device=flow.device)
    y = flow[:, 1] + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    # Pixel centres are odd multiples of 1 / size: unlike align_corners, this allows a size of 1.
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    warped = functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return warped, inside[:, None]


def _minimise(flow: Tensor, gradient: Tensor, difference: Tensor, params: TVL1) -> Tensor:
    """Minimise the energy linearised around `flow`: I1(x + u) ~ I1(x + flow) + gradient (u - flow).

    It alternates the two steps of Zach et al., the second by Chambolle's fixed point:

        v = u - gradient * clamp(residual(u) / |gradient|^2, -lambda theta, lambda theta)
        u = v + theta div p,  p = (p + tau / theta grad u) / (1 + tau / theta |grad u|)

    The variables are scaled to need the fewest passes over memory: u holds tau / theta u, p holds
    tau p. A pixel whose gradient and difference are 0 (because it moves out of the image) follows
    its neighbours.
    """
    unit = params.step / params.tightness
    limit = params.attachment * params.tightness

    inverse = 1 / ((gradient * gradient).sum(dim=1, keepdim=True) + NO_GRADIENT)
    constant = (difference - (gradient * flow).sum(dim=1, keepdim=True)).mul_(inverse)
    slope = gradient * (inverse / unit)
    slope_x, slope_y = slope[:, :1], slope[:, 1:]
    descent = gradient * -unit
    excess = torch.empty_like(constant)

    u = flow * unit
    u_x, u_y = u[:, :1], u[:, 1:]
    right, left = u[..., 1:], u[..., :-1]
    below, above = u[..., 1:, :], u[..., :-1, :]

    # The last column of d/dx and the last row of d/dy are always 0, and so are those of p.
    p = flow.new_zeros(2, *flow.shape)
    p_x, p_y = p
    p_left, p_above = p_x[..., :-1], p_y[..., :-1, :]
    grad = torch.zeros_like(p)
    grad_x, grad_y = grad
    grad_right, grad_below = grad_x[..., :-1], grad_y[..., :-1, :]
    norm = torch.empty_like(flow)

    for _ in range(params.iterations):
        torch.addcmul(constant, slope_x, u_x, out=excess)
        excess.addcmul_(slope_y, u_y).clamp_(-limit, limit)
        u.addcmul_(descent, excess)

        u.add_(p_x).add_(p_y)
        right.sub_(p_left)
        below.sub_(p_above)

        torch.sub(right, left, out=grad_right)
        torch.sub(below, above, out=grad_below)
        torch.mul(grad_x, grad_x, out=norm)
        norm.addcmul_(grad_y, grad_y).sqrt_().add_(1)
        p.add_(grad, alpha=params.step).div_(norm)
    return u.div_(unit)
