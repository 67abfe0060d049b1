"""Evaluate all expressions of a plan. Artifacts are written from the result.

    conv(x) weight=fold(nodes.s0.conv.weight, nodes.s0.conv_bn)  ->  conv(x) weight=s0.conv.weight

The result has one tensor per expression, and needs no weights file.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from anetc.engines.constants import State, evaluate
from anetc.engines.inference.operations import head_dtype
from anetc.plan.plan import Expr, Op, Plan


@attrs.frozen
class FoldedPlan:
    """A plan whose expressions are names of constants, and these constants."""

    plan: Plan
    constants: dict[str, Tensor]


def fold_constants(plan: Plan, state: State, dtype: torch.dtype = torch.float32) -> FoldedPlan:
    """Return the plan with its constants: those of convolutions in `dtype`, the rest in float32.

    A literal, such as the gate 1, stays. Raise KeyError for a stored tensor that `state` lacks.
    """
    constants: dict[str, Tensor] = {}

    def fold(op: Op) -> Op:
        kind = dtype if op.kind == "conv" else head_dtype(dtype)
        exprs = {}
        for role, values in op.exprs.items():
            named = []
            for number, expr in enumerate(values):
                name = f"{op.name}.{role}{number if role == 'gates' else ''}"
                if expr.head.isdecimal():
                    named.append(expr)
                else:
                    constants[name] = evaluate(expr, state).to(kind).contiguous()
                    named.append(Expr(name))
            exprs[role] = tuple(named)
        return attrs.evolve(op, exprs=exprs)

    return FoldedPlan(attrs.evolve(plan, ops=tuple(map(fold, plan.ops))), constants)
