"""The passes of training plans: what each makes of a small plan."""

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
    """What a pass is given when all run in their order."""
    plan = lower(EVERY_PASS, frames=4, size=(32, 24), mode="training")
    return optimise(plan, TRAINING[: TRAINING.index(step)])


@pytest.mark.parametrize("step", OWN, ids=lambda step: step.__name__)
def test_pass_makes_of_the_small_plan_what_it_made(
    step: Pass, golden: Callable[[str, str], None]
) -> None:
    """Plan before, plan after."""
    plan = before(step)
    result = step(plan)
    check_plan(result)
    assert result != plan
    golden(f"passes/{step.__name__}.before.plan", print_plan(plan))
    golden(f"passes/{step.__name__}.after.plan", print_plan(result))


@pytest.mark.parametrize("step", OWN, ids=lambda step: step.__name__)
def test_pass_twice_is_once(step: Pass) -> None:
    """A pass leaves nothing to do for itself."""
    plan = step(before(step))
    assert step(plan) == plan


def test_training_plans_are_text_too() -> None:
    """What the passes add to operations is printed and read."""
    plan = optimise(lower(EVERY_PASS, frames=4, size=(32, 24), mode="training"), TRAINING)
    assert parse_plan(print_plan(plan)) == plan
    assert " before=nodes.s0.conv_bn" in print_plan(plan)
    assert " again" in print_plan(plan)


def test_a_norm_that_is_added_to_itself_stays() -> None:
    plan = parse_plan(
        "plan p frames=1 size=4x4 mode=training\n"
        "x 8x1x4x4 input()\n"
        "a 8x1x4x4 norm(x) weight=bn\n"
        "b 8x1x4x4 add(a, a)\n"
    )
    assert fuse_norm_sums(plan) == plan
