"""Join narrow convolutions of one tensor into one convolution (inference only).

A convolution with 4 output channels takes as long as one with 16, because both fill one vector
register. So two joined stems take half of their time. Wider convolutions gain nothing by joining
(docs/passes.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from anetc.plan.plan import Expr, Op, Plan, call

LANES = 16
"""Single-precision numbers in a vector register, and the most channels of a joined convolution."""


def join_convs(plan: Plan) -> Plan:
    """Return the plan with joined convolutions, from which each result is taken by `part`.

    The convolutions have equal arguments and options and differ in their weights only. If each has
    one pool as its only reader, and all these pools are alike, the pools are joined, too.
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
    """Return the replacements of a group's convolutions, and of its pools if these are joined."""
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
    """Return the operations that take each result of a group from the joined result."""
    parts, place = [], 0
    for op in group:
        options = {"first": place}
        parts.append(attrs.evolve(op, kind="part", args=(whole.name,), options=options, exprs={}))
        place += op.shape[0]
    return parts


def _are_pools_alike(pools: Sequence[Op], count: int) -> bool:
    """Return whether each of `count` convolutions has one pool, all with equal options."""
    alike = {(op.kind, tuple(sorted(op.options.items()))) for op in pools}
    different = {op.args for op in pools}
    return len(pools) == len(different) == count and len(alike) == 1 and pools[0].kind == "pool"


def _join(group: Sequence[Op], role: str) -> Expr:
    return call("join", *(op.exprs[role][0] for op in group))


def _shape(group: Sequence[Op]) -> tuple[int, ...]:
    return (sum(op.shape[0] for op in group), *group[0].shape[1:])
