"""The passes for training plans: their effect on a small plan."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anetc.plan.lower import lower
from anetc.plan.passes import INFERENCE, TRAINING, Pass, optimise
from anetc.plan.passes.fuse_norm_sums import fuse_norm_sums
from anetc.plan.plan import Plan, check_plan
from anetc.plan.plan_text import parse_plan, print_plan
from tests.plan.cases import EVERY_PASS

OWN = [step for step in TRAINING if step not in INFERENCE]


def before(step: Pass) -> Plan:
    """Return the plan before a pass when all passes run in order."""
    plan = lower(EVERY_PASS, frames=4, size=(32, 24), mode="training")
    return optimise(plan, TRAINING[: TRAINING.index(step)])


@pytest.mark.parametrize("step", OWN, ids=lambda step: step.__name__)
def test_passes_change_the_small_plan_as_recorded(
    step: Pass, golden: Callable[[str, str], None]
) -> None:
    """The golden files hold the plans before and after the pass."""
    plan = before(step)
    result = step(plan)
    check_plan(result)
    assert result != plan
    golden(f"passes/{step.__name__}.before.plan", print_plan(plan))
    golden(f"passes/{step.__name__}.after.plan", print_plan(result))


@pytest.mark.parametrize("step", OWN, ids=lambda step: step.__name__)
def test_passes_are_idempotent(step: Pass) -> None:
    plan = step(before(step))
    assert step(plan) == plan


def test_training_plans_round_trip() -> None:
    """The options that the passes add are printed and parsed."""
    plan = optimise(lower(EVERY_PASS, frames=4, size=(32, 24), mode="training"), TRAINING)
    assert parse_plan(print_plan(plan)) == plan
    assert " input_norm=nodes.s0.conv_bn" in print_plan(plan)
    assert " recompute" in print_plan(plan)


def test_a_norm_that_is_added_to_itself_is_not_fused() -> None:
    plan = parse_plan(
        "plan p frames=1 size=4x4 mode=training\n"
        "x 8x1x4x4 input()\n"
        "a 8x1x4x4 norm(x) weight=bn\n"
        "b 8x1x4x4 add(a, a)\n"
    )
    assert fuse_norm_sums(plan) == plan
