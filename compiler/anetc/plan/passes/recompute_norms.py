"""Fuse a batch normalisation with ReLU into the operation that reads it (training only).

Only the input of the normalisation is then saved for the backward pass, which recomputes the
activation: this costs less than the memory of a second tensor of that size. A pool applies the
ReLU after its maximum, to a fraction of the cells, with the same result.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_READERS = ("conv", "pool")


def recompute_norms(plan: Plan) -> Plan:
    """Return the plan with each `norm` with `relu` fused into its only reader, a conv or pool.

    norm(x) relu weight=bn; conv(norm)  ->  conv(x) input_norm=bn
    """
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    for op in plan.ops:
        readers = users[op.name]
        bn = op.expr("weight")
        if op.kind != "norm" or not op.relu or len(op.args) != 1 or len(readers) != 1:
            continue
        reader = readers[0]
        if reader.kind not in _READERS or reader.args[0] != op.name or bn is None:
            continue
        if reader.node != op.node:  # a stem of lite blocks ends with a normalisation
            continue
        options = {**reader.options, "input_norm": bn.head}
        changes[op.name] = ()
        changes[reader.name] = (
            attrs.evolve(reader, args=(op.args[0], *reader.args[1:]), options=options),
        )
    return plan.replace(changes)
