"""The residual sum becomes a step of the batch normalisation before it (training only).

The normalised tensor is then no result of its own: the sum is made in its memory.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def fuse_norm_sums(plan: Plan) -> Plan:
    """The plan in which `add(norm(x), y)` is `norm(x, y)`, with the sum's ReLU.

    The normalisation that comes last is taken, if nothing else reads it and it has no ReLU of its
    own. It moves to where the sum stood, as y may be made in between.
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
