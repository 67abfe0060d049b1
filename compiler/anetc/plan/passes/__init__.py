"""The passes: functions from plan to plan, one per file. This module defines their order.

docs/passes.md describes each pass and lists measurements.
"""

from __future__ import annotations

from collections.abc import Callable

from anetc.plan.passes.drop_unused import drop_unused
from anetc.plan.passes.fold_norms import fold_norms
from anetc.plan.passes.fuse_adds import fuse_adds
from anetc.plan.passes.fuse_norm_sums import fuse_norm_sums
from anetc.plan.passes.fuse_relus import fuse_relus
from anetc.plan.passes.join_convs import join_convs
from anetc.plan.passes.merge_equal import merge_equal
from anetc.plan.passes.recompute_cheap import recompute_cheap
from anetc.plan.passes.recompute_norms import recompute_norms
from anetc.plan.passes.scale_sums import scale_sums
from anetc.plan.plan import Plan, check_plan

Pass = Callable[[Plan], Plan]

INFERENCE: tuple[Pass, ...] = (
    drop_unused,
    merge_equal,
    fold_norms,
    fuse_relus,
    scale_sums,
    fuse_adds,
    join_convs,
)
"""Passes for inference plans, in order."""

TRAINING: tuple[Pass, ...] = (
    drop_unused,
    merge_equal,
    fuse_relus,
    fuse_norm_sums,
    fuse_adds,
    recompute_norms,
    recompute_cheap,
)
"""Passes for training plans, in order."""

ACCELERATOR: tuple[Pass, ...] = (drop_unused, merge_equal, fuse_relus)
"""Passes for training plans on accelerators, in order. Compilers fuse and recompute the rest."""


def optimise(plan: Plan, passes: tuple[Pass, ...] = INFERENCE) -> Plan:
    """Return the plan after the passes. Raise ValueError if a pass creates an invalid plan."""
    for step in passes:
        plan = step(plan)
        check_plan(plan)
    return plan
