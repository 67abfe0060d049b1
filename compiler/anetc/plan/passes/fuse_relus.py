"""Fuse a ReLU into the operation before it."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_WITH_RELU = ("conv", "add", "norm")


def fuse_relus(plan: Plan) -> Plan:
    """Return the plan with the option `relu` for each ReLU that is an operation's only reader."""
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        readers = users[op.name]
        if op.kind in _WITH_RELU and [reader.kind for reader in readers] == ["relu"]:
            options = {**op.options, "relu": True}
            changes[op.name] = ()
            changes[readers[0].name] = (attrs.evolve(op, name=readers[0].name, options=options),)
    return plan.replace(changes)
