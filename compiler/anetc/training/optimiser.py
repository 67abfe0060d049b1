"""Momentum SGD with weight decay of kernels only, and rules of edge weights (semantics 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from anetc.modules.names import EDGES, NODES, split_name
from anetc.training.network_sgd import NetworkSGD
from anetc.training.settings import EdgeOptimiser, TrainSettings
from anetdsl.ir import Network

ADAM_BETAS = (0.5, 0.999)
"""Decay of the averages of gradients and of their squares, as for the architecture weights of DARTS
(Liu et al. 2019)."""
_ADAM_STATE = ("mean", "square", "count")
_EPSILON = 1e-8


def make_optimiser(model: nn.Module, settings: TrainSettings) -> NetworkSGD:
    """Return the optimiser of a model's trainable parameters.

    A step is v = 0.9 v + g + 1e-4 w; w = w - rate v, where only kernels have the weight decay
    (1e-4 w). Call `set_rate` before each step. The parameter groups are kernels, edge weights and
    all others. `edge_optimiser` replaces the g of edge weights.
    """
    decaying, others = decay_groups(model)
    edges = {name: p for name, p in others.items() if split_name(name)[1] == EDGES}
    rest = {name: p for name, p in others.items() if name not in edges}
    groups: list[dict[str, Any]] = [
        {"params": list(decaying.values()), "weight_decay": settings.weight_decay, "factor": 1.0},
        {
            "params": list(edges.values()),
            "weight_decay": 0.0,
            "factor": settings.edge_rate,
            **_EDGE_RULES[settings.edge_optimiser],
        },
        {"params": list(rest.values()), "weight_decay": 0.0, "factor": 1.0},
    ]
    return NetworkSGD(
        [group for group in groups if group["params"]],
        lr=settings.peak_learning_rate,
        momentum=settings.momentum,
    )


def _normalised(grad: Tensor, _state: dict[str, Any]) -> Tensor:
    """Return the gradient of a node's edge weights, scaled to a root mean square of 1."""
    size = grad.square().mean().sqrt()
    return torch.where(size > 0, grad / size, grad)  # without waiting for a GPU


def _adam(grad: Tensor, state: dict[str, Any]) -> Tensor:
    """Return the direction of Adam: the mean of gradients over the root of their mean square."""
    for name in _ADAM_STATE:
        if name not in state:
            state[name] = torch.zeros_like(grad) if name != "count" else grad.new_zeros(())
    beta, gamma = ADAM_BETAS
    state["count"] += 1
    state["mean"].lerp_(grad, 1 - beta)
    state["square"].lerp_(grad.square(), 1 - gamma)
    count = state["count"].double()  # on the device: to read it would wait for a GPU
    mean: Tensor = state["mean"] / (1 - beta**count)
    square: Tensor = state["square"] / (1 - gamma**count)
    return mean / (square.sqrt() + _EPSILON)


_EDGE_RULES: dict[EdgeOptimiser, dict[str, Any]] = {
    "sgd": {},
    "normalised": {"rule": _normalised},
    # The averages of Adam take the place of momentum.
    "adam": {"rule": _adam, "momentum": 0.0},
}


def set_rate(optimiser: NetworkSGD, rate: float) -> None:
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


def momentum_of(optimiser: NetworkSGD, model: nn.Module) -> dict[str, Tensor]:
    """Return the momentum buffers by parameter name; empty before the first step.

    The averages of Adam have the name of their parameter and a suffix, such as `.mean`.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    found: dict[str, Tensor] = {}
    for parameter, state in optimiser.state.items():
        if state.get("momentum_buffer") is not None:
            found[names[parameter]] = state["momentum_buffer"]
        found |= {f"{names[parameter]}.{key}": state[key] for key in _ADAM_STATE if key in state}
    return found


def set_momentum(optimiser: NetworkSGD, model: nn.Module, momentum: Mapping[str, Tensor]) -> None:
    """Restore the momentum buffers and averages that `momentum_of` returned."""
    for name, parameter in model.named_parameters():
        if name in momentum:
            # The buffer needs the parameter's memory layout for the fast steps.
            buffer = torch.empty_like(parameter).copy_(momentum[name])
            optimiser.state[parameter]["momentum_buffer"] = buffer
        for key in _ADAM_STATE:
            if (value := momentum.get(f"{name}.{key}")) is not None:
                optimiser.state[parameter][key] = value.to(parameter.device, copy=True)
