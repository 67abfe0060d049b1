"""Results that are large and cheap to make are made again on the way back (training only).

These are the weighted sums of a node's inputs, which are kept anyway as other nodes' outputs, and
1x1 convolutions from few channels to no fewer, such as the last of each residual module: half of
what a module would keep is that one's result.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Op, Plan

_FEW_CHANNELS = 128
"""Input channels up to which a 1x1 convolution is cheap: two operations a channel and number."""


def recompute_cheap(plan: Plan) -> Plan:
    """The plan with the option `again` at what is not kept but made again."""
    users = plan.users()
    shapes = {op.name: op.shape for op in plan.ops}
    return plan.replace(
        {
            op.name: (attrs.evolve(op, options={**op.options, "again": True}),)
            for op in plan.ops
            if _is_cheap(op, shapes[op.args[0]][0] if op.args else 0)
            and all(reader.node == op.node for reader in users[op.name])
        }
    )


def _is_cheap(op: Op, channels: int) -> bool:
    if op.kind == "conv":
        return op.options["kernel"] == "1x1x1" and channels <= min(_FEW_CHANNELS, op.shape[0])
    return op.kind == "sum"
