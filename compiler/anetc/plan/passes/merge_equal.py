"""Equal operations on equal arguments become one: pools of one output are shared by its readers."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def merge_equal(plan: Plan) -> Plan:
    """The plan with each operation that repeats an earlier one taken from there."""
    first: dict[object, str] = {}
    names: dict[str, str] = {}
    ops: list[Op] = []
    for op in plan.ops:
        moved = attrs.evolve(op, args=tuple(names.get(arg, arg) for arg in op.args))
        key = (
            moved.kind,
            moved.args,
            moved.shape,  # which says how many channels a `part` takes
            tuple(sorted(moved.options.items())),
            tuple(sorted((role, exprs) for role, exprs in moved.exprs.items())),
        )
        if op.kind != "input" and key in first and op.name != plan.output:
            names[op.name] = first[key]
            continue
        first.setdefault(key, op.name)
        ops.append(moved)
    return attrs.evolve(plan, ops=tuple(ops))
