"""Momentum SGD with weight decay on kernels alone (semantics 10)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anetc.modules.names import EDGES, NODES, split_name
from anetc.training.settings import TrainSettings
from anetdsl.ir import Network


def make_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.SGD:
    """The optimiser of a model's trainable parameters: those that decay, edge weights, the others.

    A step is v = 0.9 v + g + 1e-4 w; w = w - rate v, the decay of kernels alone. Call `set_rate`
    before each step.
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
    """Set the learning rate of all parameters, that of edge weights `edge_rate` times as high."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def decay_groups(model: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """The trainable parameters by name: kernels of convolutions and of the classifier; the rest.

    The rest are scales and offsets of batch normalisation, biases, and edge weights.
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
    """Train no node that the sink does not read, directly or through others.

    Such nodes get no gradients; processes that train together must agree on whose to wait for.
    """
    needed = network.needed_by_sink()
    for name, parameter in model.named_parameters():
        if name.startswith(f"{NODES}.") and split_name(name)[0] not in needed:
            parameter.requires_grad_(False)


def momentum_of(optimiser: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The running gradients by the names of their parameters; none before the first step."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: state["momentum_buffer"]
        for parameter, state in optimiser.state.items()
        if state.get("momentum_buffer") is not None
    }


def set_momentum(
    optimiser: torch.optim.Optimizer, model: nn.Module, momentum: Mapping[str, Tensor]
) -> None:
    """Put back what `momentum_of` gave."""
    for name, parameter in model.named_parameters():
        if name in momentum:
            # In the parameter's own layout, in which steps of all parameters at once are fast.
            buffer = torch.empty_like(parameter).copy_(momentum[name])
            optimiser.state[parameter]["momentum_buffer"] = buffer
