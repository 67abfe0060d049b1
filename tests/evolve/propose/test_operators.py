"""Split, merge and change of r: what they change and keep, and the names of nodes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

import attrs
import pytest

from anetdsl.api import format_text, parse
from anetdsl.evolve.propose.child_text import child_edits
from anetdsl.evolve.propose.draft import DraftNetwork, Operator
from anetdsl.evolve.propose.naming import merged_name, split_names
from anetdsl.evolve.propose.operators import (
    can_merge,
    can_split,
    change_resolution,
    merge,
    merge_nodes,
    split,
    split_node,
)
from anetdsl.evolve.propose.rewiring import guided_rewiring, random_rewiring
from anetdsl.ir import Edge, Network, Node, Sink
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply
from tests.evolve.propose.chances import ENOUGH, excess_of_counts
from tests.networks import table_4
from tests.strategies import EXAMPLES

OPERATORS: dict[str, Operator] = {
    "guided": guided_rewiring,
    "random": random_rewiring,
    "split": split,
    "merge": merge,
    "resolution": change_resolution,
}
SEARCHED = [path for path in EXAMPLES if not path.stem.startswith("asn")]


def sums(network: Network) -> dict[int, int]:
    found: Counter[int] = Counter()
    for node in network.nodes:
        found[node.level] += sum(node.filters)
    return dict(found)


def child_of(text: str, draft: DraftNetwork, network: Network) -> str:
    tree = parse_syntax(SourceFile("", text))
    tree, edits = child_edits(tree, network, draft, network.name, None)
    return apply(tree.source.text, edits)


# Split


@pytest.mark.parametrize(
    "path", [p for p in SEARCHED if "plus" not in p.stem], ids=lambda path: path.stem
)
def test_split_halves_c_and_doubles_the_connections(path: Path) -> None:
    network = parse(path.read_text(encoding="utf-8"))
    for node in network.nodes:
        if not can_split(network, node):
            continue
        change = split_node(DraftNetwork.of(network), node)
        child = change.draft.network
        match = re.fullmatch(rf"split {node.name} -> (\w+) (\w+)", change.operation.sentence)
        assert match is not None
        halves = [child.node(name) for name in match.groups()]
        assert not {half.name for half in halves} & {other.name for other in network.nodes}
        for half in halves:
            assert half == attrs.evolve(node, name=half.name, channels=node.channels // 2)
        for reader in (*network.nodes, network.sink):
            after = (
                child.node(reader.name) if isinstance(reader, Node) and reader is not node else None
            )
            after_edges = (after or child.sink).inputs
            if reader is node or not isinstance(reader, Node | Sink):
                continue
            before = [e.source for e in reader.inputs]
            expected = [
                name
                for source in before
                for name in (match.groups() if source == node.name else [source])
            ]
            assert [e.source for e in after_edges] == expected
        assert sums(child) == sums(network)
        assert len(child.nodes) == len(network.nodes) + 1


def test_every_block_of_even_c_is_split() -> None:
    network = with_channels({"n6": 63, "n7": 1})
    choices = {node.name for node in network.nodes if can_split(network, node)}
    assert choices == {f"n{i}" for i in range(4, 15)} - {"n6", "n7"}
    seen = {split_of(network, seed) for seed in range(300)}
    assert seen == choices


def test_blocks_of_odd_c_are_not_split() -> None:
    odd = with_channels({node.name: 1 for node in table_4().nodes})
    assert split(DraftNetwork.of(odd), Random(0)) is None


def split_of(network: Network, seed: int) -> str:
    change = split(DraftNetwork.of(network), Random(seed))
    assert change is not None
    return change.operation.sentence.split()[1]


def with_channels(channels: dict[str, int]) -> Network:
    network = table_4()
    nodes = (
        attrs.evolve(node, channels=channels.get(node.name, node.channels))
        for node in network.nodes
    )
    return attrs.evolve(network, nodes=tuple(nodes))


def test_a_block_that_the_sink_averages_with_another_is_not_split() -> None:
    """Its halves would be narrower than the sink's other inputs."""
    draft = split_node(DraftNetwork.of(table_4()), table_4().node("n14")).draft
    network = draft.network
    assert [edge.source for edge in network.sink.inputs] == ["n14a", "n14b"]
    assert not can_split(network, network.node("n14a"))
    assert can_merge(network, network.node("n14a"), network.node("n14b"))
    concat = attrs.evolve(network, sink=attrs.evolve(network.sink, combine="concat"))
    assert can_split(concat, concat.node("n14a"))


# Merge


def test_merge_adds_c_unites_edges_and_takes_r_from_one() -> None:
    network = table_4()
    resolutions: Counter[int] = Counter()
    for seed in range(2000):
        change = merge(DraftNetwork.of(network), Random(seed))
        assert change is not None
        match = re.fullmatch(r"merge (\w+) (\w+) -> (\w+)", change.operation.sentence)
        assert match is not None
        first, second = (network.node(name) for name in match.groups()[:2])
        merged = change.draft.network.node(match[3])
        assert first.level == second.level
        assert merged.channels == first.channels + second.channels
        read = {edge.source for edge in (*first.inputs, *second.inputs)}
        assert [edge.source for edge in merged.inputs] == [
            n.name for n in network.nodes if n.name in read
        ]
        for node in change.draft.network.nodes:
            names = [edge.source for edge in node.inputs]
            assert len(set(names)) == len(names)
            before = next((n for n in network.nodes if n.name == node.name), None)
            if before is not None and not node.is_stem:
                old = {edge.source for edge in before.inputs}
                assert (match[3] in names) == bool(old & {first.name, second.name})
        if (first.name, second.name) == ("n6", "n7"):
            resolutions[merged.dilation] += 1
    assert resolutions.keys() == {1, 8}


def test_pairs_of_one_level_are_merged_equally_often() -> None:
    counts: Counter[str] = Counter()
    for seed in range(3000):
        change = merge(DraftNetwork.of(table_4()), Random(seed))
        assert change is not None
        counts[change.operation.sentence.partition(" ->")[0]] += 1
    assert len(counts) == 1 + 6 + 6
    assert excess_of_counts(counts, dict.fromkeys(counts, 1 / 13)) < ENOUGH


def test_blocks_of_different_strides_are_not_merged() -> None:
    network = table_4()
    nodes = [
        attrs.evolve(node, stride=4) if node.name in ("n4", "n6", "n10", "n11", "n12") else node
        for node in network.nodes
    ]
    network = attrs.evolve(network, nodes=tuple(nodes))
    assert not can_merge(network, network.node("n6"), network.node("n7"))
    assert can_merge(network, network.node("n7"), network.node("n8"))
    assert not can_merge(network, network.node("n4"), network.node("n5"))


def test_blocks_whose_summed_c_is_too_large_are_not_merged() -> None:
    network = with_channels({"n4": 4096, "n5": 4097, "n6": 4096, "n7": 4096})
    assert not can_merge(network, network.node("n4"), network.node("n5"))
    assert can_merge(network, network.node("n6"), network.node("n7"))


def test_single_blocks_are_not_merged() -> None:
    network = parse((EXAMPLES[0].parent / "single_stream_rgb.anet").read_text(encoding="utf-8"))
    assert merge(DraftNetwork.of(network), Random(0)) is None


def test_a_united_edge_has_the_mean_weight() -> None:
    network = table_4()
    weights = {"n6": 0.2, "n9": 0.6}
    nodes = [
        attrs.evolve(node, inputs=tuple(Edge(e.source, weights.get(e.source)) for e in node.inputs))
        if node.name in ("n12", "n13")
        else node
        for node in network.nodes
    ]
    draft = DraftNetwork.of(attrs.evolve(network, nodes=tuple(nodes)))
    change = merge_nodes(draft, network.node("n6"), network.node("n9"), 1)
    name = change.operation.sentence.split()[-1]
    merged = next(e for e in change.draft.network.node("n12").inputs if e.source == name)
    assert merged.weight == pytest.approx(0.4)
    assert (
        next(e for e in change.draft.network.node("n10").inputs if e.source == name).weight is None
    )


@pytest.mark.parametrize("path", SEARCHED, ids=lambda path: path.stem)
def test_merge_undoes_split(path: Path) -> None:
    """The network, the names and the text, with its comments, are as before."""
    text = path.read_text(encoding="utf-8")
    network = parse(text)
    for node in network.nodes:
        if not can_split(network, node):
            continue
        divided = split_node(DraftNetwork.of(network), node).draft
        split_text = child_of(text, divided, network)
        again = parse(split_text)
        assert again == divided.network
        halves = [
            again.node(name)
            for name in sorted({n.name for n in again.nodes} - {n.name for n in network.nodes})
        ]
        merged = merge_nodes(DraftNetwork.of(again), halves[0], halves[1], node.dilation)
        assert (
            merged.operation.sentence == f"merge {halves[0].name} {halves[1].name} -> {node.name}"
        )
        assert merged.draft.network == network
        assert format_text(child_of(split_text, merged.draft, again)) == format_text(text)


# Resolution


def test_a_node_gets_another_resolution_at_random() -> None:
    counts: Counter[tuple[str, int]] = Counter()
    network = table_4()
    for seed in range(6000):
        change = change_resolution(DraftNetwork.of(network), Random(seed))
        assert change is not None
        match = re.fullmatch(r"r (\w+): (\d+) -> (\d+)", change.operation.sentence)
        assert match is not None
        old, new = network.node(match[1]), change.draft.network.node(match[1])
        assert (old.dilation, new.dilation) == (int(match[2]), int(match[3]))
        assert new == attrs.evolve(old, dilation=new.dilation) != old
        counts[match[1], new.dilation] += 1
    nodes = [node for node in network.nodes if node.name not in ("s2", "s3")]
    assert len(nodes) == 13
    chances = {
        (node.name, r): 1 / 13 / 3 for node in nodes for r in (1, 2, 4, 8) if r != node.dilation
    }
    assert excess_of_counts(counts, chances) < ENOUGH


def test_a_single_resolution_cannot_change() -> None:
    network = parse((EXAMPLES[0].parent / "single_stream_rgb.anet").read_text(encoding="utf-8"))
    ones = tuple(attrs.evolve(node, dilation=2) for node in network.nodes)
    draft = DraftNetwork.of(attrs.evolve(network, nodes=ones))
    assert change_resolution(draft, Random(0), resolutions=(2,)) is None


# Names


def test_names_stay_short_however_often_a_block_is_split() -> None:
    """Thirty splits give 31 names of four letters at most."""
    names = {"n4"}
    for _ in range(30):
        name = max(names)
        names.remove(name)
        names.update(split_names(name, {*names, name}))
    assert max(map(len, names)) <= 4
    assert len(names) == 31


def test_a_merged_name_is_new() -> None:
    assert merged_name("n4a", "n4b", {"n4", "n5"}) == "n4c"
    assert merged_name("n4a", "n4b", set(), {"n4c"}) == "n4"
    assert merged_name("n4", "n5", set(), {"n4", "n5", "n4a"}) == "n4b"
    assert merged_name("rgb_a", "rgb_b", {"flow"}) == "rgb"
