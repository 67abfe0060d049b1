"""The search over AssembleNet++: attention in the space, peers and lite blocks in operators."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import attrs
import pytest

import anetdsl
from anetdsl.evolve.candidates import Member
from anetdsl.evolve.operations import Rewire
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.propose.child_text import untrained
from anetdsl.evolve.propose.draft import DraftNetwork
from anetdsl.evolve.propose.operators import change_resolution, merge_nodes, split_node
from anetdsl.evolve.propose.rewiring import guided_rewiring
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.search_settings import Method, SearchSettings
from anetdsl.ir import Edge, Input, Network
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PEERS = anetdsl.parse("""anet 1
network peers attention=peer
input rgb channels=3
input object channels=9 kind=object
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node s1 level=0 stride=4 inputs=[object]
node n1 level=1 C=4 r=1 stride=1 inputs=[s0, s1] peers=[s0@0.9, s1@0.1]
node n2 level=1 C=2 r=2 stride=1 inputs=[s1] peers=[s0@0.5, s1@0.5]
node n3 level=2 C=4 r=2 stride=2 inputs=[n1, n2] peers=[n1@0.6, s0@0.3, n2@0.1]
sink inputs=[n3] classes=3
""")


def peers_of(network: Network, name: str) -> dict[str, float | None]:
    return {peer.source: peer.weight for peer in network.node(name).peers}


def with_peers(text: str) -> str:
    """Return a text as a trial could leave it: with the shares of all peers."""
    network = anetdsl.parse(text)
    lower = network.peers_by_level()
    peers = {
        node.name: {peer.name: 1 / len(lower[node.level]) for peer in lower[node.level]}
        for node in network.nodes
        if not node.is_stem
    }
    tree = parse_syntax(SourceFile("text", text))
    return apply(text, set_learned(tree, {}, None, peers))


def test_attention_of_the_space_is_that_of_all_candidates() -> None:
    """Random networks have it, and so have children, which are drawn from their texts."""
    chosen = attrs.evolve(space("small", 5), attention="peer")
    settings = SearchSettings(
        chosen, candidates=12, population=4, tournament=2, window=0, keep_weights=True
    )
    members: list[Member] = []
    taken: set[str] = set()
    for index in range(12):
        found = propose(settings, index, members, taken)
        network = anetdsl.parse(found.text)
        assert network.attention == "peer"
        assert anetdsl.check(found.text, search=True) == ()
        assert any(node.peers for node in network.nodes) == (index >= 4)
        taken.add(found.canonical_form)
        members.append(Member(index, found.name, with_peers(found.text), float(index)))


@pytest.mark.parametrize("method", ["guided", "standard", "random", "aging"])
def test_all_candidates_have_the_objects_of_the_space(method: Method) -> None:
    """Their stem is a pool, which is neither split nor merged; other draws do not change."""
    members: list[Member] = []
    taken: set[str] = set()
    settings = SearchSettings(
        attrs.evolve(space("small", 5), objects=9, attention="peer"), method=method, population=3
    )
    for index in range(9):
        found = propose(settings, index, members, taken)
        network = anetdsl.parse(found.text)
        assert anetdsl.check(found.text, search=True) == ()
        assert network.inputs[-1] == Input("object", 9, "object")
        (stem,) = (node for node in network.nodes if node.channels is None)
        assert (stem.dilation, stem.inputs) == (None, (Edge("object"),))
        taken.add(found.canonical_form)
        members.append(Member(index, found.name, found.text, float(index)))


def test_a_split_shares_the_peer_between_its_halves() -> None:
    changed = split_node(DraftNetwork.of(PEERS), PEERS.node("n1")).draft.network
    first, second = (node.name for node in changed.nodes[2:4])
    assert peers_of(changed, first) == peers_of(changed, second) == {"s0": 0.9, "s1": 0.1}
    assert peers_of(changed, "n3") == {first: 0.3, second: 0.3, "s0": 0.3, "n2": 0.1}
    assert anetdsl.parse(str(changed)) == changed


def test_a_merge_adds_the_shares_of_both_nodes() -> None:
    draft = DraftNetwork.of(PEERS)
    changed = merge_nodes(draft, PEERS.node("n1"), PEERS.node("n2"), 2).draft.network
    name = changed.nodes[2].name
    assert peers_of(changed, name) == pytest.approx({"s0": 0.7, "s1": 0.3})
    assert peers_of(changed, "n3") == pytest.approx({name: 0.7, "s0": 0.3})
    assert anetdsl.parse(str(changed)) == changed


def test_peers_are_learned_anew_unless_weights_are_kept() -> None:
    assert untrained(PEERS, keep_weights=True).node("n3").peers == PEERS.node("n3").peers
    assert not any(node.peers for node in untrained(PEERS).nodes)
    fixed = attrs.evolve(PEERS, edges="fixed")  # shares are learned also then
    assert not any(node.peers for node in untrained(fixed).nodes)


def test_lite_blocks_are_split_and_merged_width_by_width() -> None:
    """Odd widths cannot be split; a split and a merge of the halves give the node back."""
    lite = anetdsl.load(EXAMPLES / "assemblenet_plus_lite.anet")
    node = lite.node("n4")
    split = split_node(DraftNetwork.of(lite), node).draft
    halves = [half for half in split.network.nodes if half.filters == (27, 27, 12)][2:]
    assert len(halves) == 2
    merged = merge_nodes(split, *halves, node.rate).draft.network
    assert canonical_form(untrained(merged)) == canonical_form(untrained(lite))


def test_object_stems_keep_their_lack_of_r() -> None:
    random = Random(1)
    for _ in range(40):
        change = change_resolution(DraftNetwork.of(PEERS), random)
        assert change is not None
        assert change.draft.network.node("s1").dilation is None


def test_canonical_forms_tell_attention_blocks_and_widths_apart() -> None:
    """Peers are learned and do not count; neither do names."""
    networks = [
        PEERS,
        attrs.evolve(PEERS, attention="self"),
        attrs.evolve(PEERS, attention="none"),
        attrs.evolve(PEERS, inputs=(PEERS.inputs[0], attrs.evolve(PEERS.inputs[1], channels=8))),
    ]
    forms = [canonical_form(network) for network in networks]
    assert all(one != other for one, other in itertools.combinations(forms, 2))
    plain = [attrs.evolve(node, peers=()) for node in PEERS.nodes]
    assert canonical_form(attrs.evolve(PEERS, nodes=tuple(plain))) == forms[0]
    lite = anetdsl.load(EXAMPLES / "small_assemblenet_plus_lite.anet")
    wider = attrs.evolve(lite.nodes[-1], channels=(54, 56, 24))
    assert canonical_form(attrs.evolve(lite, nodes=(*lite.nodes[:-1], wider))) != canonical_form(
        lite
    )


def test_equation_2_can_read_the_shares_of_peers() -> None:
    """With `by_peers`, new edges come from peers of high share; kept edges are the same."""
    count = {"s0": 0, "n2": 0}
    kept = set()
    for seed in range(400):
        network = attrs.evolve(
            PEERS,
            nodes=tuple(
                attrs.evolve(node, inputs=(Edge("n1", 0.6), Edge("s1", 0.1)))
                if node.name == "n3"
                else node
                for node in PEERS.nodes
            ),
        )
        change = guided_rewiring(DraftNetwork.of(network), Random(seed), 0.5, by_peers=True)
        plain = guided_rewiring(DraftNetwork.of(network), Random(seed), 0.5)
        assert isinstance(change.operation, Rewire)
        assert isinstance(plain.operation, Rewire)
        assert change.operation.dropped == plain.operation.dropped
        kept.add(change.operation.kept)
        for source, reader in change.operation.added:
            if reader == "n3" and source in count:
                count[source] += 1
    assert len(kept) == 1
    # The shares of s0 and n2 in n3 are 0.3 and 0.1, and 0.9 and 0.3 of the mean share.
    assert 2 < count["s0"] / count["n2"] < 4.5
