"""Batch normalisation with its ReLU moves into the operation that reads it (training only).

Then only the tensor before it is kept for the way back, where one pass over it makes the activation
again: cheap beside the memory of a second tensor of that size. A pool takes the ReLU behind its
maximum, where it has a fraction of the cells to go over; the result is the same.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_READERS = ("conv", "pool")


def recompute_norms(plan: Plan) -> Plan:
    """The plan in which a `norm` with `relu` whose only reader is a convolution or pool is in that.

    norm(x) relu weight=bn; conv(norm)  ->  conv(x) before=bn
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
        options = {**reader.options, "before": bn.head}
        changes[op.name] = ()
        changes[reader.name] = (
            attrs.evolve(reader, args=(op.args[0], *reader.args[1:]), options=options),
        )
    return plan.replace(changes)
