"""A plan whose constants are computed: every expression becomes the name of a tensor of its own.

    conv(x) weight=fold(nodes.s0.conv.weight, nodes.s0.conv_bn)  ->  conv(x) weight=s0.conv.weight

What is left needs no weights file and no batch normalisation; artifacts are made of it.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from anetc.engines.constants import State, evaluate
from anetc.engines.inference.operations import head_dtype
from anetc.plan.plan import Expr, Op, Plan


@attrs.frozen
class Folded:
    """A plan, and the tensors its expressions name."""

    plan: Plan
    constants: dict[str, Tensor]


def fold_constants(plan: Plan, state: State, dtype: torch.dtype = torch.float32) -> Folded:
    """The plan with its expressions computed: convolutions in `dtype`, the rest in float32.

    A literal, as the gate 1, stays. Raises KeyError for a stored tensor that `state` lacks.
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

    return Folded(attrs.evolve(plan, ops=tuple(map(fold, plan.ops))), constants)
