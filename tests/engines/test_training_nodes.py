"""The gradients of nodes, convolutions, normalisations and pools."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from anetc.engines.training import convs, norms
from anetc.engines.training.convs import Geometry
from anetc.engines.training.nodes import NodeCall
from anetc.engines.training.tape import Gradients
from anetc.engines.training.training_module import TrainingModule
from anetc.modules.layers import batch_norm
from tests.plan.cases import EVERY_PASS, case


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", ["s0", "s1", "n2", "n3", "n4"])
def test_gradients_of_a_node_equal_finite_differences(name: str, keep: bool) -> None:
    """All inputs, parameters and outputs are tested, with and without saved values."""
    example = case(EVERY_PASS, batch=2, frames=3, size=(20, 12))
    module = TrainingModule(example.model.double()).train()
    nodes = {node.node: node for node in module._nodes((3, 20, 12))}
    values = {"rgb": drawn(6, 20, 12, 3)}
    parts = dict(module.nodes.named_modules(prefix="nodes"))
    for node in nodes.values():
        tensors = [values[source] for source in node.inputs]
        for stored in node.stored:
            tensors.append(module.get_parameter(stored).detach())
        batch_norms = {norm: parts[norm] for norm in node.norms}
        call = NodeCall(node, 3, batch_norms, dict.fromkeys(node.norms, True), keep)  # type: ignore[arg-type]
        if node.node == name:
            inputs = [x.clone().requires_grad_() for x in tensors]
            assert gradcheck(
                lambda *given, call=call: tuple(call.run(given).values()), inputs, fast_mode=True
            )
        with torch.no_grad():
            # The outputs are replaced: many of them are zero, and max pools of equal values have
            # no derivative.
            values.update({key: drawn(*x.shape) for key, x in call.run(tensors).items()})


GEOMETRIES = {
    "pointwise": Geometry(temporal=False, size=1),
    "strided": Geometry(temporal=False, size=1, stride=2),
    "spatial": Geometry(temporal=False, size=3),
    "strided spatial": Geometry(temporal=False, size=3, stride=2),
    "stem": Geometry(temporal=False, size=7, stride=2),
    "temporal": Geometry(temporal=True, size=3, dilation=2),
    "beyond the clip": Geometry(temporal=True, size=5, dilation=3),
}


@pytest.mark.parametrize("as_gemm", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_convolutions_equal_conv3d(
    geometry: Geometry, as_gemm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results and gradients are equal, with matrix products and with the library."""
    monkeypatch.setattr(convs, "_GEMM_CHANNELS", 1 if as_gemm else 1 << 30)
    monkeypatch.setattr(convs, "_POINTWISE_CELLS", 1 << 30 if as_gemm else 1)
    monkeypatch.setattr(convs, "_FEW_OUTPUTS", 1 if as_gemm else 1 << 30)
    frames, size = 4, geometry.size
    kernel = (size, 1, 1) if geometry.temporal else (1, size, size)
    x = drawn(2 * frames, 5, 6, 3)
    weight = drawn(4, 3, *kernel, seed=1)
    clip = x.view(2, frames, 5, 6, 3).permute(0, 4, 1, 2, 3).clone().requires_grad_()
    leaf = weight.clone().requires_grad_()
    stride, pad, dilation = geometry.stride, size // 2 * geometry.dilation, geometry.dilation
    expected = torch.nn.functional.conv3d(
        clip,
        leaf,
        stride=(1, stride, stride),
        padding=(pad, 0, 0) if geometry.temporal else (0, pad, pad),
        dilation=(dilation, 1, 1) if geometry.temporal else 1,
    )

    def flat(y: Tensor) -> Tensor:
        return y.permute(0, 2, 3, 4, 1).flatten(0, 1).contiguous()

    summand = drawn(*flat(expected).shape, seed=2)
    got = convs.convolve(x, weight, geometry, frames, summand)
    torch.testing.assert_close(got, flat(expected) + summand)
    torch.testing.assert_close(convs.convolve(x, weight, geometry, frames), flat(expected))

    grad = drawn(*got.shape, seed=3)
    expected.backward(grad.view(2, frames, *grad.shape[1:]).permute(0, 4, 1, 2, 3))
    assert clip.grad is not None
    assert leaf.grad is not None
    of_weight = convs.weight_gradient(grad, x, weight, geometry, frames)
    torch.testing.assert_close(of_weight, leaf.grad)
    of_input = convs.input_gradient(grad, x, weight, geometry, frames)
    torch.testing.assert_close(of_input, flat(clip.grad))
    total = x.clone()
    convs.input_gradient(grad, x, weight, geometry, frames, total)
    torch.testing.assert_close(total, flat(clip.grad) + x)


@pytest.mark.parametrize("channels", [1, 3, 4, 8, 12, 20])
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("owned", [True, False])
def test_normalisation_equals_batch_norm(channels: int, batch: bool, owned: bool) -> None:
    """Few channels are computed in another way, with the same results, gradients and averages."""
    x = drawn(6, 4, 4, channels) + 1
    ours, reference = (batch_norm(channels).double().train(batch) for _ in range(2))
    for norm in (ours, reference):
        norm.weight.data, norm.bias.data = drawn(channels, seed=1), drawn(channels, seed=2)
    seen = x.permute(0, 3, 1, 2)[:, :, None].clone().requires_grad_()
    expected = reference(seen)
    stats = norms.statistics(x, ours, batch=batch, update=True)
    got = norms.normalise(x, ours.weight.detach(), ours.bias.detach(), stats, ours.eps)
    torch.testing.assert_close(got.permute(0, 3, 1, 2), expected[:, :, 0])
    torch.testing.assert_close(ours.running_mean, reference.running_mean)
    torch.testing.assert_close(ours.running_var, reference.running_var)

    grad = drawn(*x.shape, seed=3)
    expected.backward(grad.permute(0, 3, 1, 2)[:, :, None])
    given = grad.clone()
    weight = ours.weight.detach()
    found = norms.normalise_backward(given, x, weight, stats, ours.eps, owned=owned)
    assert owned == (found[0].data_ptr() == given.data_ptr())
    assert owned or torch.equal(given, grad)
    assert seen.grad is not None
    torch.testing.assert_close(found[0].permute(0, 3, 1, 2), seen.grad[:, :, 0])
    torch.testing.assert_close(found[1], reference.weight.grad)
    torch.testing.assert_close(found[2], reference.bias.grad)


@pytest.mark.parametrize("window", [norms.Window(3, 2), norms.Window(2, 2), norms.Window(4, 4)])
@pytest.mark.parametrize("size", [(7, 9), (8, 6), (1, 1), (200, 200)])
def test_pools_return_the_indices_of_maxima(window: norms.Window, size: tuple[int, int]) -> None:
    """The largest map has more cells than 16 bits can count."""
    x = drawn(2, *size, 2)
    result, indices = window.pool(x)
    assert indices.dtype == (torch.int32 if size == (200, 200) else torch.int16)
    grad = drawn(*result.shape, seed=1)
    gradient = window.backward(grad, x, indices)
    assert gradient.shape == x.shape
    assert torch.equal(gradient.sum((1, 2)) - grad.sum((1, 2)) < 1e-9, torch.ones(2, 2).bool())
    maxima = gradient != 0
    assert torch.equal(x[maxima].sort().values.unique(), result.flatten().unique())


def test_averages_without_momentum_count_all_batches_equally() -> None:
    """`nn.BatchNorm3d(momentum=None)` does so, too."""
    ours, reference = (batch_norm(3).double() for _ in range(2))
    ours.momentum = reference.momentum = None
    for seed in range(3):
        x = drawn(6, 4, 4, 3, seed=seed)
        assert ours.num_batches_tracked is not None
        ours.num_batches_tracked += 1
        norms.statistics(x, ours, batch=True, update=True)
        reference(x.permute(0, 3, 1, 2)[:, :, None])
    torch.testing.assert_close(ours.running_mean, reference.running_mean)
    torch.testing.assert_close(ours.running_var, reference.running_var)


def test_borrowed_gradients_are_not_changed() -> None:
    """The sum is a new tensor."""
    given = torch.ones(3)
    grads = Gradients(frozenset("x"))
    grads.add("x", given, borrowed=True)
    assert grads.own("x") is None
    grads.add("x", torch.ones(3))
    grads.add("x", torch.ones(3))
    assert given.tolist() == [1, 1, 1]
    assert grads.values["x"].tolist() == [3, 3, 3]
