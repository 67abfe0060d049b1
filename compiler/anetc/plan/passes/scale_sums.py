"""Move the first gate of a weighted sum into the convolutions that read it (inference only).

g0 x0 + g1 x1 + ... = g0 (x0 + g1/g0 x1 + ...). This saves one multiplication of a whole tensor, and
a sum of one term disappears. All readers of the sum must be convolutions: their weights take the
factor g0.
"""

from __future__ import annotations

import attrs

from anetc.plan.plan import Expr, Op, Plan, call

_ONE = Expr("1")


def scale_sums(plan: Plan) -> Plan:
    """Return the plan with 1 as the first gate of sums, and without sums of one term."""
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
