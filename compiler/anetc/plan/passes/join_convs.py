"""Narrow convolutions of one tensor are joined: together they fill a vector (inference only).

A convolution to 4 channels takes as long as one to 16, so that two stems on one input take half of
their time as one. Wider ones gain nothing by it (docs/passes.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from anetc.plan.plan import Expr, Op, Plan, call

LANES = 16
"""Numbers of single precision that processors handle at once: up to so many channels are joined."""


def join_convs(plan: Plan) -> Plan:
    """The plan in which convolutions alike but for their weights are one, and each a `part` of it.

    Pools alike that alone read all the parts come before them.
    """
    groups: dict[object, list[Op]] = {}
    for op in plan.ops:
        if op.kind == "conv" and len(op.args) == 1:
            alike = (op.args, tuple(sorted(op.options.items())), op.expr("bias") is None)
            groups.setdefault(alike, []).append(op)
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    for group in groups.values():
        if len(group) > 1 and sum(op.shape[0] for op in group) <= LANES:
            changes.update(_joined(group, [users[op.name] for op in group]))
    return plan.replace(changes)


def _joined(group: Sequence[Op], readers: Sequence[list[Op]]) -> dict[str, tuple[Op, ...]]:
    """What takes the places of convolutions, and of their pools where these come first."""
    first = group[0]
    exprs = {role: (_join(group, role),) for role in first.exprs}
    whole = attrs.evolve(first, name=f"{first.name}.joined", shape=_shape(group), exprs=exprs)
    pools = [reader for found in readers for reader in found]
    if not _are_pools_alike(pools, len(group)):
        return {
            first.name: (whole, *_parts(whole, group)),
            **{op.name: () for op in group[1:]},
        }
    pool = attrs.evolve(
        pools[0], name=f"{pools[0].name}.joined", args=(whole.name,), shape=_shape(pools)
    )
    return {
        first.name: (whole, pool, *_parts(pool, pools)),
        **{op.name: () for op in (*group[1:], *pools)},
    }


def _parts(whole: Op, group: Sequence[Op]) -> list[Op]:
    """The results of a group, taken out of what was computed for all."""
    parts, place = [], 0
    for op in group:
        options = {"first": place}
        parts.append(attrs.evolve(op, kind="part", args=(whole.name,), options=options, exprs={}))
        place += op.shape[0]
    return parts


def _are_pools_alike(pools: Sequence[Op], count: int) -> bool:
    """Whether that many convolutions have one pool each, all of one kind."""
    alike = {(op.kind, tuple(sorted(op.options.items()))) for op in pools}
    different = {op.args for op in pools}
    return len(pools) == len(different) == count and len(alike) == 1 and pools[0].kind == "pool"


def _join(group: Sequence[Op], role: str) -> Expr:
    return call("join", *(op.exprs[role][0] for op in group))


def _shape(group: Sequence[Op]) -> tuple[int, ...]:
    return (sum(op.shape[0] for op in group), *group[0].shape[1:])
