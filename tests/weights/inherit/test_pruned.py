"""The weights of a pruned network give the results of the old one without the dropped edges."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import anetdsl
from anetc.modules.network import NetworkModule, build_network
from anetc.weights.files import assign_weights, load_weights, save_weights
from anetc.weights.inherit.prune import pruned_tensors
from anetc.weights.metadata import read_info
from anetc.weights.network_structure import structure_hash
from anetdsl.pruning import Pruning, prune
from tests.command_line import Result, anetc
from tests.modules.networks import clip
from tests.weights.inherit.families import random_model

TEXT = """\
anet 1
network trained D=[4, 4, 4, 4] modules=[2, 2, 1, 1]
input rgb channels=3
input flow channels=2
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 C=6 r=1 stride=4 inputs=[flow]
node n2 level=1 C=2 r=1 stride=1 inputs=[s0@0.9, s1@0.1]
node n3 level=1 C=4 r=1 stride=1 inputs=[{n3}]
node n4 level=2 C=2 r=1 stride=2 inputs=[{n4}]
sink inputs=[n4] classes=3
"""


def case(n3: str, n4: str) -> tuple[Pruning, NetworkModule]:
    """Return a network pruned below 0.5, and the old network with the edge weights of its text."""
    network = anetdsl.parse(TEXT.format(n3=n3, n4=n4))
    model = random_model(network)
    with torch.no_grad():
        state, initial = model.state_dict(), build_network(network).state_dict()
        for name in state:
            if name.endswith("fuse.w"):
                state[name].copy_(initial[name])
    return prune(network, 0.5), model.eval()


def logits_without_dropped_edges(pruning: Pruning, model: NetworkModule) -> torch.Tensor:
    """Return the logits of the old network with gates of 0, sigmoid(-inf), at dropped edges."""
    with torch.no_grad():
        for node in pruning.old.nodes:
            kept = pruning.kept[node.name]
            for index in range(len(node.inputs)):
                if index not in kept:
                    model.state_dict()[f"nodes.{node.name}.fuse.w"][index] = -torch.inf
        return model(clip(pruning.old))


@pytest.mark.parametrize(
    ("n3", "n4"),
    [
        ("s1@0.8, s0@0.6", "n2@0.9, n3@0.8"),  # n2 loses its widest input
        ("s0@0.8, s1@0.2", "n2@0.9, n3@0.8, s0@0.7, s1@0.1"),  # n4 loses a narrow input
        ("s1@0.8, s0@0.2", "n2@0.1, n3@0.8"),  # sole inputs that are the widest
        ("s1@0.8, s0@0.2", "n2@0.7, n3@0.2, n2@0.6"),  # n2 is read twice; n3 has no other reader
        ("s1", "s0@0.3, s1@0.6, n3@0.4"),  # n3 keeps its only reader
    ],
)
def test_pruned_networks_equal_the_old_without_dropped_edges(n3: str, n4: str) -> None:
    pruning, model = case(n3, n4)
    made = pruned_tensors(pruning, model.state_dict())
    new = build_network(pruning.new).eval()
    assign_weights(new, made.tensors, "pruned")
    with torch.no_grad():
        found = new(clip(pruning.new))
    torch.testing.assert_close(
        found, logits_without_dropped_edges(pruning, model), rtol=1e-4, atol=1e-5
    )
    assert not made.fitted


def test_an_edge_without_effect_can_be_dropped() -> None:
    """With a gate of about 0 the outputs of the pruned network are about those of the old one."""
    network = anetdsl.parse(TEXT.format(n3="s1", n4="n2@0.9, n3@0.8, s0@0.0000001"))
    model = random_model(network).eval()
    with torch.no_grad():
        model.state_dict()["nodes.n4.fuse.w"][2] = -16.1
    pruning = prune(network, 1e-6)
    assert [str(edge) for edge in pruning.dropped] == ["s0->n4 (1e-07)"]
    with torch.no_grad():
        before = model(clip(pruning.old))
    new = build_network(pruning.new).eval()
    assign_weights(new, pruned_tensors(pruning, model.state_dict()).tensors, "pruned")
    with torch.no_grad():
        torch.testing.assert_close(new(clip(pruning.new)), before, rtol=1e-4, atol=1e-5)


def test_tensors_stay_if_no_edge_is_dropped() -> None:
    pruning, model = case("s1@0.8, s0@0.7", "n2@0.9, n3@0.8")
    same = prune(pruning.old, 0.05)
    made = pruned_tensors(same, model.state_dict())
    assert made.tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(made.tensors[k], t) for k, t in model.state_dict().items())


def test_adapters_of_narrower_inputs_are_fitted_and_reported() -> None:
    """n3 (16 channels) is dropped; n2 (8) is now the widest, and s0 (4) needs an adapter.

    The readers have 2 + 8 rows and 8 columns, so that the fit is not exact.
    """
    pruning, model = case("s1@0.8, s0@0.7", "n2@0.9, s0@0.8, n3@0.1")
    pruning = prune(pruning.old, 0.5, drop_nodes=True)
    made = pruned_tensors(pruning, model.state_dict())
    ((name, error),) = made.fitted
    assert name == "nodes.n4.fuse.adapt4to8.weight"
    assert 0 < error < 1
    assign_weights(build_network(pruning.new), made.tensors, "pruned")


def pruned_by_command(folder: Path) -> Result:
    weights = ("--weights", folder / "w.safetensors", "--weights-out", folder / "p.safetensors")
    options = ("--below", "0.5", "-o", folder / "p.anet", *weights)
    return anetc("prune", folder / "a.anet", *options)


def test_the_command_prunes_weights(tmp_path: Path) -> None:
    pruning, model = case("s1@0.8, s0@0.6", "n2@0.9, n3@0.8")
    (tmp_path / "a.anet").write_text(str(pruning.old))
    save_weights(model, tmp_path / "w.safetensors")
    options = ("--weights", tmp_path / "w.safetensors", "--weights-out", tmp_path / "p.safetensors")
    done = anetc(
        "prune", tmp_path / "a.anet", "--below", "0.5", "-o", tmp_path / "p.anet", *options
    )
    assert done.code == 0, done.err
    new = build_network(anetdsl.load(tmp_path / "p.anet")).eval()
    load_weights(new, tmp_path / "p.safetensors")
    with torch.no_grad():
        found = new(clip(pruning.new))
    torch.testing.assert_close(
        found, logits_without_dropped_edges(pruning, model), rtol=1e-4, atol=1e-5
    )


def test_weights_of_another_rate_are_reported(tmp_path: Path) -> None:
    """Their shapes fit the text. The pruned text and the pruned weights belong together."""
    pruning, model = case("s1@0.8, s0@0.6", "n2@0.9, n3@0.8")
    text = str(pruning.old)
    (tmp_path / "a.anet").write_text(text)
    save_weights(model, tmp_path / "w.safetensors")
    assert "warning: " not in pruned_by_command(tmp_path).err
    made = anetdsl.load(tmp_path / "p.anet")
    assert read_info(tmp_path / "p.safetensors").structure_sha256 == structure_hash(made)
    (tmp_path / "a.anet").write_text(text.replace("r=1", "r=2", 1))
    done = pruned_by_command(tmp_path)
    assert done.code == 0, done.err
    path = tmp_path / "w.safetensors"
    assert f"warning: {path}: the weights were trained with another network text" in done.err


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    pruning, model = case("s1@0.8, s0@0.6", "n2@0.9, n3@0.8")
    (tmp_path / "a.anet").write_text(str(pruning.old).replace("C=6", "C=5"))
    save_weights(model, tmp_path / "w.safetensors")
    options = ("--weights", tmp_path / "w.safetensors", "--weights-out", tmp_path / "p.safetensors")
    done = anetc(
        "prune", tmp_path / "a.anet", "--below", "0.5", "-o", tmp_path / "p.anet", *options
    )
    assert done.code == 2
    assert "these weights are not those of the network: " in done.err
    assert "of another shape or type: s1 (conv.weight float32 [6, 2" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.anet", "w.safetensors"]
