"""The engines for accelerators, on a CPU: numbers, one graph, CUDA's contract, and fewer launches.

No machine here has a GPU. These tests are stand-ins: the operations are those that a GPU would run,
and the graph is the one that torch.compile would compile for it.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional

import anetdsl
from anetc.devices import Device
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.accelerator.accelerator_plan import DeterministicPool
from anetc.engines.engine_choice import evaluation_engine, training_engine
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.training import TrainingModule
from anetc.modules.layers import BatchNorm, max_pool
from anetc.training.batch_norm import set_decay
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.engines.cuda_contract import calls_of
from tests.engines.test_shared_statistics import trained
from tests.engines.test_training import NUMBERS, check_gradients, double, loss_of
from tests.modules.networks import SMALL
from tests.plan.cases import EVERY_PASS, case

HEADS = anetdsl.parse(
    str(EVERY_PASS).replace("classes=5", 'classes=5 combine="concat" head="maxpool"')
    if "combine" in str(EVERY_PASS)
    else str(EVERY_PASS).replace("classes=5", "classes=5 combine=concat head=maxpool")
)
ONE_BLOCK = anetdsl.parse("""anet 1
network one_block D=[2, 2, 2, 2] modules=[2, 1, 1, 1]
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=2 stride=4 inputs=[rgb]
node n2 level=1 C=2 r=1 stride=1 inputs=[s0, s1]
sink inputs=[n2] classes=3
""")
GPU = Device(name="cuda:0", hardware="NVIDIA H100", precision="bfloat16", compiled=True)
STEPS = 120


def compare(network: Network, **options: bool) -> None:
    """Assert that loss, gradients and averages equal the reference module's in float64."""
    reference, inputs = double(case(network, batch=2, frames=5, size=(37, 29)))
    ours = AcceleratorModule(copy.deepcopy(reference), **options)
    for batch in range(2):
        for module in (reference, ours):
            module.zero_grad()
            set_decay(module, batch)
        expected, got = loss_of(reference, inputs), loss_of(ours, inputs)
        assert got.item() == pytest.approx(expected.item(), rel=NUMBERS)
        expected.backward()
        got.backward()
    check_gradients(reference, ours)
    buffers = dict(ours.named_buffers(remove_duplicate=False))
    needed = network.needed_by_sink()
    for name, buffer in reference.named_buffers():
        if name.split(".")[1].removesuffix("_") in needed:
            torch.testing.assert_close(buffers[name], buffer, rtol=NUMBERS, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"checkpoint": True}, {"deterministic": True}])
@pytest.mark.parametrize(
    "network", [anetdsl.parse(SMALL), EVERY_PASS, HEADS], ids=["small", "every_pass", "heads"]
)
def test_numbers_equal_the_reference(network: Network, options: dict[str, bool]) -> None:
    compare(network, **options)


def test_numbers_of_the_small_table_4() -> None:
    text = (REPOSITORY / "examples" / "small_assemblenet.anet").read_text(encoding="utf-8")
    compare(anetdsl.parse(text))


def test_inference_mode_uses_running_averages() -> None:
    reference, inputs = double(case(EVERY_PASS, batch=2))
    ours = AcceleratorModule(copy.deepcopy(reference)).eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), reference.eval()(inputs), rtol=1e-9, atol=1e-12)


def test_bfloat16_is_near_float32() -> None:
    """Under autocast the logits are float32, and so are gradients and averages."""
    example = case(EVERY_PASS, batch=2)
    exact, rounded = (AcceleratorModule(copy.deepcopy(example.model.train())) for _ in range(2))
    loss = loss_of(exact, example.inputs)
    with torch.autocast("cpu", torch.bfloat16):
        logits = rounded(example.inputs)
    assert logits.dtype == torch.float32
    target = torch.arange(len(logits)) % logits.shape[1]
    got = functional.cross_entropy(logits, target)
    got.backward()
    assert got.item() == pytest.approx(loss.item(), abs=0.1)
    assert {p.grad.dtype for p in rounded.parameters() if p.grad is not None} == {torch.float32}


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
@pytest.mark.parametrize("checkpoint", [pytest.param(False, marks=pytest.mark.slow), True])
def test_two_processes_equal_one(tmp_path: Path, checkpoint: bool) -> None:
    """The statistics of unequal shares of a batch, by gloo: forward, backward and averages."""
    options = {"checkpoint": checkpoint, "engine": "accelerator"}
    (alone,) = trained(tmp_path / "one", [3], **options)
    both = trained(tmp_path / "two", [1, 2], **options)
    assert both[0]["loss"] + both[1]["loss"] == pytest.approx(alone["loss"].item(), rel=NUMBERS)
    for name, expected in alone.items():
        if name.startswith("gradient"):
            size = max(expected.abs().max().item(), 1e-9)
            assert (both[0][name] + both[1][name] - expected).abs().max() < 1e-9 * size + 1e-12
        elif name.startswith("buffer"):
            for process in both:
                torch.testing.assert_close(process[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface has other names")
def test_two_compiled_processes_equal_one(tmp_path: Path) -> None:
    """The exchange of statistics is a part of the graph, in both directions."""
    (alone,) = trained(tmp_path / "one", [3], network=ONE_BLOCK, engine="accelerator")
    both = trained(tmp_path / "two", [1, 2], network=ONE_BLOCK, engine="compiled")
    for name, expected in alone.items():
        found = both[0][name] if name.startswith("buffer") else both[0][name] + both[1][name]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


# One graph


def train_some(module: nn.Module, call: Callable[..., Tensor], steps: int) -> None:
    example = case(ONE_BLOCK, batch=2, frames=2, size=(16, 16))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01)
    for step in range(steps):
        set_decay(module, step)
        logits = call(example.inputs)
        functional.cross_entropy(logits, torch.arange(2)).backward()
        optimiser.step()
        optimiser.zero_grad()


def test_a_run_is_one_graph() -> None:
    """The compiler is called once in 120 steps, in which the momentum changes 100 times."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")

    def compiler(step: Any) -> Any:
        return torch.compile(step, backend=counter, fullgraph=True, dynamic=False)

    model = case(ONE_BLOCK).model.train()
    reference = copy.deepcopy(model)
    module = AcceleratorModule(model, compiled=True, compiler=compiler)
    train_some(module, module, STEPS)
    assert module.compiled
    assert counter.frame_count == 1
    eager = AcceleratorModule(reference)
    train_some(eager, eager, STEPS)
    for (name, one), other in zip(module.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of Dynamo
@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        pytest.param({"checkpoint": True}, torch.float32, marks=pytest.mark.slow),
        pytest.param({"deterministic": True}, torch.float32, marks=pytest.mark.slow),
        ({}, torch.bfloat16),
    ],
)
def test_every_form_of_a_step_is_one_graph(options: dict[str, bool], dtype: torch.dtype) -> None:
    """With bfloat16 the backward pass has the types of the one without the compiler, too."""
    torch._dynamo.reset()

    def compiler(step: Any) -> Any:
        return torch.compile(step, backend="aot_eager", fullgraph=True, dynamic=False)

    model = case(ONE_BLOCK).model.train()
    eager = AcceleratorModule(copy.deepcopy(model), **options)
    module = AcceleratorModule(model, compiled=True, compiler=compiler, **options)
    autocast = torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16)
    for one in (module, eager):
        train_some(one, autocast(one), 3)
    assert module.compiled
    for (name, one), other in zip(module.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name, rtol=1e-4, atol=1e-6)


def test_many_networks_of_a_process_are_compiled() -> None:
    """Dynamo compiles a piece of code eight times at most, but that many times for each network."""
    torch._dynamo.reset()

    def compiler(step: Any) -> Any:
        return torch.compile(step, backend="eager", fullgraph=True, dynamic=False)

    model = case(ONE_BLOCK).model.train()
    for _ in range(10):
        module = AcceleratorModule(copy.deepcopy(model), compiled=True, compiler=compiler)
        train_some(module, module, 1)
        assert module.compiled


def test_the_reference_module_is_compiled_once() -> None:
    """Its momentum is a tensor, so that a change of it compiles nothing anew."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    model = case(ONE_BLOCK).model.train()
    train_some(model, torch.compile(model, backend=counter, dynamic=False), STEPS)
    assert counter.frame_count == 1


def test_a_failing_compiler_is_one_warning() -> None:
    model = case(ONE_BLOCK).model.train()

    def compiler(step: Any) -> Any:
        def fail(*_: object) -> Any:
            raise RuntimeError("ptxas died\nwith details")

        return fail

    module = AcceleratorModule(copy.deepcopy(model), compiled=True, compiler=compiler)
    with pytest.warns(UserWarning, match="goes on without it: ptxas died") as caught:
        train_some(module, module, 3)
    assert len(caught) == 1
    eager = AcceleratorModule(copy.deepcopy(model))
    train_some(eager, eager, 3)
    assert all(map(torch.equal, module.parameters(), eager.parameters()))


def test_memory_that_runs_out_is_no_failure_of_the_compiler() -> None:
    def compiler(step: Any) -> Any:
        def fail(*_: object) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

        return fail

    module = AcceleratorModule(case(ONE_BLOCK).model.train(), compiled=True, compiler=compiler)
    with pytest.raises(torch.OutOfMemoryError):
        train_some(module, module, 1)
    assert module.compiled


# CUDA's contract


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_step_keeps_cudas_contract(checkpoint: bool) -> None:
    """Nothing waits for the device, and nothing exists on CPUs only."""
    example = case(EVERY_PASS, batch=2)
    module = AcceleratorModule(example.model.train(), checkpoint=checkpoint)
    target = torch.arange(2)

    def step() -> None:
        set_decay(module, 7)
        functional.cross_entropy(module(example.inputs), target).backward()

    step()  # the first step makes the momenta one tensor
    calls_of(step)
    assert calls_of(lambda: set_decay(module, 8)) == 1


def test_a_step_launches_less_than_the_reference() -> None:
    example = case(EVERY_PASS, batch=2)

    def calls(make: Callable[..., nn.Module]) -> int:
        module = make(copy.deepcopy(example.model.train()))
        loss_of(module, example.inputs).backward()
        return calls_of(lambda: loss_of(module, example.inputs).backward(), may_wait=True)

    assert calls(AcceleratorModule) < calls(lambda model: model)


def test_momenta_must_be_equal() -> None:
    example = case(EVERY_PASS, batch=2)
    module = AcceleratorModule(example.model.train())
    next(part for part in module.modules() if isinstance(part, BatchNorm)).momentum = 0.5
    with pytest.raises(ValueError, match="the same momentum"):
        module(example.inputs)


def test_one_cell_is_refused() -> None:
    example = case(EVERY_PASS, batch=1, frames=1, size=(8, 8))
    module = AcceleratorModule(example.model.train())
    with pytest.raises(ValueError, match="cannot train on one cell"):
        module(example.inputs)


# Pools, inference and the choice


@pytest.mark.parametrize("window", [2, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3)])
def test_deterministic_pool_equals_the_pool(window: int, size: tuple[int, int]) -> None:
    """Ties have the gradient at the same place, too."""
    generator = torch.Generator().manual_seed(window)
    values = torch.randint(0, 4, (2, 3, *size), generator=generator).double()
    ours, theirs = (values.clone().requires_grad_() for _ in range(2))
    got = DeterministicPool.apply(ours, window, 2)
    expected = max_pool(theirs[:, :, None], window, 2)[:, :, 0]
    assert torch.equal(got, expected)
    grad = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    got.backward(grad)
    expected.backward(grad)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_portable_inference_equals_the_reference(dtype: torch.dtype) -> None:
    """A GPU evaluates by this engine: folded normalisations, ordinary operations."""
    example = case(EVERY_PASS, batch=2)
    engine = InferenceEngine(example.model, portable=True).eval()
    with torch.no_grad():
        expected = example.model(example.inputs)
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            got = engine(example.inputs)
    assert got.dtype == torch.float32
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    assert (got - expected).abs().max() < tolerance * expected.abs().max()
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        calls_of(lambda: engine(example.inputs))  # CUDA's contract


def test_choice_of_the_engine() -> None:
    model = case(EVERY_PASS).model
    cpu = Device(name="cpu", hardware="AMD EPYC")
    reference = Device(name="cuda:0", hardware="NVIDIA H100", engine="reference")
    assert isinstance(training_engine(model, cpu), TrainingModule)
    assert training_engine(model, reference) is model
    module = training_engine(model, GPU, checkpoint=True)
    assert isinstance(module, AcceleratorModule)
    assert (module.compiled, module.checkpoint) == (True, True)
    assert evaluation_engine(model, reference) is model
    for device in (cpu, GPU):
        assert isinstance(evaluation_engine(model, device), InferenceEngine)
