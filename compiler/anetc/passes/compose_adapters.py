"""An adapter that only 1x1 convolutions read is composed with each of them (inference only).

Both are linear, with nothing between them: W (x + A u) = W x + (W A) u. That is as exact, and less
work where the readers have few channels, or a stride that leaves most cells of the adapter unused.
"""

from __future__ import annotations

import math

import attrs

from anetc.plan import Op, Plan, call


def compose_adapters(plan: Plan) -> Plan:
    """The plan in which adapters are gone whose composition takes fewer multiply-adds.

    a = conv(u); x = add(y, a); r = conv(x)  ->  r = add(conv(y), conv(u) weight=compose(r, a))
    """
    while (smaller := _compose_one(plan)) is not None:
        plan = smaller
    return plan


def _compose_one(plan: Plan) -> Plan | None:
    """The plan with the first adapter composed that is worth it, if there is one."""
    users = plan.users()
    ops = {op.name: op for op in plan.ops}
    for total in plan.ops:
        readers = users[total.name]
        if total.kind != "add" or total.relu or not readers:
            continue
        if not all(_is_pointwise(reader, total.name) for reader in readers):
            continue
        for place in (1, 0):
            adapter = ops[total.args[place]]
            if (
                _is_adapter(adapter)
                and users[adapter.name] == [total]
                and total.args[1 - place] != adapter.name
                and _saves(adapter, readers)
            ):
                return _composed(plan, adapter, total, total.args[1 - place], readers)
    return None


def _composed(plan: Plan, adapter: Op, total: Op, other: str, readers: list[Op]) -> Plan:
    changes: dict[str, tuple[Op, ...]] = {adapter.name: (), total.name: ()}
    inner = adapter.expr("weight")
    assert inner is not None
    for reader in readers:
        outer = reader.expr("weight")
        assert outer is not None
        first, second = _free_names(plan, reader.name)
        options = {key: value for key, value in reader.options.items() if key != "relu"}
        wide = attrs.evolve(
            reader, name=first, args=(other,), options=options, exprs={"weight": (outer,)}
        )
        narrow = attrs.evolve(
            reader,
            name=second,
            args=adapter.args,
            options=options,
            exprs={**reader.exprs, "weight": (call("compose", outer, inner),)},
        )
        relu = {"relu": True} if reader.relu else {}
        added = attrs.evolve(reader, kind="add", args=(first, second), options=relu, exprs={})
        changes[reader.name] = (wide, narrow, added)
    return plan.replace(changes)


def _saves(adapter: Op, readers: list[Op]) -> bool:
    """Whether the composed convolutions take fewer multiply-adds for each of its input channels."""
    return sum(math.prod(reader.shape) for reader in readers) < math.prod(adapter.shape)


def _is_adapter(op: Op) -> bool:
    return op.kind == "conv" and _is_linear(op) and op.option("stride") == 1


def _is_linear(op: Op) -> bool:
    """Whether an operation is a 1x1 convolution with nothing behind it."""
    pointwise = op.options["kernel"] == "1x1x1" and len(op.args) == 1
    return pointwise and not op.relu and op.expr("bias") is None


def _is_pointwise(op: Op, name: str) -> bool:
    return op.kind == "conv" and op.options["kernel"] == "1x1x1" and op.args == (name,)


def _free_names(plan: Plan, name: str) -> tuple[str, str]:
    """Two names that no operation has."""
    taken = {op.name for op in plan.ops}
    free = (f"{name}.term{number}" for number in range(2 * len(taken) + 2))
    first, second, *_ = (name for name in free if name not in taken)
    return first, second
