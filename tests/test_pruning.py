"""Pruning: the dropped edges, the connectedness of the rest, the text, and `anetc prune`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anetdsl
from anetdsl.ir import Network
from anetdsl.pruning import Pruning, edge_count, prune, pruned_text
from tests.command_line import anetc
from tests.strategies import Written, networks, written

TEXT = """\
anet 1

network trained  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]
score top1=50 top5=90  # of the whole network

input rgb   channels=3
input flow  channels=2

node s0  level=0  C=4  r=1  stride=4  inputs=[rgb]
# The stream of motion.
node s1  level=0  C=4  r=1  stride=4  inputs=[flow]
node n2  level=1  C=2  r=1  stride=1  inputs=[s0@0.9, s1@0.1]   # mostly pictures
node n3  level=1  C=2  r=1  stride=1  inputs=[s1]
node n4  level=2  C=2  r=1  stride=2  inputs=[
  s0@0.2,  # weak
  n2@0.8,
  n3@0.3,
]
node n5  level=3  C=2  r=1  stride=2  inputs=[n2@0.1, n4@0.2]
sink  inputs=[n5]  classes=3
"""
PRUNED = """\
anet 1

network trained  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]

input rgb   channels=3
input flow  channels=2

node s0  level=0  C=4  r=1  stride=4  inputs=[rgb]
# The stream of motion.
node s1  level=0  C=4  r=1  stride=4  inputs=[flow]
node n2  level=1  C=2  r=1  stride=1  inputs=[s0]   # mostly pictures
node n3  level=1  C=2  r=1  stride=1  inputs=[s1]
node n4  level=2  C=2  r=1  stride=2  inputs=[
  n2@0.8,
  n3@0.3,
]
node n5  level=3  C=2  r=1  stride=2  inputs=[n4]
sink  inputs=[n5]  classes=3
"""
WITHOUT_NODES = """\
anet 1

network trained  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]

input rgb   channels=3

node s0  level=0  C=4  r=1  stride=4  inputs=[rgb]
node n2  level=1  C=2  r=1  stride=1  inputs=[s0]   # mostly pictures
node n4  level=2  C=2  r=1  stride=2  inputs=[
  n2,
]
node n5  level=3  C=2  r=1  stride=2  inputs=[n4]
sink  inputs=[n5]  classes=3
"""


TEXT_WITH_PEERS = """\
anet 1
network n{network}
input rgb channels=3
node a level=0 C=1 r=1 stride=4 inputs=[rgb]
node b level=0 C=1 r=1 stride=4 inputs=[rgb]
node c level=1 C=1 r=1 stride=1 inputs=[a] peers=[a@0.25, b@0.75]
sink inputs=[c] classes=2
"""


def pruned(text: str, below: float, *, drop_nodes: bool = False) -> tuple[Pruning, str]:
    pruning = prune(anetdsl.parse(text), below, drop_nodes=drop_nodes)
    return pruning, pruned_text(text, pruning)


def test_low_weights_are_dropped_and_the_network_stays_connected() -> None:
    """n3 keeps its strongest reader, n5 its strongest input. Comments stay, the score does not."""
    pruning, text = pruned(TEXT, 0.5)
    assert text == PRUNED
    assert pruning.lines() == (
        "dropped s1->n2 (0.1)",
        "dropped s0->n4 (0.2)",
        "dropped n2->n5 (0.1)",
        "kept    n4->n5 (0.2): it is the strongest input of n5",
        "kept    n3->n4 (0.3): no other edge reads n3",
    )


def test_unneeded_nodes_are_removed_on_request() -> None:
    """So are the nodes and inputs that only they read."""
    pruning, text = pruned(TEXT, 0.5, drop_nodes=True)
    assert text == WITHOUT_NODES
    assert pruning.removed == ("s1", "n3", "flow")
    assert pruning.lines()[-3:] == tuple(
        f"removed {name}: the sink does not depend on it" for name in pruning.removed
    )


def test_the_text_stays_unchanged_if_no_weight_is_below() -> None:
    pruning, text = pruned(TEXT, 0.05)
    assert text == TEXT
    assert pruning.new == pruning.old
    assert pruning.lines() == ()


def test_a_weight_equal_to_the_threshold_is_kept() -> None:
    assert [str(edge) for edge in pruned(TEXT, 0.2)[0].dropped] == [
        "s1->n2 (0.1)",
        "n2->n5 (0.1)",
    ]


def test_untrained_edges_count_as_one_half() -> None:
    pruning, _ = pruned(TEXT.replace("s0@0.2", "s0"), 0.45)
    assert "s0->n4" not in " ".join(pruning.lines())
    pruning, _ = pruned(TEXT.replace("s0@0.2", "s0"), 0.6)
    assert "dropped s0->n4 (0.5)" in pruning.lines()


def test_the_weakest_edges_are_dropped_until_a_number_is_left() -> None:
    """The edge n2->n5 is the second one with 0.1. No node loses its last edge."""
    network = anetdsl.parse(TEXT)
    assert edge_count(network) == 8
    names = {8: [], 7: ["n2->n5 (0.1)"], 6: ["s1->n2 (0.1)", "n2->n5 (0.1)"]}
    names[5] = ["s1->n2 (0.1)", "s0->n4 (0.2)", "n2->n5 (0.1)"]
    for count, dropped in names.items():
        pruning = prune(network, edges=count)
        assert [str(edge) for edge in pruning.dropped] == dropped
        assert edge_count(pruning.new) == count
    assert [str(edge) for edge, _ in pruning.spared] == ["n4->n5 (0.2)"]
    least = prune(network, edges=1)
    assert edge_count(least.new) == 5, "n3 and n4 are read by one node, and n2 has its last input"
    assert [str(edge) for edge in least.dropped] == names[5]
    with pytest.raises(ValueError, match="one of"):
        prune(network)
    with pytest.raises(ValueError, match="one of"):
        prune(network, 0.5, edges=3)


def test_spared_edges_are_weaker_than_dropped_ones() -> None:
    pruning = prune(anetdsl.parse(TEXT.replace("n3@0.3", "n3@0.05")), edges=6)
    assert [str(edge) for edge in pruning.dropped] == ["s1->n2 (0.1)", "n2->n5 (0.1)"]
    ((edge, reason),) = pruning.spared
    assert (str(edge), reason) == ("n3->n4 (0.05)", "no other edge reads n3")
    with_nodes = prune(anetdsl.parse(TEXT.replace("n3@0.3", "n3@0.05")), edges=6, drop_nodes=True)
    assert "n3" in with_nodes.removed


def doubts(changes: dict[str, str], below: float) -> tuple[str, ...]:
    text = TEXT
    for old, new in changes.items():
        text = text.replace(old, new)
    return prune(anetdsl.parse(text), below).doubts()


def test_weights_that_say_nothing_are_reported() -> None:
    """They are about equal, or those of the dropped edges are near 0.5."""
    assert doubts({}, 0.5) == ()
    (near,) = doubts({"s0@0.2": "s0@0.48"}, 0.5)
    assert near.startswith("1 of 3 dropped edges have a weight from 0.45 to 0.55, near the 0.5")
    numbers = ("0.9", "0.1", "0.2", "0.8", "0.3")
    equal = {f"@{number}": f"@0.4{place + 5}" for place, number in enumerate(numbers)}
    (same,) = doubts(equal, 0.47)
    assert same.startswith("the weights hardly differ: they are from 0.45 to 0.49, and 0.5 before")
    assert doubts({}, 0.05) == ()


def test_a_changed_size_is_reported() -> None:
    """n5 loses its smallest input, so its feature maps become larger."""
    pruning, _ = pruned(TEXT.replace("n2@0.1, n4@0.2", "n2@0.9, n4@0.2"), 0.5, drop_nodes=True)
    assert "note: the output of n5 is now 1/8 of the input's size, before 1/16" in pruning.lines()


# Properties of any network

thresholds = st.floats(0.001, 0.999)


def edges(network: Network) -> set[tuple[str, str, int]]:
    """Return the edges as (source, target, number), repeated edges numbered."""
    found = set()
    for node in (*network.nodes, network.sink):
        counts: dict[str, int] = {}
        for edge in node.inputs:
            counts[edge.source] = counts.get(edge.source, 0) + 1
            found.add((edge.source, getattr(node, "name", "sink"), counts[edge.source]))
    return found


@settings(max_examples=50)
@given(networks(), thresholds)
def test_the_network_stays_connected(network: Network, below: float) -> None:
    """Each node has an input, read nodes are still read, and only weak edges are dropped."""
    pruning = prune(network, below)
    assert {node.name for node in pruning.new.nodes} == {node.name for node in network.nodes}
    assert all(node.inputs for node in pruning.new.nodes)
    read_before = {edge.source for node in network.nodes for edge in node.inputs}
    read_now = {edge.source for node in pruning.new.nodes for edge in node.inputs}
    assert read_before - read_now <= {edge.source for edge in network.sink.inputs}
    assert network.needed_by_sink() >= pruning.new.needed_by_sink()
    assert all(edge.weight < below for edge in pruning.dropped)
    assert len(edges(network)) - len(edges(pruning.new)) == len(pruning.dropped)
    for node in pruning.new.nodes:
        old = network.node(node.name)
        strongest = max(old.inputs, key=lambda edge: 0.5 if edge.weight is None else edge.weight)
        assert strongest.source in {edge.source for edge in node.inputs}
        if len(node.inputs) == 1 < len(old.inputs):
            assert node.inputs[0].weight is None


@settings(max_examples=50)
@given(networks(), thresholds)
def test_with_drop_nodes_the_sink_needs_every_node(network: Network, below: float) -> None:
    pruning = prune(network, below, drop_nodes=True)
    names = {node.name for node in pruning.new.nodes}
    inputs = {value.name for value in pruning.new.inputs}
    assert names | inputs == pruning.new.needed_by_sink() <= network.needed_by_sink()
    assert pruning.kept.keys() == names
    kept = edges(prune(network, below).new)
    assert edges(pruning.new) <= kept | {(edge.source, "sink", 1) for edge in network.sink.inputs}


@settings(max_examples=50)
@given(networks(), st.integers(1, 30))
def test_a_number_of_edges_is_left_if_the_network_stays_connected(
    network: Network, count: int
) -> None:
    """The dropped edges are the weakest ones, apart from those that a node needs."""
    pruning = prune(network, edges=count)
    left = edge_count(pruning.new)
    assert left == min(count, edge_count(network)) or left > count
    assert all(node.inputs for node in pruning.new.nodes)
    assert network.needed_by_sink() >= pruning.new.needed_by_sink()
    assert prune(pruning.new, edges=left).new == pruning.new
    reasons = {(edge.source, edge.target) for edge, _ in pruning.spared}
    strongest = max((edge.weight for edge in pruning.dropped), default=0.0)
    for node in pruning.new.nodes:
        for edge in node.inputs if len(node.inputs) > 1 and not node.is_stem else ():
            assert edge.gate >= strongest or (edge.source, node.name) in reasons


@settings(max_examples=50)
@given(written(), thresholds, st.booleans())
def test_the_text_means_the_pruned_network(case: Written, below: float, drop_nodes: bool) -> None:
    """In any layout, with comments anywhere."""
    pruning, text = pruned(case.text, below, drop_nodes=drop_nodes)
    assert anetdsl.parse(text) == pruning.new


@settings(max_examples=50)
@given(networks(), thresholds)
def test_pruning_with_drop_nodes_again_changes_nothing(network: Network, below: float) -> None:
    once = prune(network, below, drop_nodes=True).new
    assert prune(once, below, drop_nodes=True).new == once


def test_a_removed_node_is_no_peer_any_more() -> None:
    """Without attention, the sink does not depend on peers, so their nodes may go."""
    text = TEXT_WITH_PEERS.format(network="")
    pruning, written = pruned(text, 0.5, drop_nodes=True)
    assert pruning.removed == ("b",)
    assert "peers=[a@0.25]\n" in written
    assert anetdsl.parse(written) == pruning.new
    text = TEXT_WITH_PEERS.format(network="  attention=peer")
    assert pruned(text, 0.5, drop_nodes=True)[1] == text


# The command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trained.anet"
    path.write_text(TEXT)
    return path


def test_the_command_prints_the_text_and_reports_the_changes(file: Path) -> None:
    done = anetc("prune", file, "--below", "0.5", "--frames", 8, "--size", 32)
    assert (done.code, done.out) == (0, PRUNED)
    assert "dropped s1->n2 (0.1)" in done.err
    assert "3 of 7 weighted edges dropped, 2 kept below 0.5" in done.err
    assert "edges between nodes: 8 -> 5" in done.err
    assert "parameters: " in done.err
    assert "next: anetc train PRUNED.anet --data DATA --out RUN" in done.err
    assert file.read_text() == TEXT
    same = anetc("prune", file, "--edges", 5, "--frames", 8, "--size", 32)
    assert (same.code, same.out) == (0, PRUNED)


def test_the_command_writes_a_file(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "pruned.anet"
    done = anetc("prune", file, "--below", "0.5", "--drop-nodes", "-o", out)
    assert (done.code, done.out) == (0, "")
    assert out.read_text() == WITHOUT_NODES
    assert "nodes: 6 -> 4" in done.err
    assert f"next: anetc train {out} --data DATA --out RUN" in done.err
    same = anetc("prune", "-", "--below", "0.5", "--drop-nodes", stdin=TEXT)
    assert same.out == WITHOUT_NODES


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        (TEXT, ("--below", "0"), 2, "0.0 is not in the range 0<x<1"),
        (TEXT, ("--below", "nan"), 2, "'nan'"),
        (
            TEXT,
            ("--below", "0.5", "--weights", "w"),
            2,
            "--weights and --weights-out must be given together",
        ),
        (TEXT, (), 2, "give one of --below B and --edges N"),
        (TEXT, ("--below", "0.5", "--edges", "3"), 2, "give one of --below B and --edges N"),
        (TEXT, ("--below", "0.5", "--data", "motion"), 2, "give --weights and --weights-out"),
        (TEXT, ("--below", "0.5", "--weights", "no", "--weights-out", "o"), 2, "no: no such file"),
        (
            PRUNED.replace("@0.8", "").replace("@0.3", ""),
            ("--below", "0.5"),
            2,
            "no edge has a weight; train",
        ),
        (TEXT.replace("sink", "snik"), ("--below", "0.5"), 1, "did you mean `sink`"),
    ],
)
def test_the_command_reports_mistakes(
    file: Path, text: str, options: tuple[str, ...], code: int, message: str
) -> None:
    file.write_text(text)
    done = anetc("prune", file, *options)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
