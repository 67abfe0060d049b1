"""Fuse the residual sum into the batch normalisation before it (training only).

The sum is then computed in the memory of the normalised tensor.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def fuse_norm_sums(plan: Plan) -> Plan:
    """Return the plan with `norm(x, y)`, which includes the sum's ReLU, for `add(norm(x), y)`.

    The `add` must be the only reader of the normalisation, which must have no ReLU. If both terms
    are such normalisations, the later one is used. The normalisation moves to the place of the
    sum, because y may be computed between the two.
    """
    users = plan.users()
    places = {op.name: place for place, op in enumerate(plan.ops)}
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        if op.kind != "add" or op.args[0] == op.args[1]:
            continue
        norms = [
            name
            for name in op.args
            if plan.ops[places[name]].kind == "norm"
            and len(plan.ops[places[name]].args) == 1
            and len(users[name]) == 1
            and not plan.ops[places[name]].relu
        ]
        if not norms:
            continue
        taken = max(norms, key=lambda name: places[name])
        other = op.args[0] if op.args[1] == taken else op.args[1]
        norm = plan.ops[places[taken]]
        options = {**norm.options, **({"relu": True} if op.relu else {})}
        changes[taken] = ()
        changes[op.name] = (
            attrs.evolve(norm, name=op.name, args=(norm.args[0], other), options=options),
        )
    return plan.replace(changes)
