"""A sum of two becomes a step of the convolution that makes one of them: residual sums are free."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def fuse_adds(plan: Plan) -> Plan:
    """The plan in which `add(conv(x), y)` is `conv(x, y)`, the convolution added to y.

    The convolution that comes last is taken, if nothing else reads it and it has no ReLU itself.
    It moves to where the sum stood, as y may be made in between.
    """
    users = plan.users()
    places = {op.name: place for place, op in enumerate(plan.ops)}
    ops = {op.name: op for op in plan.ops}
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        if op.kind != "add" or op.args[0] == op.args[1]:
            continue
        convs = [ops[name] for name in op.args if _can_take_a_sum(ops[name], users[name])]
        if not convs:
            continue
        conv = max(convs, key=lambda c: places[c.name])
        other = op.args[0] if op.args[1] == conv.name else op.args[1]
        options = {**conv.options, **({"relu": True} if op.relu else {})}
        fused = attrs.evolve(conv, name=op.name, args=(conv.args[0], other), options=options)
        changes[conv.name], changes[op.name] = (), (fused,)
        ops[op.name] = fused
    return plan.replace(changes)


def _can_take_a_sum(op: Op, readers: list[Op]) -> bool:
    return op.kind == "conv" and len(op.args) == 1 and len(readers) == 1 and not op.relu
