"""AssembleNet++: objects, attention and lite blocks equal the authors' code and a plain one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import anetc
import anetdsl
from anetc.modules.initial import randomise
from anetc.modules.names import module_key
from anetc.modules.network import NetworkModule
from anetc.weights import authors
from anetdsl.cost import cost
from anetdsl.interchange.authors import from_structure, list_order
from anetdsl.ir import Network
from tests.modules.plain import plain_outputs
from tests.modules.test_authors import error, load, tensor
from tests.networks import networks

PEERS = """anet 1
network peers D=[2, 2, 2, 2] modules=[1, 2, 1, 1] attention=peer
input rgb channels=3
input object channels=5 kind=object
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 stride=4 inputs=[object]
node n1 level=1 C=2 r=1 stride=1 inputs=[s0, s1]
node n2 level=2 C=2 r=2 stride=2 inputs=[n1, s1@0.8] peers=[s0@0.2, n1@0.6]
node n3 level=3 C=2 r=2 stride=2 inputs=[n2]
sink inputs=[n3] classes=3
"""


def read(golden: dict[str, np.ndarray[Any, Any]], name: str) -> Any:
    return json.loads(str(golden[f"meta/{name}_json"]))


def network_of(golden: dict[str, np.ndarray[Any, Any]]) -> Network:
    lite = "meta/layers_json" in golden
    chosen: dict[str, Any] = {"modules": tuple(read(golden, "layers"))} if lite else {}
    if not lite:
        chosen["widths"] = tuple(read(golden, "widths"))
    return from_structure(
        read(golden, "structure"),
        name="golden",
        classes=golden["output/logits"].shape[1],
        attention=read(golden, "attention"),
        object_classes=read(golden, "object_classes"),
        **chosen,
    )


@pytest.mark.parametrize("name", ["object", "lite"])
def test_every_node_equals_the_authors(
    shared: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd sizes, objects, peer attention and lite blocks agree to 1e-5, node by node.

    The release takes the width of the map for the number of channels of a lite connection. The
    test passes these numbers, which are in the names of the adapters.
    """
    path = shared / "golden" / f"authors_plus_{name}.npz"
    golden = load(path)
    network = network_of(golden)
    order = list_order(network)
    widths = network.fused_channels()
    if name == "lite":
        for variable in golden:
            if found := re.match(r"var/node(\d+)/fuse\.adapt\d+to(\d+)", variable):
                widths[order[int(found[1])].name] = int(found[2])
    monkeypatch.setattr(Network, "fused_channels", lambda _: widths)
    model = NetworkModule(network).eval()
    authors.load_authors_weights(model, path)
    inputs = {value.name: tensor(golden[f"input/{value.name}"]) for value in network.inputs}
    with torch.no_grad():
        logits, outputs = model(inputs, outputs=[node.name for node in order])
    errors = {
        node.name: error(outputs[node.name], tensor(golden[f"output/node{index:02}"]))
        for index, node in enumerate(order)
    }
    errors["logits"] = error(logits, torch.from_numpy(golden["output/logits"]))
    assert max(errors.values()) < 1e-5, errors
    if name == "object":
        model.sink.head = "maxpool"
        with torch.no_grad():
            expected = torch.from_numpy(golden["output/logits_max_pool_predictions"])
            assert error(model(inputs), expected) < 1e-5


@st.composite
def cases(draw: st.DrawFn) -> tuple[Network, tuple[int, int, int], int]:
    """Draw a network whose names are those of its modules, a clip (T, H, W) and a seed."""
    network = draw(networks().filter(lambda n: all(module_key(m.name) == m.name for m in n.nodes)))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)))
    return network, size, draw(st.integers(0, 9))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_networks_equal_a_plain_implementation(
    case: tuple[Network, tuple[int, int, int], int],
) -> None:
    """The modules agree with `tests/modules/plain.py` on every node, in double precision."""
    network, size, seed = case
    model = anetc.build_network(network, seed=seed).double().eval()
    randomise(model, seed)
    random = torch.Generator().manual_seed(seed)
    inputs = {
        value.name: torch.rand(2, value.channels, *size, generator=random, dtype=torch.float64)
        for value in network.inputs
    }
    with torch.no_grad():
        logits, outputs = model(inputs, outputs=[node.name for node in network.nodes])
        expected = plain_outputs(network, model.state_dict(), inputs)
    for name, output in {**outputs, "sink": logits}.items():
        torch.testing.assert_close(output, expected[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("structure", "parameters", "attention"),
    [
        ("asn50_structure", 44_562_161, 7_661_204),
        ("full_asnp50_structure", 48_054_173, 9_883_924),
    ],
)
def test_parameter_counts_equal_those_of_the_release(
    shared: Path, structure: str, parameters: int, attention: int
) -> None:
    """157 classes, fixed edge weights, peer attention: the module and the formulas agree."""
    lists = json.loads((shared / "facts" / "authors_structures.json").read_text())
    network = from_structure(
        lists[structure], name="a", classes=157, edges="fixed", attention="peer"
    )
    plain = attrs.evolve(network, attention="none")
    assert cost(network).parameters == parameters
    assert parameters - cost(plain).parameters == attention
    with torch.device("meta"):
        module = NetworkModule(network)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_shares_in_the_text_are_where_the_mixture_starts() -> None:
    """Listed peers start with their ratios, others with the mean share; both are the same for all
    connections but for the small random values of peers that are not listed."""
    model = anetc.build_network(anetdsl.parse(PEERS))
    fuse = model.nodes["n2"].fuse
    assert fuse.attention.names == ("s1", "s0", "n1")
    shares = torch.softmax(fuse.attention.h, dim=1)
    torch.testing.assert_close(shares[:, 2] / shares[:, 1], torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(shares[:, 0], torch.tensor([1 / 3, 1 / 3]), rtol=0.02, atol=0)
    untrained = model.nodes["n3"].fuse.attention.h
    assert 0 < untrained.abs().max() <= 0.02


def test_attention_starts_as_in_the_release() -> None:
    """Kernels are normal with standard deviation 0.01, biases are 0, so the attention is 0.5."""
    network = attrs.evolve(anetdsl.parse(PEERS), attention="self")
    wide = attrs.evolve(network.nodes[0], channels=64)
    network = attrs.evolve(network, nodes=(wide, *network.nodes[1:]))
    scales = anetc.build_network(network).nodes["n1"].fuse.attention.scales
    assert scales[0].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not any(scale.bias.any() for scale in scales)


def test_every_lower_node_is_needed_with_peer_attention() -> None:
    """A node that is only a peer changes the result and gets gradients."""
    extra = "node b1 level=1 C=2 r=1 stride=1 inputs=[s0]\nsink"
    network = anetdsl.parse(PEERS.replace("sink", extra))
    assert "b1" in network.needed_by_sink()
    assert not any(finding.code == "A601" for finding in anetdsl.check(str(network)))
    assert "b1" not in attrs.evolve(network, attention="none").needed_by_sink()
    model = anetc.build_network(network)
    inputs = {value.name: torch.rand(2, value.channels, 2, 32, 32) for value in network.inputs}
    model(inputs).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    assert model.nodes["b1"].m0.proj.weight.grad.any()
