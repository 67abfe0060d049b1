"""Stems, residual modules and sinks: the results and their sizes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import anetdsl
from anetc import build_network
from anetc.modules.connection import Connection, Source
from anetc.modules.residual import Block, ResidualModule, residual_modules
from anetc.modules.sink import Sink
from anetc.modules.stem import Stem
from tests.modules.networks import SMALL, chain, clip


def roles(module: nn.Module) -> set[str]:
    """Return the names of the convolutions within a module."""
    return {name for name, part in module.named_modules() if isinstance(part, nn.Conv3d)}


@given(
    frames=st.integers(1, 5),
    height=st.integers(1, 41),
    width=st.integers(1, 41),
)
@settings(max_examples=25, deadline=None)
def test_nodes_keep_t_and_divide_h_and_w(frames: int, height: int, width: int) -> None:
    """All nodes have the clip's T. A node's H is the clip's H / total stride, rounded up."""
    network = anetdsl.parse(SMALL)
    model = build_network(network).eval()
    names = [node.name for node in network.nodes]
    with torch.no_grad():
        logits, outputs = model(clip(network, frames, height, width), outputs=names)
    assert logits.shape == (1, 5)
    for node in network.nodes:
        stride = network.total_strides()[node.name]
        size = (frames, math.ceil(height / stride), math.ceil(width / stride))
        assert outputs[node.name].shape == (1, network.out_channels()[node.name], *size)


def test_rgb_and_flow_stems_have_different_layers() -> None:
    """An RGB stem has a temporal convolution of 5 frames and a 3x3 pool; a flow stem does not."""
    rgb, flow = Stem(3, 4, "rgb", 2), Stem(2, 4, "flow", 2)
    assert roles(rgb) == {"conv", "tconv"}
    assert roles(flow) == {"conv"}
    assert (rgb.window, flow.window) == (3, 2)
    assert rgb.tconv.weight.shape == (4, 4, 5, 1, 1)
    assert rgb.tconv.dilation == (2, 1, 1)


def test_the_pool_of_a_stem_reads_tensorflows_cells() -> None:
    """3x3 windows start at 0, 2, ... on an even map, and at -1, 1, ... on an odd map."""
    stem = Stem(1, 1, "rgb", 1).eval()
    with torch.no_grad():
        stem.conv.weight.zero_()[..., 3, 3] = 1
        stem.tconv.weight.zero_()[:, :, 2] = 1
        for size in (8, 10):
            x = torch.zeros(1, 1, 1, size, size)
            x[..., 2, 2] = 1  # cell (1, 1) after the convolution
            lit = stem(x)[0, 0, 0].nonzero().tolist()
            assert lit == ([[0, 0]] if size == 8 else [[0, 0], [0, 1], [1, 0], [1, 1]])


def test_2d_and_temporal_modules_alternate() -> None:
    """Modules 1, 3, ... are 2D, modules 2, 4, ... are (2+1)D; only the first has a projection."""
    modules = residual_modules(8, 2, 5, modules=4, dilation=3, stride=2)
    block = Block(Connection([Source(8, 4)], learned=True), modules)
    assert roles(block.m0) == {"proj", "conv1", "conv2", "conv3"}
    assert roles(block.m1) == roles(block.m3) == {"tconv", "conv2", "conv3"}
    assert roles(block.m2) == {"conv1", "conv2", "conv3"}
    assert block.m1.tconv.weight.shape == (2, 8, 3, 1, 1)
    assert block.m1.tconv.dilation == (3, 1, 1)
    assert block.m2.conv2.weight.shape == (5, 2, 1, 3, 3)
    strides = {name: part.stride for name, part in block.named_modules() if name.endswith("conv2")}
    assert strides["m0.conv2"] == block.m0.proj.stride == (1, 2, 2)
    assert strides["m1.conv2"] == strides["m2.conv2"] == (1, 1, 1)


def test_a_dilation_beyond_the_clip_uses_the_centre_tap_only() -> None:
    """The taps outside the clip read zeros."""
    module = ResidualModule(4, 1, 1, dilation=256).eval()
    alone = torch.randn(1, 1, 3, 2, 2)
    with torch.no_grad():
        got = module.tconv(alone.expand(1, 4, 3, 2, 2))
        centre = module.tconv.weight[:, :, 1].sum()
    torch.testing.assert_close(got, alone * centre)


def test_an_initial_module_is_its_shortcut() -> None:
    """The last batch normalisation has scale 0, so that the module returns relu(shortcut)."""
    network = chain("node n1 level=1 C=1 r=1 stride=1 inputs=[s0]")
    model = build_network(network)
    module = model.nodes["n1"].m1
    x = torch.randn(2, 4, 3, 5, 5)
    assert torch.equal(module(x), torch.relu(x))


def test_the_sink_averages_space_time_and_inputs() -> None:
    """Inputs of different sizes have equal weights in the average."""
    sink = Sink([2, 2], 3)
    big, small = torch.randn(1, 2, 4, 3, 5), torch.randn(1, 2, 4, 1, 2)
    expected = sink.fc((big.mean((2, 3, 4)) + small.mean((2, 3, 4))) / 2)
    torch.testing.assert_close(sink([big, small]), expected)


def test_the_sink_concatenates() -> None:
    """`combine=concat` accepts inputs with different numbers of channels."""
    sink = Sink([2, 5], 3, combine="concat")
    x, y = torch.randn(2, 2, 4, 3, 5), torch.randn(2, 5, 4, 1, 2)
    expected = sink.fc(torch.cat([x.mean((2, 3, 4)), y.mean((2, 3, 4))], dim=1))
    torch.testing.assert_close(sink([x, y]), expected)


def test_the_max_pool_head_weights_frames() -> None:
    """The logits are sum_t softmax_t(z / sqrt(T)) z, with z the logits of frame t with bias."""
    sink = Sink([2], 3, head="maxpool")
    x = torch.randn(1, 2, 9, 2, 2) * 10
    frames = [sink.fc(x[0, :, t].mean((1, 2))) for t in range(9)]
    logits = torch.stack(frames)
    shares = torch.exp(logits / 3) / torch.exp(logits / 3).sum(0)
    torch.testing.assert_close(sink([x])[0], (shares * logits).sum(0))


def test_both_heads_are_equal_for_one_frame() -> None:
    """With T = 1 the weight of the only frame is 1."""
    x = torch.randn(2, 4, 1, 3, 3)
    mean, maxpool = Sink([4], 3), Sink([4], 3, head="maxpool")
    maxpool.load_state_dict(mean.state_dict())
    torch.testing.assert_close(mean([x]), maxpool([x]))


@pytest.mark.parametrize(
    ("nodes", "sink", "width"),
    [
        ("", "inputs=[s0] classes=2", 4),
        (
            "node n1 level=1 C=1 r=1 stride=1 inputs=[s0]\n"
            "node n2 level=4 C=1 r=1 stride=4 inputs=[s0]\n"
            "node n3 level=4 C=1 r=1 stride=2 inputs=[n1]",
            "inputs=[n1, n2, n3, s0, n3] classes=2",
            4,
        ),
        (
            "node n1 level=2 C=3 r=1 stride=2 inputs=[s0]",
            "inputs=[s0, n1, s0] classes=2 combine=concat head=maxpool",
            20,
        ),
    ],
)
def test_the_sink_may_read_any_nodes(nodes: str, sink: str, width: int) -> None:
    """Examples: stems, several levels, and one node twice."""
    network = chain(nodes, sink=sink)
    model = build_network(network)
    assert model.sink.fc.in_features == width
    assert model(clip(network)).shape == (1, 2)


def test_norms_move_to_devices_without_float64() -> None:
    """Apple's GPUs refuse float64; `to` then moves the momentum in float32."""

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return tensor.clone()

    model = build_network(anetdsl.parse(SMALL))
    model._apply(moved)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm3d)]
    assert {norm.momentum_tensor.dtype for norm in norms} == {torch.float32}
    assert norms[0].momentum == pytest.approx(0.01)
