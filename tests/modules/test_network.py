"""The reference module: inputs, results, names of parameters, and number of parameters."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn

import anetc
import anetdsl
from anetc.modules import connection, names
from anetc.modules.names import module_key, node_name, split_name
from anetc.modules.network import InputError, NetworkModule
from anetdsl.ir import Network
from tests.modules.networks import SMALL, chain, clip

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NETWORK = anetdsl.parse(SMALL)
AWKWARD = """
keys values items pop clear update get training train eval float half double forward modules
parameters buffers children state_dict apply to cpu cuda type share_memory requires_grad
requires_grad_ zero_grad _modules _parameters __init__ __class__ _ __ n7 n7_ n7__ T_destination
self name nodes fuse m0 w
""".split()  # noqa: SIM905


def count_parameters(network: Network) -> int:
    """Return the number of parameters of a network, without allocating memory for them."""
    with torch.device("meta"):
        module = NetworkModule(network)
    return sum(parameter.numel() for parameter in module.parameters())


def test_importing_the_package_does_not_import_torch() -> None:
    """Commands that need no tensors start fast; the first use of a name imports torch."""
    code = (
        "import sys, anetc\n"
        "assert {*anetc.__all__} <= {*dir(anetc)} and not hasattr(anetc, 'nothing')\n"
        "assert 'torch' not in sys.modules\n"
        "for name in anetc.__all__: assert callable(getattr(anetc, name))\n"
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize(
    ("example", "expected"), [("assemblenet", 32_916_863), ("asn50", 36_900_985)]
)
def test_parameter_counts_equal_those_of_the_authors_code(example: str, expected: int) -> None:
    """Table 4 and the network in the authors' code, with 157 classes and learned edge weights."""
    network = anetdsl.load(EXAMPLES / f"{example}.anet")
    sink = attrs.evolve(network.sink, classes=157)
    assert count_parameters(attrs.evolve(network, sink=sink, edges="learned")) == expected


def test_outputs_of_nodes_are_returned_by_name() -> None:
    """Outputs come in the requested order; the logits are those of a call without names."""
    model = anetc.build_network(NETWORK).eval()
    inputs = clip(NETWORK)
    logits = model(inputs)
    with_outputs, outputs = model(inputs, outputs=("n6", "s1"))
    assert isinstance(logits, Tensor)
    assert torch.equal(with_outputs, logits)
    assert list(outputs) == ["n6", "s1"]
    assert outputs["n6"].shape == (1, 8, 4, 1, 1)


def test_equal_calls_give_equal_bits() -> None:
    """This holds in inference mode and in training mode."""
    model = anetc.build_network(NETWORK)
    inputs = clip(NETWORK, batch=2)
    for mode in (False, True):
        model.train(mode)
        assert torch.equal(model(inputs), model(inputs))


def test_clips_of_a_batch_are_independent() -> None:
    """In inference mode the logits of a clip do not depend on the rest of the batch."""
    model = anetc.build_network(NETWORK).eval()
    inputs = clip(NETWORK, batch=3)
    alone = [model({name: x[i : i + 1] for name, x in inputs.items()}) for i in range(3)]
    torch.testing.assert_close(model(inputs), torch.cat(alone))


def test_every_parameter_gets_a_gradient() -> None:
    """The initial scales of 0 in the last normalisations are set to 1 for this."""
    model = anetc.build_network(NETWORK)
    for name, parameter in model.named_parameters():
        if name.endswith("conv3_bn.weight"):
            nn.init.ones_(parameter)
    model(clip(NETWORK, height=64, width=64, batch=2)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.any(), name


def test_it_can_be_exported_and_converted() -> None:
    """torch.export can trace the module; other dtypes work."""
    model = anetc.build_network(NETWORK).eval()
    inputs = clip(NETWORK)
    exported = torch.export.export(model, (inputs,)).module()
    assert torch.equal(exported(inputs), model(inputs))
    doubles = {name: x.double() for name, x in inputs.items()}
    expected = model(inputs)
    torch.testing.assert_close(model.double()(doubles).float(), expected)


@pytest.mark.parametrize("name", AWKWARD)
def test_nodes_may_bear_any_name(name: str) -> None:
    """A node may have a name that torch.nn uses; its weights and its output have that name."""
    network = chain(
        f"node {name} level=1 C=1 r=1 stride=1 inputs=[s0]", sink=f"inputs=[{name}] classes=3"
    )
    model = anetc.build_network(network)
    _, outputs = model(clip(network), outputs=[name])
    assert outputs[name].shape == (1, 4, 4, 8, 6)
    keys = [key for key in model.state_dict() if split_name(key)[0] == name]
    assert len(keys) == 42
    assert model.get_parameter(f"nodes.{module_key(name)}.m0.conv1.weight").shape == (1, 4, 1, 1, 1)
    model.load_state_dict(model.state_dict())


def test_distinct_names_have_distinct_keys() -> None:
    """This holds for all attributes of torch.nn modules, with and without underscores."""
    nodes = {name.strip("_") + tail for name in dir(nn.ModuleDict()) for tail in ("", "_", "__")}
    nodes |= {*AWKWARD, *dir(nn.ModuleDict())}
    keys = {module_key(node): node for node in nodes}
    assert len(keys) == len(nodes)
    assert all(node_name(key) == node for key, node in keys.items())
    assert not any(hasattr(nn.ModuleDict(), key) for key in keys)


def test_ordinary_names_do_not_change() -> None:
    """State dicts and weights files use the names of nodes in the text."""
    state = anetc.build_network(NETWORK).state_dict()
    assert {split_name(key)[0] for key in state} == {"sink", *(n.name for n in NETWORK.nodes)}
    assert {key.split(".")[1] for key in state if key.startswith("nodes.")} == {
        node.name for node in NETWORK.nodes
    }


@pytest.mark.parametrize("module", [names, connection])
def test_doctests_pass(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


RGB, FLOW = torch.zeros(1, 3, 4, 32, 24), torch.zeros(1, 2, 4, 32, 24)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (RGB, "takes a dict of tensors by input name, rgb, flow; got Tensor"),
        ({}, "needs an input 'rgb': expected rgb, flow; got none"),
        ({"rgb": RGB}, "needs an input 'flow': expected rgb, flow; got rgb"),
        ({"rgb": RGB, "flow": FLOW, "depth": RGB}, "has no input 'depth': expected rgb, flow"),
        (
            {"rgb": RGB[0], "flow": FLOW},
            r"input 'rgb' must be \(N, 3, T, H, W\); got float32 \(3, 4, 32, 24\)",
        ),
        (
            {"rgb": FLOW, "flow": FLOW},
            r"input 'rgb' must be \(N, 3, T, H, W\); got float32 \(1, 2, ",
        ),
        ({"rgb": RGB[:, :, :0], "flow": FLOW}, r"input 'rgb' must be .* got float32 \(1, 3, 0, 32"),
        ({"rgb": RGB.byte(), "flow": FLOW}, "'rgb' must hold floating-point numbers; got uint8"),
        (
            {"rgb": RGB, "flow": FLOW[:, :, :3]},
            r"'flow' must have the N, T, H and W of input 'rgb', \(1, 3, 4, 32, 24\); "
            r"got float32 \(1, 2, 3, 32, 24\)",
        ),
        ({"rgb": RGB, "flow": FLOW[..., :23]}, "'flow' must have the N, T, H and W"),
        ({"rgb": RGB, "flow": FLOW.repeat(2, 1, 1, 1, 1)}, "'flow' must have the N, T, H and W"),
    ],
)
def test_errors_name_the_input_that_does_not_fit(inputs: Any, message: str) -> None:
    """The message is one line: the input, the expected value, and the actual value."""
    model = anetc.build_network(NETWORK)
    with pytest.raises(InputError, match=message) as caught:
        model(inputs)
    assert "\n" not in str(caught.value)


def test_errors_name_an_unknown_output() -> None:
    """The message lists the nodes of the network."""
    with pytest.raises(InputError, match="has no node 'n9'; its nodes are s0, s1, n2"):
        anetc.build_network(NETWORK)(clip(NETWORK), outputs=["n4", "n9"])


def test_networks_with_errors_are_refused() -> None:
    """The checks of the language run on networks that were made in Python, too."""
    nodes = [attrs.evolve(node, level=1) if node.name == "n4" else node for node in NETWORK.nodes]
    with pytest.raises(anetdsl.AnetError, match="n4"):
        anetc.build_network(attrs.evolve(NETWORK, nodes=tuple(nodes)))
    sink = attrs.evolve(NETWORK.sink, inputs=(anetdsl.Edge("n99"),))
    with pytest.raises(anetdsl.AnetError, match="n99"):
        anetc.build_network(attrs.evolve(NETWORK, sink=sink))


def test_origin_and_score_do_not_change_the_weights() -> None:
    """Even a score that no text can hold (NaN) is accepted."""
    scored = attrs.evolve(NETWORK, score=anetdsl.Score((("top1", float("nan")),)))
    state = anetc.build_network(scored).state_dict()
    for name, tensor in anetc.build_network(NETWORK).state_dict().items():
        assert torch.equal(tensor, state[name])
