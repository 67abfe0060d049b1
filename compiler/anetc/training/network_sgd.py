"""Momentum SGD with rules that replace gradients by directions.

The class has the part of the interface of `torch.optim.SGD` that a training uses, and the same
numbers. `torch.optim` imports PyTorch's compiler, which takes half a second of each trial.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_BUFFER = "momentum_buffer"


class NetworkSGD:
    """Momentum SGD: v = momentum v + g + weight_decay w; w = w - lr v.

    A group of parameters is a dict with `params`, `weight_decay`, and whatever else its owner keeps
    there. `lr` and `momentum` are entries of each group, too. A group may have a `rule`: a function
    of the gradient and of the state of a parameter, which returns the g of the step.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], *, lr: float, momentum: float) -> None:
        self.param_groups = [{"lr": lr, "momentum": momentum, **group} for group in groups]
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)

    @torch.no_grad()
    def step(self) -> None:
        """Change all parameters that have a gradient."""
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters if p.grad is not None]
            if (rule := group.get("rule")) is not None:
                gradients = [rule(g, self.state[p]) for p, g in zip(parameters, gradients)]
            update = _fused_update if parameters[0].is_cuda else _update
            update(parameters, gradients, self._buffers(parameters, group), group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the gradients, or set them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()

    def _buffers(self, parameters: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Return the momentum buffers, zeros before the first step; none without momentum."""
        if group["momentum"] == 0:
            return []
        states = [self.state[p] for p in parameters]
        for parameter, state in zip(parameters, states):
            if state.get(_BUFFER) is None:
                state[_BUFFER] = torch.zeros_like(parameter)
        return [state[_BUFFER] for state in states]


def _update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    group: dict[str, Any],
) -> None:
    if group["weight_decay"] != 0:
        gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
    if buffers:
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        gradients = buffers
    torch._foreach_add_(parameters, gradients, alpha=-group["lr"])


def _fused_update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    group: dict[str, Any],
) -> None:
    """Do the same by one kernel for all parameters."""
    torch._fused_sgd_(
        parameters,
        gradients,
        buffers,
        weight_decay=group["weight_decay"],
        momentum=group["momentum"],
        lr=group["lr"],
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
