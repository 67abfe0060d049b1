"""The cost of a network: equal to PyTorch's own counts, and fast enough for a search."""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from anetc import build_network
from anetc.modules.names import module_key
from anetdsl.cost import Cost, NodeCost, cost
from anetdsl.interchange.authors import from_structure
from anetdsl.ir import Edge, Input, Network, Node, Sink
from tests.networks import networks, table_4


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run on one thread: several threads are slower for tensors this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(network: Network, frames: int, height: int, width: int) -> dict[str, Any]:
    """Return PyTorch's counts for one forward pass of the network's module."""
    model = build_network(network).eval()
    counts = {"parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}
    activations = 0

    def count(module: nn.Module, given: object, output: torch.Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            module.register_forward_hook(count)
    inputs = {
        value.name: torch.zeros(1, value.channels, frames, height, width)
        for value in network.inputs
    }
    names = [node.name for node in network.nodes]
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        logits, outputs = model(inputs, outputs=names)
    shapes = [tuple(outputs[name].shape[1:]) for name in names]
    return counts | {
        "multiply_adds": flops.get_total_flops() / 2,
        "activation_bytes": 4 * activations,
        "shapes": shapes,
        "classes": logits.shape[1],
    }


@given(networks(), st.integers(1, 4), st.integers(1, 21), st.integers(1, 21))
@settings(max_examples=40)
def test_cost_equals_pytorch_counts(network: Network, frames: int, height: int, width: int) -> None:
    """Parameters, multiply-adds, activations and shapes are those of the network's module."""
    found = cost(network, frames=frames, size=(height, width))
    counted = run(network, frames, height, width)
    assert found.parameters == counted["parameters"]
    assert found.multiply_adds == counted["multiply_adds"]
    assert found.activation_bytes == counted["activation_bytes"]
    assert [row.shape for row in found.nodes] == counted["shapes"]
    assert found.sink.shape == (counted["classes"], 1, 1, 1)


@given(networks())
@settings(max_examples=20)
def test_parameters_of_one_node_are_those_of_its_module(network: Network) -> None:
    """Each row counts its own node with the connections into it."""
    model = build_network(network)
    found = cost(network)
    for row in [*found.nodes, found.sink]:
        module = model.sink if row is found.sink else model.nodes[module_key(row.name)]
        assert row.parameters == sum(p.numel() for p in module.parameters()), row.name


def test_table_4() -> None:
    """With 157 classes the paper's network has 32,916,863 parameters. Its depth is 50."""
    found = cost(table_4(), classes=157)
    assert found.parameters == 32_916_863
    assert found.weight_bytes == 4 * 32_916_863
    assert found.depth == 50
    assert found.blocks == 5
    assert found.nodes[-1].shape == (2048, 32, 7, 7)
    assert found.temporal_field == 109
    assert found.spatial_field == 427


def test_authors_network(shared: Any) -> None:
    """The authors' asn50 with 157 classes has 36,900,985 parameters, 28 of them edge weights."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    network = from_structure(lists["asn50_structure"], name="asn50", classes=157)
    assert cost(network).parameters == 36_900_985
    frozen = from_structure(lists["asn50_structure"], name="asn50", classes=157, edges="fixed")
    assert cost(network).parameters - cost(frozen).parameters == 28


def small() -> Network:
    """Return a network with both kinds of stem, skips over strides 2 and 4, and all modules."""
    nodes = (
        Node("rgb_stem", 0, 1, 2, 4, (Edge("rgb"),)),
        Node("flow_stem", 0, 1, 5, 4, (Edge("flow"),)),
        Node("low", 1, 1, 3, 2, (Edge("rgb_stem"),)),
        Node("skip", 2, 1, 1, 1, (Edge("flow_stem"), Edge("low"))),
        Node("high", 3, 1, 2, 2, (Edge("rgb_stem"), Edge("flow_stem"), Edge("skip"))),
        Node("late", 4, 1, 4, 1, (Edge("flow_stem"), Edge("high"))),
    )
    return Network(
        "small",
        (Input("rgb", 3, "rgb"), Input("flow", 2, "flow")),
        nodes,
        Sink((Edge("late"),), 2),
        widths=(1, 1, 1, 1),
        modules=(2, 1, 2, 3),
    )


def monotone(network: Network) -> nn.Module:
    """Return the module with weights 1: a larger input increases all outputs that depend on it."""
    model = build_network(network).double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.modules.batchnorm._BatchNorm):
            nn.init.ones_(module.weight)
    return model


def span(
    model: nn.Module, network: Network, axis: int, size: tuple[int, int, int]
) -> dict[str, int]:
    """Return, by node, the receptive field of the middle output on an axis (2: T, 3: H, 4: W)."""
    length = size[axis - 2]
    inputs = {}
    for value in network.inputs:
        x = torch.ones(length, value.channels, *size, dtype=torch.float64)
        for index in range(length):
            x[index].select(axis - 1, index).fill_(1e9)
        inputs[value.name] = x
        plain = {v.name: torch.ones(1, v.channels, *size).double() for v in network.inputs}
    names = [node.name for node in network.nodes]
    with torch.no_grad():
        _, base = model(plain, outputs=names)
        _, raised = model(inputs, outputs=names)
    spans = {}
    for name in names:
        middle = raised[name].shape[axis] // 2
        changed = (raised[name] - base[name]).select(axis, middle).abs().amax(dim=(1, 2, 3)) > 0
        seen = changed.nonzero().flatten()
        assert seen.min() > 0, "the clip is too small"
        assert seen.max() < length - 1, "the clip is too small"
        spans[name] = int(seen.max() - seen.min()) + 1
    return spans


def fields(found: Cost, which: str) -> dict[str, int]:
    return {row.name: getattr(row, which) for row in found.nodes}


def test_receptive_fields_equal_measured_ones() -> None:
    """They are the input elements whose change changes the output."""
    network = small()
    model = monotone(network)
    found = cost(network)
    assert span(model, network, 2, (70, 16, 16)) == fields(found, "temporal_field")
    assert span(model, network, 3, (1, 224, 16)) == fields(found, "spatial_field")
    assert span(model, network, 4, (1, 16, 224)) == fields(found, "spatial_field")


def test_receptive_fields_cover_all_paths() -> None:
    """The span over all paths can be wider than the span of each path."""
    nodes = (
        Node("s", 0, 1, 1, 4, (Edge("flow"),)),
        Node("a", 1, 1, 1, 4, (Edge("s"),)),
        Node("b", 2, 1, 1, 1, (Edge("s"), Edge("a"))),
    )
    network = Network(
        "joined", (Input("flow", 2, "flow"),), nodes, Sink((Edge("b"),), 2), modules=(1, 1, 1, 1)
    )
    # Relative to its own pixel the stem depends on -3..5, `a` on -7..9, the pooled stem on -3..17:
    # together -7..17. The 3x3 convolution of `b` adds 16 pixels on both sides.
    assert fields(cost(network), "spatial_field") == {"s": 9, "a": 17, "b": 25 + 32}
    assert span(monotone(network), network, 4, (1, 16, 128)) == fields(
        cost(network), "spatial_field"
    )


def test_depth_counts_the_longest_path() -> None:
    """Depth counts convolutions, of which a flow stem has one. Blocks are counted apart."""
    found = cost(small())
    assert fields(found, "depth") == {
        "rgb_stem": 2,
        "flow_stem": 1,
        "low": 8,
        "skip": 11,
        "high": 17,
        "late": 26,
    }
    assert fields(found, "blocks")["late"] == found.blocks == 5


def test_classes_replace_those_of_the_sink() -> None:
    """The cost equals that of a network with this number of classes."""
    assert cost(table_4(157)) == cost(table_4(), classes=157)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": 0}, {"size": (8, -1)}, {"classes": 0}])
def test_numbers_below_one_are_refused(wrong: dict[str, Any]) -> None:
    """They raise ValueError."""
    with pytest.raises(ValueError, match="at least 1"):
        cost(table_4(), **wrong)


def test_json_has_all_values() -> None:
    """It has the clip, the totals and every value of the rows."""
    found = cost(table_4(), frames=8, size=(64, 48))
    data = json.loads(json.dumps(found.to_json()))
    assert (data["schema"], data["schema_version"]) == ("anetdsl-cost", 1)
    assert (data["frames"], data["height"], data["width"]) == (8, 64, 48)
    assert data["parameters"] == found.parameters
    assert data["depth"] == 50
    rows = [NodeCost(**{**row, "shape": tuple(row["shape"])}) for row in data["nodes"]]
    assert tuple(rows) == found.nodes


def test_cost_takes_less_than_a_millisecond() -> None:
    """A search computes thousands of costs per second."""
    network = table_4()
    assert min(timeit.repeat(lambda: cost(network), number=20, repeat=10)) / 20 < 1e-3


def test_cost_does_not_import_torch() -> None:
    """`anetc stats` starts without heavy packages."""
    code = (
        "import sys, anetdsl.cost, anetdsl.diff, anetdsl.interchange.structure_files\n"
        "print({'torch', 'numpy', 'lark'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
