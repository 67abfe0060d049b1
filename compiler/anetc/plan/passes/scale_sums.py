"""The first gate of a weighted sum moves into the convolutions that read it (inference only).

g0 x0 + g1 x1 + ... = g0 (x0 + g1/g0 x1 + ...): one multiplication of a whole tensor less. A sum of
one term vanishes. Only where every reader is a convolution, whose weights take the factor.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Expr, Op, Plan, call

_ONE = Expr("1")


def scale_sums(plan: Plan) -> Plan:
    """The plan with sums whose first gate is 1, and sums of one term gone."""
    users = plan.users()
    changes: dict[str, tuple[Op, ...]] = {}
    factors: dict[str, dict[str, Expr]] = {}
    names: dict[str, str] = {}
    for op in plan.ops:
        readers = users[op.name]
        if (
            op.kind != "sum"
            or not readers
            or any(reader.kind != "conv" or reader.args != (op.name,) for reader in readers)
        ):
            continue
        first, *others = op.exprs["gates"]
        if others and first == _ONE:
            continue
        if others:
            gates = (_ONE, *(call("ratio", gate, first) for gate in others))
            changes[op.name] = (attrs.evolve(op, exprs={"gates": gates}),)
        else:
            changes[op.name] = ()
            names[op.name] = op.args[0]
        for reader in readers:
            factors.setdefault(reader.name, {})[op.name] = first
    for name, scales in factors.items():
        op = plan.op(name)
        weight = op.expr("weight")
        assert weight is not None
        for factor in scales.values():
            weight = call("scale", weight, factor)
        changes[name] = (attrs.evolve(op, exprs={**op.exprs, "weight": (weight,)}),)
    return plan.replace(changes).renamed(names)
