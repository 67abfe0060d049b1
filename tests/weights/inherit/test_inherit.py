"""Weight inheritance of nodes: unchanged nodes, halves, merged nodes, and new nodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import anetdsl
from anetc.modules.names import split_name
from anetc.weights.inherit.ancestry import FilterRange, trace_filters
from anetdsl.evolve.operations import ChangeResolution, Merge, Rewire, Split
from anetdsl.evolve.propose.mutation import MutationRequest, children
from anetdsl.source import SourceFile
from tests.modules.networks import SMALL
from tests.weights.inherit.families import (
    MERGED,
    PARENT,
    SPLIT,
    child_model,
    input_matrix,
    logits,
    network,
    random_model,
    state,
)

# The same network


@pytest.mark.parametrize("text", [PARENT, SMALL, PARENT.replace("modules", "edges=fixed modules")])
def test_the_same_network_inherits_everything_exactly(text: str) -> None:
    """Fixed edges are the exception: the text defines their weights."""
    parent = random_model(network(text))
    model, report = child_model(network(text), parent)
    own, theirs = state(model), state(parent)
    fixed = {name for name in own if name.endswith("fuse.w") and "edges=fixed" in text}
    assert all(torch.equal(own[name], theirs[name]) for name in own.keys() - fixed)
    assert set(report.inherited) == own.keys() - fixed
    assert len(report.not_inherited) == len(fixed)
    assert not report.unused
    assert report.total_values == sum(value.numel() for value in own.values())
    not_inherited = sum(own[name].numel() for name in fixed)
    assert report.inherited_values == report.total_values - not_inherited


def test_another_resolution_changes_no_tensor() -> None:
    parent = random_model(network())
    model, report = child_model(
        network(PARENT, ("r=8", "r=1")), parent, ChangeResolution("n2", 8, 1)
    )
    assert not report.not_inherited
    assert all(torch.equal(value, state(parent)[name]) for name, value in state(model).items())


def test_each_half_inherits_its_half_of_the_filters() -> None:
    parent = random_model(network())
    model, report = child_model(SPLIT, parent, Split("n4", ("a", "b")))
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
    assert {item.node for item in report.not_inherited} == {"n5"}


def test_halves_without_residual_branches_equal_the_parent() -> None:
    """Residual branches mix all filters. Without them, each half gives its half of the output."""
    parent = random_model(network(), silent=True)
    model, _ = child_model(SPLIT, parent, Split("n4", ("a", "b")))
    whole, halves = logits(parent, "n4")["n4"], logits(model, "a", "b")
    torch.testing.assert_close(torch.cat([halves["a"], halves["b"]], dim=1), whole)


def test_merged_nodes_without_residual_branches_equal_the_parents() -> None:
    parent = random_model(network(), silent=True)
    with torch.no_grad():  # equal connections, as the halves of a split node have
        parts = dict(parent.named_parameters())
        parts["nodes.n3.fuse.w"].copy_(parts["nodes.n2.fuse.w"].flip(0))
        parts["nodes.n3.fuse.adapt4to8.weight"].copy_(parts["nodes.n2.fuse.adapt4to8.weight"])
    model, report = child_model(MERGED, parent, Merge(("n3", "n2"), "m"))
    both = logits(parent, "n2", "n3")
    joined = torch.cat([both["n2"], both["n3"]], dim=1)
    torch.testing.assert_close(logits(model, "m")["m"], joined)
    assert "m: from n2 and n3" in report.lines()


def test_weights_between_merged_nodes_are_zero() -> None:
    parent = random_model(network())
    model, _ = child_model(MERGED, parent, Merge(("n2", "n3"), "m"))
    tconv = state(model)["nodes.m.m1.tconv.weight"]
    for index, node in enumerate(("n2", "n3")):
        rows, columns = slice(4 * index, 4 * index + 4), slice(16 * index, 16 * index + 16)
        assert torch.equal(tconv[rows, columns], state(parent)[f"nodes.{node}.m1.tconv.weight"])
    assert not tconv[:4, 16:].any()
    assert not tconv[4:, :16].any()
    averaged = [state(parent)[f"nodes.{node}.m1.conv2_bn.weight"] for node in ("n2", "n3")]
    assert torch.equal(state(model)["nodes.m.m1.conv2_bn.weight"], sum(averaged) / 2)


@pytest.mark.parametrize("halves", [("a", "b"), ("b", "a")])
def test_a_split_and_a_merge_restore_the_parent(halves: tuple[str, str]) -> None:
    """This holds for both orders of the halves, if both operations make one child."""
    parent = random_model(network())
    child = network(PARENT.replace("n4", "n9"))
    model, report = child_model(child, parent, Split("n4", ("a", "b")), Merge(halves, "n9"))
    assert not report.not_inherited
    for name, value in state(model).items():
        assert torch.equal(value, state(parent)[name.replace("n9", "n4")]), name


def test_a_merge_in_a_later_child_restores_tensors_with_one_filter_axis() -> None:
    """In tensors with two filter axes, the weights between the halves are 0."""
    parent = random_model(network())
    middle, _ = child_model(SPLIT, parent, Split("n4", ("a", "b")))
    model, report = child_model(network(), middle, Merge(("a", "b"), "n4"))
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
    assert not [item for item in report.not_inherited if item.node == "n4"]


def test_halves_can_be_split_and_merged() -> None:
    ancestry = trace_filters(
        network(),
        [
            Split("n4", ("a", "b")),
            ChangeResolution("a", 2, 1),
            Split("b", ("c", "d")),
            Merge(("d", "a"), "e"),
        ],
    )
    assert ancestry.ranges["c"] == (FilterRange("n4", 2, 3),)
    assert ancestry.ranges["e"] == (FilterRange("n4", 0, 2), FilterRange("n4", 3, 4))
    assert ancestry.description("e") == "from n4, filters 0-1 of 4 and n4, filters 3-3 of 4"
    assert not {"n4", "a", "b", "d"} & ancestry.ranges.keys()


def test_operations_on_missing_nodes_are_reported() -> None:
    ops = (Split("n99", ("x", "y")), Rewire(3, (("s0", "n4"),), ()), Merge(("n2", "n77"), "z"))
    _, report = child_model(network(), random_model(network()), *ops)
    assert report.ancestry.skipped == (ops[0], ops[2])
    assert not report.not_inherited
    skipped = "skipped operation, because its nodes do not exist: "
    assert f"{skipped}split n99 -> x y" in report.lines()


# Children of the search


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(["none", "self", "peer"]))
def test_children_of_the_search(seed: int, attention: str) -> None:
    """Each tensor is inherited or reported, and unchanged nodes have equal weights."""
    text = PARENT.replace("network parent", f"network parent attention={attention}")
    parent = random_model(network(text))
    (found,) = children(SourceFile("parent", text), parent.network, MutationRequest(), seed, 1)
    child = anetdsl.parse(found.text)
    model, report = child_model(child, parent, *found.operations)
    own, theirs = state(model), state(parent)
    assert not report.ancestry.skipped
    reasons = {(item.node, item.part): item.reason for item in report.not_inherited}
    for name, value in own.items():
        node, part = split_name(name)
        if part == "fuse.w":
            edges = any(item.node == node and "edge" in item.part for item in report.not_inherited)
            assert name in report.inherited or edges
            continue
        partly = reasons.get((node, part), "").startswith("in part")
        assert (name in report.inherited) == ((node, part) not in reasons or partly)
        reader = part.startswith(("fuse.", "m0.conv1.w", "m0.proj.w"))
        if not reader and name in report.inherited and report.ancestry.is_unchanged(node):
            assert torch.equal(value, theirs[name])
        # Layers that read new inputs and the classifier may keep initial values; others may not.
        assert reader or node == "sink" or (node, part) not in reasons
    inexact = {(node, source) for node, source, _ in report.refitted}
    for node in child.nodes:
        if not report.ancestry.is_unchanged(node.name) or node.is_stem:
            continue
        before = {edge.source for edge in parent.network.node(node.name).inputs}
        for source in {edge.source for edge in node.inputs} & before:
            same = report.ancestry.is_unchanged(source) and (node.name, source) not in inexact
            if same:
                torch.testing.assert_close(
                    input_matrix(model, node.name, source),
                    input_matrix(parent, node.name, source),
                    rtol=1e-3,
                    atol=1e-3,
                )
