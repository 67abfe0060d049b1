"""Recompute large and cheap results in the backward pass instead of saving them (training only).

These results are the weighted sums of a node's inputs, whose terms are saved anyway as the outputs
of other nodes, and 1x1 convolutions that have few input channels and at least as many output
channels. One of these is the last convolution of each residual module: its result would be half of
all that the module saves.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_FEW_CHANNELS = 128
"""Most input channels of a cheap 1x1 convolution: two operations per channel and result."""


def recompute_cheap(plan: Plan) -> Plan:
    """Return the plan with the option `recompute` for results that are not saved."""
    users = plan.users()
    shapes = {op.name: op.shape for op in plan.ops}
    return plan.replace(
        {
            op.name: (attrs.evolve(op, options={**op.options, "recompute": True}),)
            for op in plan.ops
            if _is_cheap(op, shapes[op.args[0]][0] if op.args else 0)
            and all(reader.node == op.node for reader in users[op.name])
        }
    )


def _is_cheap(op: Op, channels: int) -> bool:
    if op.kind == "conv":
        return op.options["kernel"] == "1x1x1" and channels <= min(_FEW_CHANNELS, op.shape[0])
    return op.kind == "sum"
