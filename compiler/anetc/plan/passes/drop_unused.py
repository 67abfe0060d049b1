"""Remove operations that the result does not depend on."""

from __future__ import annotations

import attrs

from anetc.plan.plan import Plan


def drop_unused(plan: Plan) -> Plan:
    """Return the plan without unused operations. Inputs stay, because callers pass all of them."""
    needed = {plan.output}
    for op in reversed(plan.ops):
        if op.name in needed:
            needed.update(op.args)
    ops = tuple(op for op in plan.ops if op.name in needed or op.kind == "input")
    return attrs.evolve(plan, ops=ops)
