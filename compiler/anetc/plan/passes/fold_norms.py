"""Fold batch normalisations into the weights of convolutions (inference only)."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan, call


def fold_norms(plan: Plan) -> Plan:
    """Return the plan with each `norm` folded into the `conv` before it.

    The `norm` must be the only reader of the `conv`, and neither may have fused operations.

    conv(x) weight=w; norm weight=bn  ->  conv(x) weight=fold(w, bn) bias=shift(bn)
    """
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        readers = users[op.name]
        weight = op.expr("weight")
        plain = len(op.args) == 1 and not op.relu and op.expr("bias") is None
        if op.kind != "conv" or weight is None or not plain:
            continue
        if [reader.kind for reader in readers] != ["norm"]:
            continue
        if len(readers[0].args) > 1 or readers[0].relu:
            continue
        bn = readers[0].expr("weight")
        assert bn is not None
        exprs = {"weight": (call("fold", weight, bn),), "bias": (call("shift", bn),)}
        changes[op.name] = ()
        changes[readers[0].name] = (attrs.evolve(op, name=readers[0].name, exprs=exprs),)
    return plan.replace(changes)
