"""A second, simple implementation of plans in float64, for comparison.

It shares no code with the engines, except the evaluation of expressions
(`anetc.engines.constants`). All tensors are (N, C, T, H, W), and no memory is reused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from anetc.engines.constants import BN_EPSILON, State, evaluate
from anetc.plan.plan import Op, Plan


def interpret(plan: Plan, state: State, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return every result of a plan by name. Assert that its shape is the shape in the plan."""
    values: dict[str, Tensor] = {}
    for op in plan.ops:
        if op.kind == "input":
            result = inputs[op.name].double()
        else:
            result = _result(op, [values[name] for name in op.args], state)
        assert tuple(result.shape[1:]) == op.shape, op.name
        values[op.name] = result
    return values


def logits_of(plan: Plan, state: State, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the logits of a plan, (N, classes)."""
    return interpret(plan, state, inputs)[plan.output]


def _result(op: Op, args: list[Tensor], state: State) -> Tensor:
    x = args[0]
    match op.kind:
        case "conv":
            result = _conv(op, x, state)
            for summand in args[1:]:
                result = result + summand
        case "norm":
            name = op.exprs["weight"][0].head
            mean, variance, gamma, beta = (
                state[f"{name}.{part}"].double()
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            result = functional.batch_norm(x, mean, variance, gamma, beta, eps=BN_EPSILON)
        case "relu":
            result = x.clamp(min=0)
        case "add":
            result = args[0] + args[1]
        case "sum":
            gates = [evaluate(gate, state) for gate in op.exprs["gates"]]
            result = torch.stack([gate * term for gate, term in zip(gates, args, strict=True)])
            result = result.sum(dim=0)
        case "attend":
            gates = [evaluate(gate, state) for gate in op.exprs["gates"]]
            logits = args[len(gates) :]
            products = [
                gate * term * torch.sigmoid(z)[..., None, None]
                for gate, term, z in zip(gates, args, logits, strict=False)
            ]
            assert len(products) == len(logits)
            result = torch.stack(products).sum(dim=0)
        case "mix":
            shares = [evaluate(share, state) for share in op.exprs["gates"]]
            result = sum(share * x for share, x in zip(shares, args, strict=True))
        case "pool":
            result = _pool(x, op.option("window"), op.option("stride"))
        case "part":
            result = x.narrow(1, int(op.options["first"]), op.shape[0])
        case "space_mean":
            result = x.mean(dim=(3, 4))
        case "time_mean":
            result = x.mean(dim=2)
        case "average":
            result = torch.stack(args).mean(dim=0)
        case "concat":
            result = torch.cat(args, dim=1)
        case "linear":
            for gate in op.exprs.get("gates", ()):
                x = x * evaluate(gate, state)
            weight, bias = (evaluate(op.exprs[role][0], state) for role in ("weight", "bias"))
            result = functional.linear(x.transpose(1, -1), weight, bias).transpose(1, -1)
        case "time_pool":
            result = (torch.softmax(x / math.sqrt(x.shape[2]), dim=2) * x).sum(dim=2)
        case _:
            raise AssertionError(f"unknown operation {op.kind}")
    return result.clamp(min=0) if op.relu else result


def _conv(op: Op, x: Tensor, state: State) -> Tensor:
    weight = evaluate(op.exprs["weight"][0], state)
    size = tuple(map(int, str(op.options["kernel"]).split("x")))
    assert tuple(weight.shape[2:]) == size
    bias = evaluate(op.exprs["bias"][0], state) if "bias" in op.exprs else None
    stride = (1, op.option("stride"), op.option("stride"))
    dilation = (op.option("dilation"), 1, 1)
    if "same" in op.options:
        x = functional.pad(x, _sides(x, size[2], stride[2]))
        return functional.conv3d(x, weight, bias, stride, 0, dilation)
    padding = tuple(step * (extent // 2) for step, extent in zip(dilation, size))
    return functional.conv3d(x, weight, bias, stride, padding, dilation)


def _pool(x: Tensor, window: int, stride: int) -> Tensor:
    """Return TensorFlow's "same" max pool: both sides are padded, the odd cell at the end."""
    padded = functional.pad(x, _sides(x, window, stride), value=-math.inf)
    return functional.max_pool3d(padded, (1, window, window), (1, stride, stride))


def _sides(x: Tensor, window: int, stride: int) -> list[int]:
    """Return TensorFlow's "same" padding at the left, right, top and bottom."""
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        padding = max((-(-size // stride) - 1) * stride + window - size, 0)
        sides += [padding // 2, padding - padding // 2]
    return sides
