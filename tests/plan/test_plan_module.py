"""PlanModule: it equals the reference module, repeats its results, and reuses memory safely."""

from __future__ import annotations

import attrs
import pytest
import torch
from hypothesis import example as also
from hypothesis import given, settings
from torch import Tensor

import anetc
import anetdsl
from anetc.engines.inference import buffer_pool, convolution
from anetc.engines.inference.plan_module import PlanModule
from anetc.plan.lower import lower
from anetc.plan.passes import INFERENCE, optimise
from anetc.plan.passes.fold_norms import fold_norms
from anetc.plan.plan_text import parse_plan
from anetc.weights import authors
from anetdsl.ir import Network
from tests.modules.networks import SMALL, chain
from tests.modules.test_authors import TINY, inputs_of, load, network_of
from tests.plan.cases import (
    Case,
    WildCase,
    case,
    cases,
    is_close,
    relative_error,
    wild_cases,
    wild_state,
)
from tests.plan.interpreter import logits_of

SINGLE = 1e-5
HALF = 2e-2
FIRST_TO_RUN = INFERENCE.index(fold_norms) + 1
"""Number of passes after which a plan can run: PlanModule has no operation `norm`."""


def run(example: Case, passes: int = len(INFERENCE), dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the logits of the plan after the first `passes` passes."""
    lowered = lower(example.network, frames=example.frames, size=example.size)
    module = PlanModule(optimise(lowered, INFERENCE[:passes]), example.state, dtype=dtype)
    with torch.no_grad():
        return module(example.inputs)


def reference(example: Case) -> Tensor:
    """Return the logits of the reference module."""
    with torch.no_grad():
        logits: Tensor = example.model(example.inputs)
    return logits


@pytest.fixture(
    scope="module", params=["tiny", "small", "tiny maxpool", "small maxpool", "small batch"]
)
def authors_case(request: pytest.FixtureRequest) -> Case:
    """Return a network of the authors' code with its weights and clips, and one of the heads."""
    which, _, variant = str(request.param).partition(" ")
    path = TINY
    if which == "small":
        path = request.getfixturevalue("shared") / "golden" / "authors_small.npz"
    golden = load(path)
    network = network_of(golden, "maxpool" if variant == "maxpool" else "mean")
    model = anetc.build_network(network).eval()
    authors.load_authors_weights(model, path)
    inputs = inputs_of(golden)
    if variant == "batch":
        inputs = {name: torch.cat([clip, clip.flip(2)]) for name, clip in inputs.items()}
    return Case(network, model, inputs)


def test_authors_networks_equal_the_reference_after_each_pass(authors_case: Case) -> None:
    expected = reference(authors_case)
    for passes in range(FIRST_TO_RUN, len(INFERENCE) + 1):
        assert relative_error(run(authors_case, passes), expected) < SINGLE, passes


@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="this processor has no bfloat16 (AVX512-BF16 or AMX)",
)
def test_authors_networks_equal_the_reference_in_bfloat16(authors_case: Case) -> None:
    got = run(authors_case, dtype=torch.bfloat16)
    assert relative_error(got, reference(authors_case)) < HALF


def check_runs(example: Case) -> None:
    """Assert that the plan gives the reference's logits, twice, and does not change the clips."""
    clips = {name: clip.clone() for name, clip in example.inputs.items()}
    lowered = lower(example.network, frames=example.frames, size=example.size)
    module = PlanModule(optimise(lowered), example.state)
    with torch.no_grad():
        logits = module(example.inputs)
        assert torch.equal(logits, module(example.inputs))
    assert is_close(logits, example, SINGLE)
    assert all(torch.equal(example.inputs[name], clip) for name, clip in clips.items())


@settings(max_examples=60)
@given(cases())
def test_random_networks_equal_the_reference(example: Case) -> None:
    """They have all levels and strides, odd sizes, sole inputs, both heads, random statistics."""
    check_runs(example)


@pytest.mark.slow
@settings(max_examples=1000)
@given(cases())
def test_many_random_networks_equal_the_reference(example: Case) -> None:
    check_runs(example)


def test_the_small_network_equals_the_reference() -> None:
    check_runs(case(anetdsl.parse(SMALL), batch=2, frames=5, size=(65, 47)))


@pytest.mark.parametrize(("frames", "size"), [(1, (1, 1)), (3, (17, 64)), (8, (64, 64))])
def test_a_plan_runs_clips_of_other_sizes(frames: int, size: tuple[int, int]) -> None:
    """A plan is for one size, but is valid for all sizes with the same pools, in any order."""
    network = chain("node n1 level=1 C=2 r=2 stride=2 inputs=[s0]")
    made_for = case(network)
    module = PlanModule(
        optimise(lower(network, frames=made_for.frames, size=made_for.size)), made_for.state
    )
    other = attrs.evolve(case(network, batch=2, frames=frames, size=size), model=made_for.model)
    with torch.no_grad():
        for example in (made_for, other, made_for):
            assert relative_error(module(example.inputs), reference(example)) < SINGLE


AWKWARD = "keys values items train eval type forward parameters _ __ n7_ T_destination".split()  # noqa: SIM905


@pytest.mark.parametrize("name", AWKWARD)
def test_nodes_may_have_names_that_torch_uses(name: str) -> None:
    check_runs(
        case(
            chain(
                f"node {name} level=1 C=2 r=1 stride=1 inputs=[s0]",
                sink=f"inputs=[{name}] classes=3",
            )
        )
    )


@pytest.mark.parametrize("weights", [(50.0, 0.0), (-110.0, 0.0), (-800.0, 3.0), (0.0, -800.0)])
def test_gates_may_be_zero_or_one(weights: tuple[float, float]) -> None:
    """Other operations read each sum, too. A ratio of gates must be finite in single precision."""
    network = two_sums()
    example = case(network)
    for node in ("n2", "n3"):
        example.model.get_submodule(f"nodes.{node}.fuse").w.data[:] = torch.tensor(weights)
    check_runs(example)


def two_sums() -> Network:
    """Return a network: `n2` adds a sum of `s0` to an adapter's result, and `n3` reads `s0`."""
    return anetdsl.parse(
        "anet 1 network two_sums D=[4, 4, 4, 4] modules=[1, 1, 1, 1] input rgb channels=3\n"
        "node s0 level=0 C=8 r=1 stride=4 inputs=[rgb]\n"
        "node s1 level=0 C=4 r=1 stride=4 inputs=[rgb]\n"
        "node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1]\n"
        "node n3 level=2 C=2 r=1 stride=2 inputs=[s0, n2]\n"
        "sink inputs=[n3] classes=5"
    )


# Reuse of memory


def wild(*lines: str, last: bool = False) -> WildCase:
    """Return a plan of the given operations on 3x2x4x4, followed by a classifier."""
    rows = (f"{name} 3x2x4x4 {rest}" for name, _, rest in (line.partition(" ") for line in lines))
    final = lines[-1].partition(" ")[0]
    plan = parse_plan(
        "plan p frames=2 size=4x4 mode=inference\nx 3x2x4x4 input()\ny 3x2x4x4 input()\n"
        + "\n".join(rows)
        + f"\ns 3x2 space_mean({final})\nt 3 time_mean(s)\nz 3 linear(t) weight=fc bias=b"
    )
    generator = torch.Generator().manual_seed(0)
    layout = torch.channels_last_3d if last else torch.contiguous_format
    inputs = {
        name: torch.randn(1, 3, 2, 4, 4, generator=generator).contiguous(memory_format=layout)
        for name in ("x", "y")
    }
    return WildCase(plan, wild_state(0), inputs)


CONV = "kernel=1x1x1 weight=p"


@settings(max_examples=300)
@given(wild_cases())
@also(wild(f"a conv(x, y) {CONV}", f"b conv(a, y) {CONV}"))
@also(wild(f"a conv(x, y) {CONV}", f"b conv(x, a) {CONV}", last=True))
@also(wild("a relu(x)", f"b conv(a, a) {CONV}"))
@also(wild("a relu(x)", f"b conv(x, a) {CONV}", "c add(a, b)"))
@also(wild("a relu(x)", "s1 sum(a) gates=1", f"b conv(x, s1) {CONV}", "c add(a, b)"))
@also(wild("a relu(x)", "s1 sum(a, a) gates=1; 1", f"b conv(x, s1) {CONV}", "c add(a, b)"))
@also(wild("a relu(x)", "b conv(a, a) kernel=3x1x1 relu weight=r", "c add(b, a)"))
def test_no_result_is_overwritten_before_its_last_use(example: WildCase) -> None:
    """This holds for any plan, before and after the passes. The clips do not change."""
    clips = {name: clip.clone() for name, clip in example.inputs.items()}
    expected = logits_of(example.plan, example.state, example.inputs)
    for plan in (example.plan, optimise(example.plan)):
        with torch.no_grad():
            logits = PlanModule(plan, example.state)(example.inputs)
        assert relative_error(logits, expected) < SINGLE
        assert all(torch.equal(example.inputs[name], clip) for name, clip in clips.items())


def test_residual_sums_are_computed_in_place() -> None:
    """The sum is the last reader of the shortcut, so that no sum needs new memory."""
    example = case(anetdsl.parse(SMALL))
    plan = optimise(lower(example.network, frames=example.frames, size=example.size))
    module = PlanModule(plan, example.state)
    sums = {op.name: op for op in plan.ops if op.kind == "conv" and len(op.args) > 1}
    assert sums
    for name, op in sums.items():
        assert module.convs[name].in_place is True, op


@settings(max_examples=25)
@given(cases())
def test_reused_memory_does_not_change_results(example: Case) -> None:
    """With the limit 0, all results reuse memory."""
    lowered = lower(example.network, frames=example.frames, size=example.size)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(buffer_pool, "MIN_BYTES", 0)
        module = PlanModule(optimise(lowered), example.state)
        first = module(example.inputs)
        other = {name: clip.flip(2) for name, clip in example.inputs.items()}
        module(other)
        assert torch.equal(module(example.inputs), first)
    assert is_close(first, example, SINGLE)


@settings(max_examples=60)
@given(wild_cases())
def test_no_memory_is_reused_before_its_last_use(example: WildCase) -> None:
    """The memory of inputs is not reused, nor memory that another result is a view of."""
    clips = {name: clip.clone() for name, clip in example.inputs.items()}
    expected = logits_of(example.plan, example.state, example.inputs)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(buffer_pool, "MIN_BYTES", 0)
        for plan in (example.plan, optimise(example.plan)):
            module = PlanModule(plan, example.state)
            for _ in range(2):
                assert relative_error(module(example.inputs), expected) < SINGLE
    assert all(torch.equal(example.inputs[name], clip) for name, clip in clips.items())


@settings(max_examples=15)
@given(cases())
def test_small_maps_may_use_gemm(example: Case) -> None:
    """This is the code for processors with AMX. Weights are packed again for another batch size."""
    lowered = lower(example.network, frames=example.frames, size=example.size)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(convolution, "small_maps_use_gemm", lambda: True)
        module = PlanModule(optimise(lowered), example.state)
        logits = module(example.inputs)
        twice = module({name: torch.cat([x, x]) for name, x in example.inputs.items()})
    assert is_close(logits, example, SINGLE)
    for half in twice.chunk(2):
        assert is_close(half, example, SINGLE)
