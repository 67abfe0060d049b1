"""AssembleNet++ in every engine: the authors' numbers, and those of the reference module."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from torch import nn

import anetdsl
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.training import TrainingModule
from anetc.modules.network import NetworkModule
from anetc.weights import authors
from anetdsl.interchange.authors import list_order
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.engines.test_training import (
    PERTURBATION,
    compare,
    double,
    examples,
    is_used,
    loss_of,
)
from tests.modules.test_authors import error, load, tensor
from tests.modules.test_plus import network_of
from tests.plan.cases import (
    ONE_CHANNEL,
    Case,
    case,
    leave_nan_in_freed_memory,
    relative_error,
)

EXAMPLES = ("small_assemblenet_plus", "small_assemblenet_plus_lite")


def example(name: str) -> Network:
    return anetdsl.load(REPOSITORY / "examples" / f"{name}.anet")


@pytest.mark.parametrize("name", ["object", "lite"])
def test_every_engine_gives_the_authors_numbers(
    shared: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The widths of a lite connection are those of the release (tests/modules/test_plus.py)."""
    path = shared / "golden" / f"authors_plus_{name}.npz"
    golden = load(path)
    network = network_of(golden)
    widths = network.fused_channels()
    for variable in golden if name == "lite" else ():
        if found := re.match(r"var/node(\d+)/fuse\.adapt\d+to(\d+)", variable):
            widths[list_order(network)[int(found[1])].name] = int(found[2])
    monkeypatch.setattr(Network, "fused_channels", lambda _: widths)
    model = NetworkModule(network).eval()
    authors.load_authors_weights(model, path)
    inputs = {value.name: tensor(golden[f"input/{value.name}"]) for value in network.inputs}
    expected = torch.from_numpy(golden["output/logits"])
    for engine in (
        InferenceEngine(model),
        InferenceEngine(model, portable=True),
        TrainingModule(model),
        TrainingModule(model, native=False),
        AcceleratorModule(model),
    ):
        with torch.no_grad():
            assert error(engine.eval()(inputs), expected) < 1e-5, type(engine)


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("name", EXAMPLES)
def test_gradients_of_the_small_examples(name: str, checkpoint: bool) -> None:
    """Native kernels run what they can; attention and lite blocks run step by step."""
    model, inputs = double(case(example(name), batch=2, frames=3, size=(50, 41)))
    compare(model, inputs, checkpoint=checkpoint)


def test_attention_is_trained_with_fixed_edges() -> None:
    """The mixture and the linear layers get gradients, the edge weights none."""
    network = anetdsl.parse(
        str(example(EXAMPLES[0])).replace("attention=peer", "attention=peer edges=fixed")
    )
    model, inputs = double(case(network, batch=2, frames=2, size=(32, 32)))
    for engine in (TrainingModule(copy.deepcopy(model)), AcceleratorModule(copy.deepcopy(model))):
        loss_of(engine, inputs).backward()
        found = {name: parameter.grad for name, parameter in engine.named_parameters()}
        assert not any(name.endswith("fuse.w") for name in found)
        attention = [name for name in found if ".attention." in name]
        assert any(name.endswith(".h") for name in attention)
        for name in attention:
            assert found[name] is not None, name
            assert found[name].abs().max() > 0, name


def differences(model: NetworkModule, module: nn.Module) -> dict[str, float]:
    """Return the difference of each gradient and running average, relative to the largest number.

    Gradients are compared with the largest one of their tensor, or a thousandth of the network's.
    """
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    assert {n for n, g in found.items() if g is None} == {
        n for n, g in expected.items() if g is None
    }
    gradients = {name: grad for name, grad in expected.items() if grad is not None}
    largest = max(grad.abs().max() for grad in gradients.values())
    result = {
        name: float((found[name] - grad).abs().max() / max(grad.abs().max(), largest / 1000))
        for name, grad in gradients.items()
    }
    buffers = dict(module.named_buffers())
    for name, value in model.named_buffers():
        if "running" in name and is_used(model.network, name):
            change = (buffers[name] - value).abs().max() / max(value.abs().max(), 1)
            result[name] = float(change)
    return result


@given(examples())
@settings(max_examples=10)
def test_the_accelerator_trains_random_networks_as_the_reference_does(
    drawn: tuple[Case, bool],
) -> None:
    model, inputs = double(drawn[0])
    module = AcceleratorModule(copy.deepcopy(model), checkpoint=drawn[1])
    perturbed = copy.deepcopy(model)
    try:
        loss_of(model, inputs).backward()
    except ValueError as problem:
        assume("more than 1 value per channel" not in str(problem))
        raise
    loss_of(module, inputs).backward()
    worst = max(differences(model, module).values())
    if worst > 1e-6:  # terms cancel: the change of the last bits of the clip shows by how much
        loss_of(perturbed, {k: x * (1 + PERTURBATION) for k, x in inputs.items()}).backward()
        assert worst < 4 * max(differences(model, perturbed).values())
    with torch.no_grad():
        expected = copy.deepcopy(model).eval()(inputs)
        assert relative_error(module.eval()(inputs), expected) < 1e-6


def test_the_accelerator_trains_a_network_without_normalisations() -> None:
    """Only the classifier has weights if the sink reads the stem of an object input."""
    network = anetdsl.parse("""anet 1
network objects
input object channels=3 kind=object
node s0 level=0 stride=4 inputs=[object]
sink inputs=[s0] classes=5
""")
    model, inputs = double(case(network, batch=2))
    module = AcceleratorModule(copy.deepcopy(model))
    loss_of(model, inputs).backward()
    loss_of(module, inputs).backward()
    assert max(differences(model, module).values()) < 1e-12


@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
@pytest.mark.parametrize("name", ["small_assemblenet", *EXAMPLES])
def test_autocast_trains_the_small_examples_in_bfloat16(name: str, fast: bool, side: int) -> None:
    """The loss is near that of single precision, and all gradients are finite.

    Kernels exceed the two frames, and maps of 1x1. Freed memory that holds NaN must not get into
    the gradients, as oneDNN's convolutions let it there.
    """
    given = case(example(name), batch=2, frames=2, size=(side, side))
    module = (TrainingModule(given.model) if fast else given.model).train()
    expected = loss_of(module, given.inputs)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(module, given.inputs)
    leave_nan_in_freed_memory()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=0.4)
    for key, parameter in module.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])
def test_autocast_trains_one_channel_and_one_frame_in_bfloat16(fast: bool) -> None:
    given = case(anetdsl.parse(ONE_CHANNEL), batch=4, frames=1, size=(8, 6))
    module = (TrainingModule(given.model) if fast else given.model).train()
    expected = module(given.inputs)
    leave_nan_in_freed_memory()
    with torch.autocast("cpu", torch.bfloat16):
        logits = module(given.inputs)
    assert relative_error(logits.detach(), expected.detach()) < 2e-2
    leave_nan_in_freed_memory()
    logits.square().mean().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key
