"""TrainingModule: it gives the reference module's numbers and gradients, in less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.engines.training import TrainingModule, training_module
from anetc.engines.training.training_module import _PLANS
from anetc.modules.network import InputError, NetworkModule
from anetc.native.library import library_or_none
from anetc.weights import authors
from anetc.weights.files import load_weights, save_weights
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.modules.networks import SMALL
from tests.modules.test_authors import TINY, inputs_of, load, network_of
from tests.networks import networks
from tests.plan.cases import EVERY_PASS, Case, case

GRADIENTS = 1e-6
"""Largest difference, relative to the tensor's largest gradient."""
SMALLEST_SCALE = 1e-6
"""Smallest scale of a difference, relative to the network's largest gradient."""
PERTURBATION = 2**-49
"""Relative change of the clips: a few of the last bits in double precision."""
NUMBERS = 1e-9

THREE_WIDTHS = anetdsl.parse("""anet 1
network three_widths D=[2, 2, 2, 2] modules=[1, 1, 1, 1]
input rgb channels=3
node s0 level=0 C=6 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=5 r=2 stride=4 inputs=[rgb]
node n2 level=1 C=2 r=1 stride=1 inputs=[s0]
node n3 level=2 C=2 r=1 stride=1 inputs=[s0, s1, n2]
sink inputs=[n3] classes=3
""")
"""A network in which `n3` has two adapters: their sum is fused with no convolution."""


def double(example: Case) -> tuple[NetworkModule, dict[str, Tensor]]:
    return example.model.double().train(), {k: x.double() for k, x in example.inputs.items()}


def loss_of(module: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    logits = module(inputs)
    return functional.cross_entropy(logits, torch.arange(len(logits)) % logits.shape[1])


def compare(
    reference: NetworkModule,
    inputs: Mapping[str, Tensor],
    *,
    train: bool = True,
    checkpoint: bool = False,
) -> None:
    """Assert that loss, gradients, statistics and inference logits equal the reference module's.

    This holds for steps in Python and, where they can be compiled, for native kernels.
    """
    engines = [
        TrainingModule(copy.deepcopy(reference), checkpoint=checkpoint, native=native).train(train)
        for native in ((False,) if library_or_none() is None else (False, True))
    ]
    reference.train(train)
    original = copy.deepcopy(reference)
    expected = loss_of(reference, inputs)
    expected.backward()
    with torch.no_grad():
        logits = copy.deepcopy(reference).eval()(inputs)

    def perturb() -> nn.Module:
        perturbed = copy.deepcopy(original)
        clips = {name: clip * (1 + PERTURBATION) for name, clip in inputs.items()}
        loss_of(perturbed, clips).backward()
        return perturbed

    for ours in engines:
        got = loss_of(ours, inputs)
        assert got.item() == pytest.approx(expected.item(), rel=NUMBERS)
        got.backward()
        check_gradients(reference, ours, perturb)
        check_buffers_and_logits(reference, ours, inputs, logits)


def check_buffers_and_logits(
    reference: NetworkModule, ours: nn.Module, inputs: Mapping[str, Tensor], logits: Tensor
) -> None:
    for (name, expected), got in zip(reference.named_buffers(), ours.buffers()):
        if is_used(reference.network, name):
            torch.testing.assert_close(got, expected, rtol=NUMBERS, atol=NUMBERS, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(inputs), logits, rtol=NUMBERS, atol=NUMBERS)


def check_gradients(
    reference: nn.Module, ours: nn.Module, perturb: Callable[[], nn.Module] | None = None
) -> None:
    """Assert that gradients equal those of the reference, up to GRADIENTS or rounding.

    If terms of a gradient cancel almost completely, its rounding error is large. Then the bound is
    four times the change of the reference's gradient when the last bits of the clip change.
    `perturb` returns a module with the gradients of such a clip.
    """
    expected = {name: parameter.grad for name, parameter in reference.named_parameters()}
    got = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert list(got) == list(expected)
    assert {n for n, g in got.items() if g is None} == {n for n, g in expected.items() if g is None}
    largest = max(gradient.abs().max() for gradient in expected.values() if gradient is not None)
    for name, gradient in expected.items():
        if gradient is not None:
            size = max(gradient.abs().max(), SMALLEST_SCALE * largest)
            difference = (got[name] - gradient).abs().max()
            if difference > GRADIENTS * size and perturb is not None:
                other = perturb().get_parameter(name).grad
                assert difference <= 4 * (other - gradient).abs().max(), (name, difference / size)
            else:
                assert difference <= GRADIENTS * size, (name, difference / size)


def is_used(network: Network, name: str) -> bool:
    """Return whether the sink needs the node of a stored tensor."""
    needed = network.needed_by_sink()
    return name.split(".")[1].removesuffix("_") in needed or name.startswith("sink.")


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    "network", [anetdsl.parse(SMALL), EVERY_PASS, THREE_WIDTHS], ids=lambda network: network.name
)
def test_gradients_equal_the_reference(network: Network, train: bool, checkpoint: bool) -> None:
    """This also holds with recomputation, and with running averages in inference mode."""
    model, inputs = double(case(network, batch=2, frames=5, size=(37, 29)))
    compare(model, inputs, train=train, checkpoint=checkpoint)


def test_gradients_of_the_authors_network() -> None:
    """The weights are those of the golden file."""
    golden = load(TINY)
    model = build_network(network_of(golden))
    authors.load_authors_weights(model, TINY)
    compare(model.double(), {name: x.double() for name, x in inputs_of(golden).items()})


def test_gradients_of_the_small_table_4() -> None:
    """This is the network of the benchmarks, on small clips."""
    network = anetdsl.parse((REPOSITORY / "examples" / "small_assemblenet.anet").read_text())
    model, inputs = double(case(network, batch=2, frames=9, size=(50, 41)))
    compare(model, inputs)


@st.composite
def examples(draw: st.DrawFn) -> tuple[Case, bool]:
    example = case(
        draw(networks()),
        batch=draw(st.integers(1, 3)),
        frames=draw(st.integers(1, 5)),
        size=(draw(st.integers(1, 45)), draw(st.integers(1, 45))),
        seed=draw(st.integers(0, 2**31)),
    )
    return example, draw(st.booleans())


def check_example(example: Case, checkpoint: bool) -> None:
    model, inputs = double(example)
    try:
        copy.deepcopy(model)(inputs)
    except ValueError as error:
        assume("more than 1 value per channel" not in str(error))
        raise
    compare(model, inputs, checkpoint=checkpoint)


@given(examples())
@settings(max_examples=10)
def test_gradients_of_random_networks(example: tuple[Case, bool]) -> None:
    """They have all levels and strides, odd sizes, sole inputs, learned and fixed edges."""
    check_example(*example)


@pytest.mark.slow
@given(examples())
@settings(max_examples=200)
def test_gradients_of_many_random_networks(example: tuple[Case, bool]) -> None:
    check_example(*example)


def test_equal_runs_give_equal_bits() -> None:
    """Modules with equal weights have equal gradients after a step, with and without checkpoint."""
    example = case(EVERY_PASS, batch=2)
    results = []
    for checkpoint in (False, False, True):
        module = TrainingModule(copy.deepcopy(example.model), checkpoint=checkpoint).train()
        loss_of(module, example.inputs).backward()
        results.append({name: p.grad for name, p in module.named_parameters()})
    for result in results[1:]:
        for name, gradient in results[0].items():
            assert gradient is None or torch.equal(result[name], gradient), name


def test_two_backward_passes_add_the_same_gradients() -> None:
    """The backward pass does not change the saved values."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model).train()
    loss = loss_of(module, example.inputs)
    loss.backward(retain_graph=True)
    once = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    loss.backward()
    for name, gradient in once.items():
        assert torch.equal(module.get_parameter(name).grad, 2 * gradient), name


def test_training_steps_equal_the_reference() -> None:
    """Three steps of SGD with momentum and different clip sizes give the same weights."""
    network = anetdsl.parse(SMALL)
    reference = case(network).model.double().train()
    ours = TrainingModule(copy.deepcopy(reference))
    for module in (reference, ours):
        optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
        for size in ((32, 24), (40, 33), (32, 24)):
            _, inputs = double(case(network, batch=2, size=size))
            optimiser.zero_grad()
            loss_of(module, inputs).backward()
            optimiser.step()
    for (name, expected), got in zip(reference.state_dict().items(), ours.state_dict().values()):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9, msg=name)


def test_parameters_are_those_of_the_reference() -> None:
    """They are the same objects with the same names, so that existing optimisers stay valid."""
    reference = build_network(anetdsl.parse(SMALL))
    before = dict(reference.named_parameters())
    values = {name: value.clone() for name, value in reference.state_dict().items()}
    module = TrainingModule(reference)
    assert all(parameter is before[name] for name, parameter in module.named_parameters())
    state = module.state_dict()
    assert list(state) == list(values)
    assert all(torch.equal(state[name], value) for name, value in values.items())


def test_equal_seeds_give_the_weights_of_the_reference() -> None:
    network = anetdsl.parse(SMALL)
    expected = build_network(network, seed=3).state_dict()
    state = training_module(network, seed=3).state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_weights_files_are_interchangeable(tmp_path: Path) -> None:
    """The reference module can load the file of a TrainingModule."""
    network = anetdsl.parse(SMALL)
    module = training_module(network, seed=1)
    save_weights(module, tmp_path / "w.safetensors")
    reference = build_network(network, seed=2)
    load_weights(reference, tmp_path / "w.safetensors")
    for name, value in reference.named_parameters():
        assert torch.equal(value, module.get_parameter(name)), name


def test_frozen_parameters_get_no_gradient() -> None:
    """The gradients of other parameters do not change, and inputs can have gradients."""
    example = case(EVERY_PASS, batch=2)
    model, inputs = double(example)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("conv2" not in name and "s1." not in name)
    ours = TrainingModule(copy.deepcopy(model))
    given = {}
    for module in (model, ours):
        clips = {name: x.clone().requires_grad_() for name, x in inputs.items()}
        loss_of(module, clips).backward()
        given[module] = clips["rgb"].grad
    check_gradients(model, ours)
    torch.testing.assert_close(given[ours], given[model], rtol=GRADIENTS, atol=1e-12)


def saved_bytes(module: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    """Return the bytes that autograd saves for the backward pass, without the parameters."""
    saved: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        loss = loss_of(module, inputs)
    for parameter in module.parameters():
        saved.pop(parameter.untyped_storage().data_ptr(), None)
    loss.backward()
    return sum(saved.values())


def test_less_memory_is_saved_for_the_backward_pass() -> None:
    """It is less than 0.6 of the reference's, and with `checkpoint` less than 0.3."""
    network = anetdsl.parse((REPOSITORY / "examples" / "small_assemblenet.anet").read_text())
    example = case(network, frames=8, size=(64, 64))
    reference = saved_bytes(example.model.train(), example.inputs)
    ours = TrainingModule(example.model)
    assert saved_bytes(ours, example.inputs) < 0.6 * reference
    ours.checkpoint = True
    assert saved_bytes(ours, example.inputs) < 0.3 * reference


def test_copies_are_independent() -> None:
    """A deep copy uses its own parameters; averaging of weights makes such copies."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model).eval()
    before = module(example.inputs)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(module(example.inputs), before)
    assert not torch.equal(twin(example.inputs), before)


def test_autocast_computes_in_its_type() -> None:
    """The gradients have the type of the parameters; the loss is close to single precision."""
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model).train()
    expected = loss_of(module, example.inputs)
    with torch.autocast("cpu", torch.bfloat16):
        logits = module(example.inputs)
        loss = loss_of(module, example.inputs)
    assert logits.dtype == torch.bfloat16
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=0.1)
    assert {p.grad.dtype for p in module.parameters() if p.grad is not None} == {torch.float32}


def test_profiles_name_the_nodes() -> None:
    example = case(EVERY_PASS, batch=2)
    module = TrainingModule(example.model)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        module(example.inputs)
    names = {event.name for event in profile.events()}
    assert {"s0", "s1", "n2", "n3", "n4"} <= names


def test_the_number_of_plans_is_limited() -> None:
    """The module stays small if every clip has another size."""
    module = TrainingModule(case(EVERY_PASS).model).eval()
    for height in range(20, 20 + 2 * _PLANS):
        module(case(EVERY_PASS, frames=1, size=(height, 20)).inputs)
    assert len(module._plans) == _PLANS


def test_inputs_that_do_not_fit_are_refused() -> None:
    module = training_module(EVERY_PASS)
    with pytest.raises(InputError, match="needs an input 'rgb'"):
        module({})


def test_one_cell_cannot_be_normalised() -> None:
    """The reference module raises an error, too."""
    module = training_module(EVERY_PASS)
    with pytest.raises(ValueError, match="cannot train on one cell"):
        module({"rgb": torch.randn(1, 3, 1, 4, 4)})


def test_other_normalisations_are_refused() -> None:
    """The engine would run them as batch normalisations."""
    module = training_module(EVERY_PASS)
    module.nodes["s0"].conv_bn = nn.InstanceNorm3d(8)
    with pytest.raises(TypeError, match=r"nodes\.s0\.conv_bn: InstanceNorm3d is not supported"):
        module(case(EVERY_PASS).inputs)
