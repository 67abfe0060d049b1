"""Initial weights: distributions, seeds, and independence of other nodes and global state."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import anetdsl
from anetc import build_network
from anetc.export.verify import TOLERANCE
from anetc.modules.attention import PeerAttention
from anetc.modules.initial import conv_sd, randomise
from anetc.modules.layers import spatial_conv, temporal_conv
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.modules.networks import SMALL, chain, clip

WIDE = chain(
    "node n1 level=1 C=96 r=4 stride=1 inputs=[s0]",
    head="D=[128, 4, 4, 4]",
    sink="inputs=[n1] classes=64",
)
TRUNCATED_SD = 0.8796256610342398
EXPECTED = [-0.014858, -0.731842, -0.396472]


def state(network: Network, seed: int = 0) -> dict[str, Tensor]:
    return build_network(network, seed=seed).state_dict()


@pytest.mark.parametrize(
    ("name", "sd", "cut"),
    [
        # Corrected for the truncation: the variance is 1/fan_in.
        ("nodes.n1.m0.conv1.weight", math.sqrt(1 / 4), math.sqrt(1 / 4) / TRUNCATED_SD * 2),
        ("nodes.n1.m0.conv2.weight", math.sqrt(1 / 864), math.sqrt(1 / 864) / TRUNCATED_SD * 2),
        ("nodes.n1.m0.conv3.weight", math.sqrt(1 / 128), math.sqrt(1 / 128) / TRUNCATED_SD * 2),
        # r = 4: sqrt(2/fan_in) before the truncation.
        (
            "nodes.n1.m1.tconv.weight",
            math.sqrt(2 / 1152) * TRUNCATED_SD,
            math.sqrt(2 / 1152) * 2,
        ),
        ("sink.fc.weight", 0.01, math.inf),
    ],
)
def test_weights_have_the_standard_deviation_and_bounds(name: str, sd: float, cut: float) -> None:
    """The mean and the deviation agree within the sampling error; no value exceeds the bound."""
    weight = state(WIDE)[name]
    assert weight.std().item() == pytest.approx(sd, rel=4 / math.sqrt(2 * weight.numel()))
    assert abs(weight.mean().item()) < 4 * sd / math.sqrt(weight.numel())
    assert weight.abs().max() <= cut * (1 + 1e-6)
    if cut < math.inf:
        assert weight.abs().max() > 0.95 * cut


def test_only_dilated_convolutions_have_another_deviation() -> None:
    """The authors use sqrt(2/fan_in) for r > 1 only."""
    assert conv_sd(temporal_conv(6, 2, 3, 1)) == pytest.approx(math.sqrt(1 / 18) / TRUNCATED_SD)
    assert conv_sd(temporal_conv(6, 2, 3, 2)) == pytest.approx(math.sqrt(2 / 18))
    assert conv_sd(spatial_conv(3, 2, 7, 2)) == pytest.approx(math.sqrt(1 / 147) / TRUNCATED_SD)


def test_batch_normalisations_start_with_scale_one_or_zero() -> None:
    """The last normalisation of a module has scale 0; the running averages are 0 and 1."""
    model = build_network(anetdsl.parse(SMALL))
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm3d):
            assert torch.all(module.weight == (0 if name.endswith("conv3_bn") else 1)), name
            assert torch.all(module.bias == 0)
            assert torch.all(module.running_mean == 0)
            assert torch.all(module.running_var == 1)
            assert (module.eps, module.momentum) == (1e-5, 0.01)
    assert torch.all(model.sink.fc.bias == 0)


def test_edge_weights_start_from_the_text() -> None:
    """sigmoid(w) is the weight in the text; for an untrained w, 0 < |w| <= 2 sd = 0.02."""
    w = state(anetdsl.parse(SMALL))["nodes.n4.fuse.w"]
    assert torch.sigmoid(w[1]).item() == pytest.approx(0.75)
    assert all(0 < abs(w[index].item()) <= 0.02 for index in (0, 2))


def test_fixed_untrained_edges_have_the_gate_one_half() -> None:
    """With `edges=fixed`, no edge weight is random."""
    text = SMALL.replace("network small", "network small edges=fixed")
    w = state(anetdsl.parse(text))["nodes.n4.fuse.w"]
    assert w[0] == w[2] == 0
    assert torch.sigmoid(w[1]).item() == pytest.approx(0.75)


def test_equal_seeds_give_equal_weights() -> None:
    """Another seed gives other weights in every random tensor."""
    network = anetdsl.parse(SMALL)
    first, again, other = state(network, 3), state(network, 3), state(network, 4)
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        drawn = tensor.is_floating_point() and tensor.unique().numel() > 1
        assert torch.equal(tensor, other[name]) is not drawn, name


def test_weights_of_a_seed_are_equal_in_all_releases() -> None:
    """A published run must stay reproducible."""
    weight = state(anetdsl.parse(SMALL), 1)["nodes.n5.m0.conv1.weight"].flatten()
    expected = torch.tensor(EXPECTED)
    torch.testing.assert_close(weight[:3], expected, rtol=1e-5, atol=1e-6)


def test_weights_do_not_depend_on_other_nodes() -> None:
    """A child starts with the initial weights of its parent in the nodes that both have."""
    parent = state(anetdsl.parse(SMALL))
    more = SMALL.replace("sink ", "node n8 level=3 C=2 r=1 stride=4 inputs=[s0]\nsink ")
    child = state(anetdsl.parse(more.replace("r=8", "r=1")))
    assert child.keys() > parent.keys()
    for name, tensor in parent.items():
        if name != "nodes.n2.m1.tconv.weight":  # its r changed
            assert torch.equal(tensor, child[name]), name


def test_the_global_random_state_does_not_change() -> None:
    """`build_network` neither reads nor changes the global random state."""
    network = anetdsl.parse(SMALL)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = state(network)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(torch.equal(tensor, first[name]) for name, tensor in state(network).items())


@pytest.mark.parametrize("axis", [0, 1], ids=["inputs", "peers"])
def test_randomised_attention_shows_mistakes(axis: int) -> None:
    """Exchanged shares change the logits by more than the verification of artifacts accepts."""
    model = build_network(anetdsl.load(REPOSITORY / "examples" / "small_assemblenet_plus.anet"))
    randomise(model.eval(), 0)
    inputs = clip(model.network, 2, 32, 32)
    with torch.no_grad():
        expected = model(inputs)
        for part in model.modules():
            if isinstance(part, PeerAttention):
                part.h.copy_(part.h.roll(1, axis))
        change = (model(inputs) - expected).abs().max() / expected.abs().max()
    assert change > 2 * max(TOLERANCE.values())
