"""The inference engine computes the logits of the reference module, for any clip size."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

import anetc
import anetdsl
from anetc.engines.inference.inference_engine import InferenceEngine, compile_network
from anetc.modules.initial import randomise
from anetc.modules.network import InputError, NetworkModule
from anetc.weights.files import WeightsError, load_weights, save_weights
from tests.modules.networks import SMALL, clip
from tests.plan.cases import EVERY_PASS, Case, case, cases, is_close, relative_error

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("small_*.anet"))
NETWORK = anetdsl.parse(SMALL)
SINGLE = 1e-5
HALF = 2e-2
needs_bfloat16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    reason="this processor has no bfloat16 (AVX512-BF16 or AMX)",
)


def randomised(*, seed: int = 0) -> NetworkModule:
    """Return the reference module of `SMALL` with random weights."""
    model = anetc.build_network(NETWORK, seed=seed)
    randomise(model, seed)
    return model.eval()


def reference_logits(model: NetworkModule, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(inputs)
    return logits


def error(engine: InferenceEngine, inputs: dict[str, Tensor]) -> float:
    """Return the relative error of the engine against the reference module."""
    return relative_error(engine(inputs), reference_logits(engine.reference, inputs))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_equal_the_reference(path: Path) -> None:
    network = anetdsl.load(path)
    model = anetc.build_network(network)
    randomise(model, 1)
    engine = anetc.compile_network(model)
    for frames, height, width in ((4, 32, 40), (3, 47, 65)):
        assert error(engine, clip(network, frames, height, width, batch=2)) < SINGLE


@settings(max_examples=30)
@given(cases())
def test_random_networks_equal_the_reference(example: Case) -> None:
    assert is_close(compile_network(example.model)(example.inputs), example, SINGLE)


def test_one_engine_runs_several_sizes_and_batch_sizes() -> None:
    """Each clip size has one plan for all batch sizes; the engine drops the oldest plans."""
    engine = compile_network(randomised())
    sizes = [(4, 32, 24), (1, 32, 24), (4, 47, 33), (2, 1, 1), (5, 16, 65)]
    for _ in range(2):
        for frames, height, width in sizes:
            for batch in (1, 3):
                assert error(engine, clip(NETWORK, frames, height, width, batch)) < SINGLE
                assert len(engine._plans) <= 4


def test_a_plan_is_prepared_once_per_clip_size() -> None:
    engine = compile_network(randomised())
    engine(clip(NETWORK))
    (plan,) = engine._plans.values()
    engine(clip(NETWORK, batch=2))
    engine.to("cpu").eval()(clip(NETWORK))
    assert list(engine._plans.values()) == [plan]


def test_equal_calls_give_equal_bits() -> None:
    engine = compile_network(randomised())
    inputs = clip(NETWORK, batch=2)
    first = engine(inputs)
    engine(clip(NETWORK, height=64))
    assert torch.equal(engine(inputs), first)


def test_unused_nodes_change_nothing() -> None:
    example = case(EVERY_PASS, batch=2)
    engine = compile_network(example.model)
    assert is_close(engine(example.inputs), example, SINGLE)
    assert any(op.node == "n5" for op in next(iter(engine._plans.values())).plan.ops) is False
    assert "nodes.n5.m0.conv1.weight" in engine.state_dict()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "needs an input 'rgb'"),
        (torch.zeros(1, 3, 4, 32, 24), "takes a dict of tensors by input name"),
        ({**clip(NETWORK), "depth": torch.zeros(1)}, "has no input 'depth'"),
        ({**clip(NETWORK), "rgb": torch.zeros(1, 2, 4, 32, 24)}, r"must be \(N, 3, T, H, W\)"),
        ({**clip(NETWORK), "rgb": torch.zeros(1, 3, 4, 32, 25)}, "N, T, H and W of input 'rgb'"),
    ],
)
def test_unfit_inputs_raise_input_errors(inputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compile_network(NETWORK)(inputs)


def test_networks_with_errors_are_refused() -> None:
    sink = attrs.evolve(NETWORK.sink, inputs=(anetdsl.Edge("n99"),))
    with pytest.raises(anetdsl.AnetError, match="n99"):
        compile_network(attrs.evolve(NETWORK, sink=sink))


def test_the_seed_draws_the_weights_of_the_reference() -> None:
    state = compile_network(NETWORK, seed=3).state_dict()
    expected = anetc.build_network(NETWORK, seed=3).state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_weights_are_loaded_before_or_after_compiling(tmp_path: Path) -> None:
    """A plan that was prepared for earlier weights is prepared again."""
    file, inputs = tmp_path / "w.safetensors", clip(NETWORK)
    model = randomised(seed=5)
    save_weights(model, file)
    expected = reference_logits(model, inputs)
    before = compile_network(NETWORK, weights=file)
    after = compile_network(NETWORK)
    assert relative_error(after(inputs), expected) > 0.1
    load_weights(after, file)
    for engine in (before, after):
        assert relative_error(engine(inputs), expected) < SINGLE
    save_weights(after, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_weights(anetc.build_network(EVERY_PASS), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="weights do not fit network small"):
        compile_network(NETWORK, weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize("inference", [True, False])
def test_every_change_of_weights_is_noticed(inference: bool) -> None:
    """Weights change in place, by new parameters, and by conversion to another type and back."""
    engine, inputs = compile_network(randomised()), clip(NETWORK)
    conv = engine.get_submodule("nodes.s0.conv")
    norm = engine.get_submodule("nodes.s0.conv_bn")

    def replace() -> None:
        conv.weight = torch.nn.Parameter(conv.weight.detach() * -1)

    changes = [
        lambda: conv.weight.mul_(2),
        lambda: norm.running_mean.add_(1),
        lambda: engine.bfloat16().float(),
        replace,
        lambda: engine.load_state_dict(randomised(seed=7).state_dict()),
        lambda: engine.load_state_dict(randomised(seed=8).state_dict(), assign=True),
    ]
    with torch.inference_mode(inference), torch.no_grad():
        last = engine(inputs)
        for change in changes:
            change()
            logits = engine(inputs)
            assert not torch.equal(logits, last)
            assert error(engine, inputs) < SINGLE
            last = logits


def test_training_mode_runs_the_reference_with_gradients() -> None:
    engine, inputs = compile_network(randomised()), clip(NETWORK, height=64, width=64, batch=2)
    mean = engine.get_buffer("nodes.s0.conv_bn.running_mean").clone()
    engine.train()(inputs).sum().backward()
    assert engine.sink.fc.weight.grad is not None
    assert not torch.equal(engine.get_buffer("nodes.s0.conv_bn.running_mean"), mean)
    assert error(engine.eval(), inputs) < SINGLE


def test_logits_carry_no_gradient() -> None:
    engine = compile_network(randomised())
    inputs = {name: x.requires_grad_() for name, x in clip(NETWORK).items()}
    assert not engine(inputs).requires_grad


def test_it_runs_in_and_outside_inference_mode() -> None:
    with torch.inference_mode():
        engine = compile_network(NETWORK)
        inside = engine(clip(NETWORK))
    assert torch.equal(engine(clip(NETWORK)), inside)
    assert len(engine._plans) == 1


def test_an_empty_batch_has_no_logits() -> None:
    assert compile_network(NETWORK)(clip(NETWORK, batch=0)).shape == (0, 5)


def test_other_devices_run_the_reference() -> None:
    engine = compile_network(NETWORK, device="meta")
    logits = engine({name: x.to("meta") for name, x in clip(NETWORK).items()})
    assert logits.device.type == "meta"
    assert logits.shape == (1, 5)
    assert not engine._plans


@needs_bfloat16
def test_autocast_computes_in_bfloat16() -> None:
    engine, inputs = compile_network(randomised()), clip(NETWORK)
    expected = engine(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        got = engine(inputs)
    assert got.dtype == torch.float32
    assert not torch.equal(got, expected)
    assert relative_error(got, expected) < HALF
    assert torch.equal(engine(inputs), expected)


def test_processors_without_onednn_run_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    engine, inputs = compile_network(randomised()), clip(NETWORK)
    with torch.no_grad():
        assert torch.equal(engine(inputs), engine.reference(inputs))
