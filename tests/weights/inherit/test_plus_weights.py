"""Weights of AssembleNet++: pruning, inheritance, and the peers in a trained text."""

from __future__ import annotations

import math

import attrs
import pytest
import torch

import anetc
import anetdsl
from anetc.modules.initial import randomise
from anetc.modules.network import NetworkModule
from anetc.weights.inherit.inheritance import inherit
from anetc.weights.inherit.prune import pruned_tensors
from anetc.weights.learned import learned_peers, learned_text
from anetc.weights.network_structure import structure_hash
from anetdsl.evolve.operations import Split
from anetdsl.ir import Attention, Blocks, Network
from anetdsl.pruning import prune

TEXT = """anet 1
# A comment that stays.
network plus D=[2, 2, 2, 2] modules=[1, 2, 1, 1] attention=peer
input rgb channels=3
input object channels=9 kind=object
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 stride=4 inputs=[object]
node n1 level=1 C=2 r=1 stride=1 inputs=[s0@0.9, s1@0.2]
node n2 level=2 C=2 r=2 stride=2 inputs=[s0@0.3, n1@0.8, s1@0.7]
node n3 level=3 C=2 r=2 stride=2 inputs=[n2]
sink inputs=[n3] classes=3
"""
LITE = (
    TEXT.replace("D=[2, 2, 2, 2]", "blocks=lite")
    .replace("C=4 r=1 stride=4", "C=4 r=1 stride=2")
    .replace("C=2", "C=[2, 4, 6]")
    .replace("s0@0.9, s1@0.2", "s0@0.2, s1@0.9")  # s0 is larger, so that n1 keeps its size
)


def network_of(blocks: Blocks, attention: Attention) -> Network:
    network = anetdsl.parse(LITE if blocks == "lite" else TEXT)
    return attrs.evolve(network, attention=attention)


def random_model(network: Network, seed: int = 1) -> NetworkModule:
    """Return a module in double precision with random weights, attention included."""
    model = anetc.build_network(network, seed=seed).double().eval()
    randomise(model, seed)
    return model


def clip(network: Network) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    return {
        value.name: torch.rand(1, value.channels, 3, 32, 24, generator=random, dtype=torch.float64)
        for value in network.inputs
    }


@pytest.mark.parametrize("attention", ["none", "self", "peer"])
@pytest.mark.parametrize("blocks", ["full", "lite"])
def test_a_pruned_network_computes_what_the_edges_that_stay_did(
    blocks: Blocks, attention: Attention
) -> None:
    """n1 keeps one input, whose weight its convolutions take over.

    n2 loses its weakest input, unless no other node reads that one.
    """
    network = network_of(blocks, attention)
    model = random_model(network)
    pruning = prune(network, 0.4)
    assert [len(pruning.new.node(name).inputs) for name in ("n1", "n2")] == [
        1,
        3 if blocks == "lite" else 2,
    ]
    pruned = pruned_tensors(pruning, model.state_dict())
    new = anetc.build_network(pruning.new).double().eval()
    new.load_state_dict({**new.state_dict(), **pruned.tensors})
    assert {*pruned.tensors} == {*new.state_dict()}
    with torch.no_grad():
        for name, kept in pruning.kept.items():
            if len(kept) < len(network.node(name).inputs):
                w = model.nodes[name].fuse.w
                dropped = [index for index in range(len(w)) if index not in kept]
                w[dropped] = -1e9  # the weight is exactly 0
        torch.testing.assert_close(new(clip(network)), model(clip(network)))


@pytest.mark.parametrize("attention", ["none", "self", "peer"])
@pytest.mark.parametrize("blocks", ["full", "lite"])
def test_an_equal_child_inherits_every_value(blocks: Blocks, attention: Attention) -> None:
    """The child computes what its parent computes; the mixture keeps its softmax."""
    network = network_of(blocks, attention)
    parent = random_model(network)
    child = anetc.build_network(network, seed=5).double().eval()
    report = inherit(child, network, parent.state_dict())
    assert report.inherited_values == report.total_values
    assert not report.not_inherited
    with torch.no_grad():
        torch.testing.assert_close(child(clip(network)), parent(clip(network)))


def test_a_split_keeps_the_attention_of_other_nodes() -> None:
    """The linear layers of n3 stay but for the halves of n1; new peers start as a mean peer."""
    network = network_of("full", "peer")
    halves = [attrs.evolve(network.node("n1"), name=name, channels=1) for name in ("n1a", "n1b")]
    text = str(network).replace("n1@0.8", "n1a@0.8, n1b@0.8")
    rows = [str(attrs.evolve(network, nodes=(half,))).split("\n\n")[3] for half in halves]
    start = text.index("node n1 ")
    text = text[:start] + "\n".join(rows) + text[text.index("\n", start) :]
    child_network = anetdsl.parse(text)
    parent = random_model(network)
    child = anetc.build_network(child_network, seed=5).double()
    inherit(child, network, parent.state_dict(), [Split("n1", ("n1a", "n1b"))])
    mine, theirs = (model.nodes["n3"].fuse.attention for model in (child, parent))
    assert mine.names == ("s1", "s0", "n1a", "n1b", "n2")
    assert torch.equal(mine.peers["s0"].weight, theirs.peers["s0"].weight)
    assert torch.equal(mine.scales[0].weight, theirs.scales[0].weight)
    old = torch.softmax(theirs.h, 1) * 4  # relative to the mean share of 4 peers
    torch.testing.assert_close(mine.h[:, [0, 1, 4]].exp(), old[:, [0, 1, 3]])
    assert mine.h[:, 2:4].abs().max() <= 0.02


def test_a_trained_text_has_the_peers_of_the_module() -> None:
    """Shares are softmax(h), averaged over the connections, also with fixed edge weights."""
    text = TEXT.replace("attention=peer", "edges=fixed attention=peer")
    model = anetc.build_network(anetdsl.parse(text))
    with torch.no_grad():
        model.nodes["n2"].fuse.attention.h.copy_(
            torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 2]]).log_softmax(1)
        )
    learned = learned_text(model, text)
    network = anetdsl.parse(learned)
    assert "# A comment that stays." in learned
    assert [f.code for f in anetdsl.check(learned)] == [f.code for f in anetdsl.check(text)]
    shares = {peer.source: peer.weight for peer in network.node("n2").peers}
    e = math.e
    expected = {
        "s1": (1 / 3 + 1 / (2 + e) + 1 / (2 + e**2)) / 3,
        "s0": (1 / 3 + e / (2 + e) + 1 / (2 + e**2)) / 3,
        "n1": (1 / 3 + 1 / (2 + e) + e**2 / (2 + e**2)) / 3,
    }
    assert shares == pytest.approx(expected, abs=1e-6)
    again = anetc.build_network(network)
    assert learned_peers(again)["n2"] == pytest.approx(expected, abs=1e-5)
    assert structure_hash(network) == structure_hash(anetdsl.parse(text))
    assert learned_text(again, learned) == learned
