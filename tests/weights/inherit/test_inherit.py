"""Weight inheritance: what is the parent's own, a half or a joined node, and what starts afresh."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import anetdsl
from anetc.modules.names import split_name
from anetc.weights.inherit.ancestry import Piece, trace
from anetdsl.evolve.operations import ChangeResolution, Merge, Rewire, Split
from anetdsl.evolve.propose.mutation import MutationRequest, children
from anetdsl.source import SourceFile
from tests.modules.networks import SMALL
from tests.weights.inherit.heirs import (
    MERGED,
    PARENT,
    SPLIT,
    heir,
    logits,
    network,
    reads,
    state,
    trained,
)

# The same network


@pytest.mark.parametrize("text", [PARENT, SMALL, PARENT.replace("modules", "edges=fixed modules")])
def test_the_same_network_inherits_everything_exactly(text: str) -> None:
    """But for edges that are fixed, which are as the text has them."""
    parent = trained(network(text))
    model, report = heir(network(text), parent)
    own, theirs = state(model), state(parent)
    fixed = {name for name in own if name.endswith("fuse.w") and "edges=fixed" in text}
    assert all(torch.equal(own[name], theirs[name]) for name in own.keys() - fixed)
    assert set(report.inherited) == own.keys() - fixed
    assert len(report.fresh) == len(fixed)
    assert not report.gone
    assert report.all_numbers == sum(value.numel() for value in own.values())
    assert report.numbers == report.all_numbers - sum(own[name].numel() for name in fixed)


def test_another_resolution_changes_no_tensor() -> None:
    parent = trained(network())
    model, report = heir(network(PARENT, ("r=8", "r=1")), parent, ChangeResolution("n2", 8, 1))
    assert not report.fresh
    assert all(torch.equal(value, state(parent)[name]) for name, value in state(model).items())


def test_each_half_takes_its_half_of_the_filters() -> None:
    parent = trained(network())
    model, report = heir(SPLIT, parent, Split("n4", ("a", "b")))
    own, theirs = state(model), state(parent)
    x = torch.rand(2, 4, 3, 5, 5)
    for module, role in (("m0", "conv2"), ("m1", "conv2"), ("m2", "conv2")):
        whole = theirs[f"nodes.n4.{module}.{role}.weight"]
        halves = [own[f"nodes.{half}.{module}.{role}.weight"] for half in "ab"]
        assert torch.equal(torch.cat(halves, dim=1), whole)
        together = sum(torch.conv3d(part, w) for part, w in zip(x.split(2, dim=1), halves))
        torch.testing.assert_close(together, torch.conv3d(x, whole))
    for part in ("m0.conv1.weight", "m0.proj.weight", "m1.conv3.weight", "m1.tconv_bn.running_var"):
        assert torch.equal(
            torch.cat([own[f"nodes.{half}.{part}"] for half in "ab"]), theirs[f"nodes.n4.{part}"]
        )
    for half, places in (("a", slice(2)), ("b", slice(2, 4))):
        tconv = own[f"nodes.{half}.m1.tconv.weight"]
        four = slice(4 * places.start if places.start else 0, 4 * places.stop)
        assert torch.equal(tconv, theirs["nodes.n4.m1.tconv.weight"][places, four])
        for part in ("m0.conv2_bn.weight", "fuse.w", "fuse.adapt8to16.weight"):
            assert torch.equal(own[f"nodes.{half}.{part}"], theirs[f"nodes.n4.{part}"])
    assert {item.node for item in report.fresh} == {"n5"}


def test_halves_compute_what_the_whole_did_where_they_can() -> None:
    """Residual branches mix all filters; without them each half gives its half of the output."""
    parent = trained(network(), silent=True)
    model, _ = heir(SPLIT, parent, Split("n4", ("a", "b")))
    whole, halves = logits(parent, "n4")["n4"], logits(model, "a", "b")
    torch.testing.assert_close(torch.cat([halves["a"], halves["b"]], dim=1), whole)


def test_joined_nodes_compute_what_each_did_where_they_can() -> None:
    parent = trained(network(), silent=True)
    with torch.no_grad():  # as nodes have that were split
        parts = dict(parent.named_parameters())
        parts["nodes.n3.fuse.w"].copy_(parts["nodes.n2.fuse.w"].flip(0))
        parts["nodes.n3.fuse.adapt4to8.weight"].copy_(parts["nodes.n2.fuse.adapt4to8.weight"])
    model, report = heir(MERGED, parent, Merge(("n3", "n2"), "m"))
    both = logits(parent, "n2", "n3")
    joined = torch.cat([both["n2"], both["n3"]], dim=1)
    torch.testing.assert_close(logits(model, "m")["m"], joined)
    assert "m: from n2 and n3" in report.lines()


def test_between_joined_nodes_there_is_nothing() -> None:
    parent = trained(network())
    model, _ = heir(MERGED, parent, Merge(("n2", "n3"), "m"))
    tconv = state(model)["nodes.m.m1.tconv.weight"]
    for index, node in enumerate(("n2", "n3")):
        rows, columns = slice(4 * index, 4 * index + 4), slice(16 * index, 16 * index + 16)
        assert torch.equal(tconv[rows, columns], state(parent)[f"nodes.{node}.m1.tconv.weight"])
    assert not tconv[:4, 16:].any()
    assert not tconv[4:, :16].any()
    averaged = [state(parent)[f"nodes.{node}.m1.conv2_bn.weight"] for node in ("n2", "n3")]
    assert torch.equal(state(model)["nodes.m.m1.conv2_bn.weight"], sum(averaged) / 2)


@pytest.mark.parametrize("halves", [("a", "b"), ("b", "a")])
def test_split_then_merged_is_the_parent(halves: tuple[str, str]) -> None:
    """In whatever order; within one child nothing is lost in between."""
    parent = trained(network())
    child = network(PARENT.replace("n4", "n9"))
    model, report = heir(child, parent, Split("n4", ("a", "b")), Merge(halves, "n9"))
    assert not report.fresh
    for name, value in state(model).items():
        assert torch.equal(value, state(parent)[name.replace("n9", "n4")]), name


def test_split_in_one_child_and_merged_in_the_next() -> None:
    """Tensors of one filter axis come back whole; what the halves did not have, is 0."""
    parent = trained(network())
    middle, _ = heir(SPLIT, parent, Split("n4", ("a", "b")))
    model, report = heir(network(), middle, Merge(("a", "b"), "n4"))
    for name, value in state(model).items():
        if not name.startswith("nodes.n4."):
            continue
        whole = state(parent)[name]
        if name.endswith(("m1.tconv.weight", "m2.conv1.weight")):
            assert torch.equal(value[:2, :8], whole[:2, :8])
            assert torch.equal(value[2:, 8:], whole[2:, 8:])
            assert not value[:2, 8:].any()
        else:
            assert torch.equal(value, whole), name
    assert not [item for item in report.fresh if item.node == "n4"]


def test_halves_of_halves() -> None:
    ancestry = trace(
        network(),
        [
            Split("n4", ("a", "b")),
            ChangeResolution("a", 2, 1),
            Split("b", ("c", "d")),
            Merge(("d", "a"), "e"),
        ],
    )
    assert ancestry.pieces["c"] == (Piece("n4", 2, 3),)
    assert ancestry.pieces["e"] == (Piece("n4", 0, 2), Piece("n4", 3, 4))
    assert ancestry.said("e") == "from n4, filters 0-1 of 4 and n4, filters 3-3 of 4"
    assert not {"n4", "a", "b", "d"} & ancestry.pieces.keys()


def test_operations_on_missing_nodes_are_reported() -> None:
    ops = (Split("n99", ("x", "y")), Rewire(3, (("s0", "n4"),), ()), Merge(("n2", "n77"), "z"))
    _, report = heir(network(), trained(network()), *ops)
    assert report.ancestry.misfits == (ops[0], ops[2])
    assert not report.fresh
    assert "not applicable: split n99 -> x y" in report.lines()


# Children as the search makes them


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_children_of_the_search(seed: int) -> None:
    """Each tensor is inherited or reported, untouched nodes are equal, nothing is left unsaid."""
    parent = trained(network())
    (found,) = children(SourceFile("parent", PARENT), parent.network, MutationRequest(), seed, 1)
    child = anetdsl.parse(found.text)
    model, report = heir(child, parent, *found.operations)
    own, theirs = state(model), state(parent)
    assert not report.ancestry.misfits
    fresh = {(item.node, item.part): item.reason for item in report.fresh}
    for name, value in own.items():
        node, part = split_name(name)
        if part == "fuse.w":
            edges = any(item.node == node and "edge" in item.part for item in report.fresh)
            assert name in report.inherited or edges
            continue
        partly = fresh.get((node, part), "").startswith("in part")
        assert (name in report.inherited) == ((node, part) not in fresh or partly)
        reader = part.startswith(("fuse.", "m0.conv1.w", "m0.proj.w"))
        if not reader and name in report.inherited and report.ancestry.is_same(node):
            assert torch.equal(value, theirs[name])
        # Blocks are never lost, only what reads inputs that no parent had.
        assert reader or node == "sink" or (node, part) not in fresh
    inexact = {(node, source) for node, source, _ in report.fitted}
    for node in child.nodes:
        if not report.ancestry.is_same(node.name) or node.is_stem:
            continue
        before = {edge.source for edge in parent.network.node(node.name).inputs}
        for source in {edge.source for edge in node.inputs} & before:
            same = report.ancestry.is_same(source) and (node.name, source) not in inexact
            if same:
                torch.testing.assert_close(
                    reads(model, node.name, source),
                    reads(parent, node.name, source),
                    rtol=1e-3,
                    atol=1e-3,
                )
