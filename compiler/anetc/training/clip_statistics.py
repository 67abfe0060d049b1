"""Measure the statistics of batch normalisation again, for weights that were changed by hand.

A pruned network has other values at its normalisations than the network that was trained. With the
old running averages it may classify hardly better than chance, although its weights are good.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from anetc.data.batches.loader import Batch, network_inputs
from anetdsl.errors import CannotRun
from anetdsl.ir import Network


def measure_statistics(
    model: nn.Module, network: Network, batches: Iterable[Batch], clips: int
) -> int:
    """Replace the running averages of a model's batch normalisations by those of some clips.

    The model, on the CPU, computes batches (N, C, T, H, W) in training mode until `clips` clips are
    done, without gradients. The averages are plain averages over these batches; no weight changes.
    Return the number of clips. Raise CannotRun if a normalisation gets a single value per channel.
    """
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm3d)]
    decays = [norm.momentum for norm in norms]
    was_training = model.training
    done = 0
    try:
        model.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average
        with torch.no_grad():
            for batch in batches:
                model(network_inputs(network, batch))
                done += len(batch.targets) * batch.clips
                if done >= clips:
                    break
    except ValueError as error:  # of torch, for one value per channel
        raise CannotRun(
            f"network {network.name}: {error}; use larger clips or several clips at a time"
        ) from None
    finally:
        for norm, decay in zip(norms, decays, strict=True):
            norm.momentum = decay
        model.train(was_training)
    return done
