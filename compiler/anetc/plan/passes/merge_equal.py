"""Merge equal operations: readers of one output share its pools."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan


def merge_equal(plan: Plan) -> Plan:
    """Return the plan in which the readers of repeated operations read the first one instead."""
    first: dict[object, str] = {}
    names: dict[str, str] = {}
    ops: list[Op] = []
    for op in plan.ops:
        moved = attrs.evolve(op, args=tuple(names.get(arg, arg) for arg in op.args))
        key = (
            moved.kind,
            moved.args,
            moved.shape,  # the number of channels of a `part`
            tuple(sorted(moved.options.items())),
            tuple(sorted((role, exprs) for role, exprs in moved.exprs.items())),
        )
        if op.kind != "input" and key in first and op.name != plan.output:
            names[op.name] = first[key]
            continue
        first.setdefault(key, op.name)
        ops.append(moved)
    return attrs.evolve(plan, ops=tuple(ops))
