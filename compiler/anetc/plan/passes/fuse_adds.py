"""Fuse the sum of two tensors into the convolution that computes one of them."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def fuse_adds(plan: Plan) -> Plan:
    """Return the plan with `conv(x, y)`, the convolution added to y, for `add(conv(x), y)`.

    The `add` must be the only reader of the convolution, which must have no ReLU. If both terms
    are such convolutions, the later one is used. The convolution moves to the place of the sum,
    because y may be computed between the two.
    """
    users = plan.users()
    places = {op.name: place for place, op in enumerate(plan.ops)}
    ops = {op.name: op for op in plan.ops}
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        if op.kind != "add" or op.args[0] == op.args[1]:
            continue
        convs = [ops[name] for name in op.args if _accepts_summand(ops[name], users[name])]
        if not convs:
            continue
        conv = max(convs, key=lambda c: places[c.name])
        other = op.args[0] if op.args[1] == conv.name else op.args[1]
        options = {**conv.options, **({"relu": True} if op.relu else {})}
        fused = attrs.evolve(conv, name=op.name, args=(conv.args[0], other), options=options)
        changes[conv.name], changes[op.name] = (), (fused,)
        ops[op.name] = fused
    return plan.replace(changes)


def _accepts_summand(op: Op, readers: list[Op]) -> bool:
    return op.kind == "conv" and len(op.args) == 1 and len(readers) == 1 and not op.relu
