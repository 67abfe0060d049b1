"""Momentum SGD with weight decay of kernels only (semantics 10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anetc.modules.names import EDGES, NODES, split_name
from anetc.training.settings import TrainSettings
from anetdsl.ir import Network


def make_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.SGD:
    """Return the optimiser of a model's trainable parameters.

    A step is v = 0.9 v + g + 1e-4 w; w = w - rate v, where only kernels have the weight decay
    (1e-4 w). Call `set_rate` before each step. The parameter groups are kernels, edge weights and
    all others.
    """
    decaying, others = decay_groups(model)
    edges = {name: p for name, p in others.items() if split_name(name)[1] == EDGES}
    rest = {name: p for name, p in others.items() if name not in edges}
    groups = [
        {"params": list(decaying.values()), "weight_decay": settings.weight_decay, "factor": 1.0},
        {"params": list(edges.values()), "weight_decay": 0.0, "factor": settings.edge_rate},
        {"params": list(rest.values()), "weight_decay": 0.0, "factor": 1.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=settings.peak_learning_rate,
        momentum=settings.momentum,
        foreach=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters; edge weights get `edge_rate` times this rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def decay_groups(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """Return the trainable parameters with and without weight decay, each by name.

    The kernels of convolutions and of the classifier decay. Scales and offsets of batch
    normalisation, biases and edge weights do not.
    """
    kernels = {
        f"{name}.weight"
        for name, part in model.named_modules()
        if isinstance(part, nn.Conv3d | nn.Linear)
    }
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    decaying = {name: p for name, p in trained.items() if name in kernels}
    return decaying, {name: p for name, p in trained.items() if name not in kernels}


def freeze_unread(model: nn.Module, network: Network) -> None:
    """Exclude from training the nodes that the sink does not read, directly or through others.

    Such nodes get no gradients, and several processes would wait for these gradients.
    """
    needed = network.needed_by_sink()
    for name, parameter in model.named_parameters():
        if name.startswith(f"{NODES}.") and split_name(name)[0] not in needed:
            parameter.requires_grad_(False)


def momentum_of(optimiser: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the momentum buffers by parameter name; empty before the first step."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: state["momentum_buffer"]
        for parameter, state in optimiser.state.items()
        if state.get("momentum_buffer") is not None
    }


def set_momentum(
    optimiser: torch.optim.Optimizer, model: nn.Module, momentum: Mapping[str, Tensor]
) -> None:
    """Restore the momentum buffers that `momentum_of` returned."""
    for name, parameter in model.named_parameters():
        if name in momentum:
            # The buffer needs the parameter's memory layout for the fast (foreach) steps.
            buffer = torch.empty_like(parameter).copy_(momentum[name])
            optimiser.state[parameter]["momentum_buffer"] = buffer
