"""The passes for inference: their effect on a small plan, and equal results before and after.

Results are computed in double precision by `tests.plan.interpreter`, which shares no code with the
engines.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings

import anetdsl
from anetc.plan.lower import lower
from anetc.plan.passes import INFERENCE, Pass, optimise
from anetc.plan.passes.drop_unused import drop_unused
from anetc.plan.passes.fold_norms import fold_norms
from anetc.plan.passes.fuse_adds import fuse_adds
from anetc.plan.passes.fuse_relus import fuse_relus
from anetc.plan.passes.join_convs import join_convs
from anetc.plan.passes.merge_equal import merge_equal
from anetc.plan.passes.scale_sums import scale_sums
from anetc.plan.plan import Plan, check_plan
from anetc.plan.plan_text import parse_plan, print_plan
from tests.conftest import GOLDEN, REPOSITORY
from tests.modules.networks import chain
from tests.plan.cases import (
    EVERY_PASS,
    Case,
    WildCase,
    case,
    cases,
    relative_error,
    wild_cases,
)
from tests.plan.interpreter import interpret, logits_of

EXACT = 1e-9
"""Relative error in double precision, with the rounding errors of a deep network."""


def before(step: Pass, plan: Plan) -> Plan:
    """Return the plan before a pass when all passes run in order."""
    return optimise(plan, INFERENCE[: INFERENCE.index(step)])


@pytest.mark.parametrize("step", INFERENCE, ids=lambda step: step.__name__)
def test_passes_change_the_small_plan_as_recorded(
    step: Pass, golden: Callable[[str, str], None]
) -> None:
    plan = before(step, lower(EVERY_PASS, frames=4, size=(32, 24)))
    result = step(plan)
    check_plan(result)
    assert result != plan
    golden(f"passes/{step.__name__}.before.plan", print_plan(plan))
    golden(f"passes/{step.__name__}.after.plan", print_plan(result))


@pytest.mark.parametrize("step", INFERENCE, ids=lambda step: step.__name__)
def test_passes_are_idempotent(step: Pass) -> None:
    plan = step(before(step, lower(EVERY_PASS, frames=4, size=(32, 24))))
    assert step(plan) == plan


def check_passes(example: Case) -> None:
    """Assert that the plan, lowered and after each pass, gives the reference module's logits."""
    plan = lower(example.network, frames=example.frames, size=example.size)
    model = example.model.double()
    inputs = {name: clip.double() for name, clip in example.inputs.items()}
    with torch.no_grad():
        expected = model(inputs)
        assert relative_error(logits_of(plan, example.state, inputs), expected) < EXACT
        for step in INFERENCE:
            changed = step(plan)
            if changed != plan:
                error = relative_error(logits_of(changed, example.state, inputs), expected)
                assert error < EXACT, step.__name__
            plan = changed


def test_passes_keep_the_results_of_the_small_network() -> None:
    check_passes(case(EVERY_PASS, batch=2))


@settings(max_examples=40)
@given(cases())
def test_passes_keep_the_results_of_random_networks(example: Case) -> None:
    check_passes(example)


@pytest.mark.slow
@settings(max_examples=1000)
@given(cases())
def test_passes_keep_the_results_of_many_random_networks(example: Case) -> None:
    check_passes(example)


@settings(max_examples=200)
@given(wild_cases())
def test_passes_keep_the_results_of_any_plan(example: WildCase) -> None:
    """Examples: results read twice, inputs as summands, ReLUs with other readers, gates of 1."""
    expected = logits_of(example.plan, example.state, example.inputs)
    for step in INFERENCE:
        plan = step(example.plan)
        check_plan(plan)
        assert relative_error(logits_of(plan, example.state, example.inputs), expected) < EXACT
    plan = optimise(example.plan)
    assert relative_error(logits_of(plan, example.state, example.inputs), expected) < EXACT


def test_results_with_the_name_of_a_node_are_its_output() -> None:
    """The passes remove the unused node and no other."""
    example = case(EVERY_PASS)
    names = [node.name for node in EVERY_PASS.nodes]
    with torch.no_grad():
        _, outputs = example.model(example.inputs, outputs=names)
    plan = optimise(lower(EVERY_PASS, frames=example.frames, size=example.size))
    values = interpret(plan, example.state, example.inputs)
    found = [name for name in names if name in values]
    assert found == [name for name in names if name != "n5"]
    for name in found:
        assert relative_error(values[name], outputs[name]) < 1e-5


# The page about passes


PAGE = (REPOSITORY / "docs" / "passes.md").read_text("utf-8")
SECTION = re.compile(r"^## `(\w+)`$(.*?)(?=^## )", re.MULTILINE | re.DOTALL)


def test_the_page_has_a_section_for_each_pass_in_order() -> None:
    assert [name for name, _ in SECTION.findall(PAGE)] == [step.__name__ for step in INFERENCE]


@pytest.mark.parametrize("name", [step.__name__ for step in INFERENCE])
def test_the_examples_on_the_page_are_in_the_golden_files(name: str) -> None:
    """The page shows removed and added lines, without the node at the end of a line."""
    old, new = (
        {" ".join(line.rpartition(" @")[0].split()) for line in path.read_text().splitlines()}
        for path in (GOLDEN / "passes" / f"{name}.{when}.plan" for when in ("before", "after"))
    )
    shown = re.findall(r"^([-+]) (.*)$", dict(SECTION.findall(PAGE))[name], re.MULTILINE)
    assert any(sign == "-" for sign, _ in shown)
    for sign, line in shown:
        assert " ".join(line.split()) in (old - new if sign == "-" else new - old), line


def test_the_plan_of_attention_on_the_page_is_that_of_the_example() -> None:
    """The page leaves out other lines, the nodes at the ends of lines, and parts with dots."""
    network = anetdsl.load(REPOSITORY / "examples" / "small_assemblenet_plus.anet")
    plan = print_plan(optimise(lower(network, frames=8, size=(64, 64))))
    lines = [" ".join(line.rpartition(" @")[0].split()) for line in plan.splitlines()]
    shown = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].splitlines()
    assert len(shown) > 3
    for line in shown:
        pattern = re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*")
        assert any(re.fullmatch(pattern, found) for found in lines), line


# Single passes, and plans that they must not change

HEAD = "plan p frames=2 size=4x4 mode=inference\nx 3x2x4x4 input()\n"
SHAPE = "3x2x4x4"


def plan_of(*lines: str) -> Plan:
    """Return a plan of the given operations on x, each `NAME OPERATION`."""
    rows = (f"{name} {SHAPE} {rest}" for name, _, rest in (line.partition(" ") for line in lines))
    return parse_plan(HEAD + "\n".join(rows))


def test_unused_nodes_are_removed_and_inputs_stay() -> None:
    """Callers pass all inputs, also those that the result does not depend on."""
    network = anetdsl.parse(
        "anet 1 network n input rgb channels=3 input flow channels=2\n"
        "node a level=0 C=4 r=1 stride=4 inputs=[rgb]\n"
        "node b level=0 C=4 r=1 stride=4 inputs=[flow]\n"
        "node c level=1 C=2 r=1 stride=2 inputs=[a, b]\n"
        "node d level=2 C=2 r=1 stride=2 inputs=[a]\n"
        "sink inputs=[d] classes=3"
    )
    plan = drop_unused(lower(network))
    assert {op.node for op in plan.ops} == {"a", "d", ""}
    assert [op.name for op in plan.ops if op.kind == "input"] == ["rgb", "flow"]


def test_equal_pools_of_one_output_are_shared() -> None:
    """`s0` and `s1` have one pool each. Three nodes read the pools, one of them twice."""
    body = """node s1 level=0 C=4 r=1 stride=4 inputs=[rgb]
    node n1 level=1 C=1 r=1 stride=2 inputs=[s0]
    node n2 level=2 C=1 r=1 stride=1 inputs=[n1, s0, s0]
    node n3 level=2 C=1 r=1 stride=1 inputs=[n1, s0, s1]
    node n4 level=2 C=1 r=1 stride=1 inputs=[s1, n1]"""
    plan = lower(chain(body, sink="inputs=[n2, n3, n4] classes=3"))
    pools = [op.args[0] for op in plan.ops if op.kind == "pool" and ".fuse." in op.name]
    assert pools == ["s0", "s0", "s0", "s1", "s1"]
    merged = merge_equal(plan)
    assert [op.args[0] for op in merged.ops if op.kind == "pool" and ".fuse." in op.name] == [
        "s0",
        "s1",
    ]


def test_parts_of_different_widths_are_not_merged() -> None:
    plan = parse_plan(
        "plan p frames=1 size=4x4 mode=inference\n"
        "x 8x1x4x4 input()\n"
        "a 3x1x4x4 part(x) first=0\n"
        "b 5x1x4x4 part(x) first=0\n"
        "c 3 space_mean(a)\n"
        "d 5 space_mean(b)\n"
        "e 8 concat(c, d)\n"
    )
    assert merge_equal(plan) == plan


def test_the_last_operation_is_never_merged() -> None:
    plan = plan_of("a relu(x)", "b relu(x)")
    assert merge_equal(plan) == plan


@pytest.mark.parametrize(
    "lines",
    [
        ("a conv(x) kernel=1x1x1 weight=w", "b norm(a) weight=bn", "c add(a, b)"),
        ("a conv(x) kernel=1x1x1 relu weight=w", "b norm(a) weight=bn"),
        ("a conv(x) kernel=1x1x1 weight=w bias=v", "b norm(a) weight=bn"),
        ("a conv(x, x) kernel=1x1x1 weight=w", "b norm(a) weight=bn"),
        ("a relu(x)", "b norm(a) weight=bn"),
        ("a conv(x) kernel=1x1x1 weight=w", "b norm(a) relu weight=bn"),
        ("a conv(x) kernel=1x1x1 weight=w", "b norm(a, x) weight=bn"),
    ],
    ids=[
        "read by others",
        "after a ReLU",
        "with a bias",
        "with a summand",
        "not of a convolution",
        "fused with a ReLU",
        "fused with a summand",
    ],
)
def test_norms_are_not_folded_where_it_would_be_wrong(lines: tuple[str, ...]) -> None:
    plan = plan_of(*lines)
    assert fold_norms(plan) == plan


def test_relus_are_not_fused_into_results_with_other_readers() -> None:
    plan = plan_of("a add(x, x)", "b relu(a)", "c add(a, b)")
    assert fuse_relus(plan) == plan


@pytest.mark.parametrize(
    "lines",
    [
        ("a conv(x) kernel=1x1x1 weight=w", "b add(a, x)", "c add(a, b) relu"),
        ("a conv(x) kernel=1x1x1 relu weight=w", "b add(a, x)"),
        ("a conv(x, x) kernel=1x1x1 weight=w", "b add(a, x)"),
        ("a conv(x) kernel=1x1x1 weight=w", "b add(a, a)"),
        ("a relu(x)", "b add(x, a)"),
    ],
    ids=["read by others", "has a ReLU", "has a summand", "added to itself", "not a convolution"],
)
def test_sums_are_not_fused_where_it_would_be_wrong(lines: tuple[str, ...]) -> None:
    plan = plan_of(*lines)
    assert fuse_adds(plan) == plan


def test_a_convolution_moves_to_the_place_of_its_sum() -> None:
    """The other term may be computed after the convolution. The ReLU of the sum is fused, too."""
    plan = plan_of("a conv(x) kernel=1x1x1 weight=w", "b relu(x)", "c add(a, b) relu")
    assert fuse_adds(plan) == plan_of("b relu(x)", "c conv(x, b) kernel=1x1x1 relu weight=w")


@pytest.mark.parametrize(
    "last",
    [
        "c relu(b)",
        "c add(b, a)",
        "c conv(a, b) kernel=1x1x1 weight=w",
        "c conv(b, b) kernel=1x1x1 weight=w",
    ],
)
def test_gates_stay_where_a_reader_has_no_weights(last: str) -> None:
    plan = plan_of("a relu(x)", "b sum(x, a) gates=gate(w, 0); gate(w, 1)", last)
    assert scale_sums(plan) == plan


def test_sums_of_one_term_are_removed() -> None:
    conv = "c conv({}) kernel=1x1x1 weight={}"
    plan = plan_of("b sum(x) gates=gate(w, 0)", conv.format("b", "v"))
    assert scale_sums(plan) == plan_of(conv.format("x", "scale(v, gate(w, 0))"))


def test_pools_of_joined_convolutions_are_joined() -> None:
    """This holds only if each convolution has one pool, and all pools have equal options."""
    convs = ("a conv(x) kernel=1x1x1 weight=v bias=s", "b conv(x) kernel=1x1x1 weight=w bias=t")
    pools = ("c pool(a) window=2 stride=1", "d pool(b) window=2 stride=1", "e add(c, d)")
    joined = join_convs(plan_of(*convs, *pools))
    assert [(op.name, op.shape[0]) for op in joined.ops[1:-1]] == [
        ("a.joined", 6),
        ("c.joined", 6),
        ("c", 3),
        ("d", 3),
    ]
    other = join_convs(plan_of(*convs, pools[0], "d pool(b) window=3 stride=1", pools[2]))
    assert [op.name for op in other.ops[1:-1]] == ["a.joined", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    "second",
    [
        "b conv(x) kernel=1x3x3 weight=w",
        "b conv(x) kernel=1x1x1 relu weight=w",
        "b conv(x) kernel=1x1x1 weight=w bias=t",
        "b conv(x, a) kernel=1x1x1 weight=w",
        "b conv(a) kernel=1x1x1 weight=w",
    ],
)
def test_convolutions_that_differ_are_not_joined(second: str) -> None:
    plan = plan_of("a conv(x) kernel=1x1x1 weight=v", second, "c add(a, b)")
    assert join_convs(plan) == plan


def test_wide_convolutions_are_not_joined() -> None:
    """Seventeen channels need two vector registers, so that joining saves nothing."""
    wide = ("a 9x2x4x4 conv(x) kernel=1x1x1 weight=v\n", "b {}x2x4x4 conv(x) kernel=1x1x1 weight=w")
    for channels, joined in ((7, True), (8, False)):
        plan = parse_plan(HEAD + wide[0] + wide[1].format(channels))
        assert (join_convs(plan) != plan) is joined
