"""Evaluate the expressions of a plan: constants computed from the stored tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from anetc.plan.plan import Expr

BN_EPSILON = 1e-5
SMALLEST_GATE = 1e-18
"""Lower bound of gates, so that the ratio of two gates is finite in single precision. The term of
such a gate is negligible, because the batch normalisation after the sum adds an epsilon."""
State = Mapping[str, Tensor]


def evaluate(expr: Expr, state: State) -> Tensor:
    """Return the value of an expression in float64, so that rounding happens once, at the end.

    Raise KeyError for a stored tensor that `state` lacks.
    """
    if not expr.args:
        if expr.head.isdecimal():
            return torch.tensor(float(expr.head), dtype=torch.float64)
        return state[expr.head].detach().to("cpu", torch.float64)
    match expr.head:
        case "fold":
            weight = evaluate(expr.args[0], state)
            return weight * _bn_scale(expr.args[1].head, state).reshape(-1, 1, 1, 1, 1)
        case "shift":
            name = expr.args[0].head
            mean = evaluate(Expr(f"{name}.running_mean"), state)
            return evaluate(Expr(f"{name}.bias"), state) - mean * _bn_scale(name, state)
        case "gate":
            gate = torch.sigmoid(evaluate(expr.args[0], state)[int(expr.args[1].head)])
            return gate.clamp(min=SMALLEST_GATE)
        case "share":
            row = evaluate(expr.args[0], state)[int(expr.args[1].head)]
            return torch.softmax(row, dim=0)[int(expr.args[2].head)]
        case "ratio":
            return evaluate(expr.args[0], state) / evaluate(expr.args[1], state)
        case "scale":
            return evaluate(expr.args[0], state) * evaluate(expr.args[1], state)
        case "join":
            return torch.cat([evaluate(arg, state) for arg in expr.args])
    raise ValueError(f"unknown function {expr.head!r} in an expression")


def _bn_scale(name: str, state: State) -> Tensor:
    variance = evaluate(Expr(f"{name}.running_var"), state)
    return evaluate(Expr(f"{name}.weight"), state) / torch.sqrt(variance + BN_EPSILON)
