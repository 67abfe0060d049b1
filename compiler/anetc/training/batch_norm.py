"""Batch normalisation over the clips of several processes, and the decay of its running averages.

`torch.nn.SyncBatchNorm` works on GPUs only. The module here works on every device that the backend
supports (gloo for the CPU), with two collectives a step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from anetc.engines.accelerator.shared_norm import shared_norm
from anetc.engines.training.shared_statistics import is_distributed
from anetc.modules.layers import MOMENTUM, BatchNorm
from anetdsl.cost import cost
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.training.settings import TrainSettings
    from anetc.video.clips import Recipe
    from anetdsl.ir import Network

DECAY = 0.99
"""Decay of running averages (semantics 6)."""
AVERAGED = round(1 / (1 - DECAY))
"""Number of batches at the start of a run whose statistics have equal weights in the average."""


class SynchronisedBatchNorm(BatchNorm):
    """Batch normalisation of (N, C, T, H, W) by the mean and variance of all processes' clips.

    Forward, backward and running averages equal those of one process with the whole batch. All
    processes call it in the same order. In inference mode and in a single process it is
    `BatchNorm`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, T, H, W); the result has the same shape."""
        if not self.training or not is_distributed():
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        cells = input.flatten(3)
        result, mean, inverse, count = shared_norm(cells, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            momentum = self.momentum_tensor.to(mean.dtype)
            variance = inverse.double().pow(-2) - self.eps
            unbiased = (variance * (count / (count - 1))).to(mean.dtype)
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(unbiased, momentum)
        return result.view(input.shape)


def fewest_cells(network: Network, settings: TrainSettings, recipe: Recipe) -> tuple[str, int]:
    """Return the trained node with the fewest values per channel of a clip, and their number.

    `recipe` is that of the training clips.
    """
    has_all = settings.engine == "reference"
    read = {node.name for node in network.nodes} if has_all else network.needed_by_sink()
    costs = cost(network, frames=recipe.frames, size=recipe.size).nodes
    cells = ((node.name, math.prod(node.shape[1:])) for node in costs if node.name in read)
    return min(cells, key=lambda cell: cell[1])


def check_cells(network: Network, settings: TrainSettings, recipe: Recipe) -> None:
    """Raise CannotRun if batch normalisation would get a single value per channel in a step.

    Its variance would be 0 then. The statistics are those of all processes, but of one part of a
    step (`accumulate`). `recipe` is that of the training clips.
    """
    node, cells = fewest_cells(network, settings, recipe)
    if cells * (settings.batch // settings.accumulate) == 1:
        parts = " or a smaller --accumulate" if settings.accumulate > 1 else ""
        pixels = "{} x {}".format(*recipe.size)
        raise CannotRun(
            f"network {network.name} cannot be trained on one clip of one frame of {pixels} "
            f"pixels at a time: node {node} has one value per channel, and batch normalisation "
            f"needs several; use a larger --batch, --frames or --size{parts}"
        )


def synchronise(model: nn.Module) -> None:
    """Replace every batch normalisation of a model by a synchronised one with its parameters."""
    for part in model.modules():
        for name, child in part.named_children():
            if type(child) is BatchNorm:
                setattr(part, name, _synchronised(child))


def set_decay(model: nn.Module, batch: int) -> None:
    """Set the decay of running averages for batch number `batch` of a run, counted from 0.

    The running averages of the first 100 batches are plain averages of all batches so far; then
    they decay by 0.99. So a short run is evaluated with statistics of its data, not with the
    initial values 0 and 1. After some hundred batches there is no difference.
    """
    momentum = max(1 - DECAY, 1 / (batch + 1))
    changed: set[int] = set()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm3d):
            # On a GPU all normalisations share one tensor, and each change is a launch.
            shared = part._buffers.get(MOMENTUM)
            if shared is None or id(shared) not in changed:
                part.momentum = momentum
                changed.add(id(shared))


def _synchronised(norm: BatchNorm) -> SynchronisedBatchNorm:
    new = SynchronisedBatchNorm(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new
