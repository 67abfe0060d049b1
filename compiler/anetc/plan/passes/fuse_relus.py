"""A ReLU becomes the last step of the operation that it alone reads."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_WITH_EPILOGUE = ("conv", "add", "norm")


def fuse_relus(plan: Plan) -> Plan:
    """The plan in which a ReLU behind a convolution, sum of two or norm is its option `relu`."""
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        readers = users[op.name]
        if op.kind in _WITH_EPILOGUE and [reader.kind for reader in readers] == ["relu"]:
            options = {**op.options, "relu": True}
            changes[op.name] = ()
            changes[readers[0].name] = (attrs.evolve(op, name=readers[0].name, options=options),)
    return plan.replace(changes)
