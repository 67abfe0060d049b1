"""Weight inheritance of edge weights, inputs of other widths, and classifiers."""

from __future__ import annotations

import pytest
import torch

from anetc.modules.network import build_network
from anetc.weights.inherit.inheritance import inherit
from anetdsl.evolve.operations import Merge, Split
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

# Edges


def test_edge_weights_are_inherited_by_source() -> None:
    """The child has another order, one edge less and a new edge."""
    parent = random_model(network())
    child = network(PARENT, ("[s0, n2@0.75, n3]", "[n3, s1, s0]"))
    model, report = child_model(child, parent)
    s0, _, n3 = state(parent)["nodes.n4.fuse.w"].tolist()
    initial = build_network(child, seed=3).state_dict()["nodes.n4.fuse.w"][1]
    assert state(model)["nodes.n4.fuse.w"].tolist() == [n3, float(initial), s0]
    assert [(i.node, i.part, i.reason) for i in report.not_inherited if "edge" in i.part] == [
        ("n4", "edge from s1", "new edge")
    ]


def test_edges_of_halves_and_merged_nodes() -> None:
    """Edges from halves have the weight of the whole node, edges from merged nodes the mean."""
    parent = random_model(network())
    w = state(parent)["nodes.n5.fuse.w"].tolist()
    model, _ = child_model(SPLIT, parent, Split("n4", ("a", "b")))
    assert state(model)["nodes.n5.fuse.w"].tolist() == [w[0], w[1], w[1], w[2]]
    model, _ = child_model(MERGED, parent, Merge(("n2", "n3"), "m"))
    w4 = state(parent)["nodes.n4.fuse.w"].tolist()
    assert state(model)["nodes.n4.fuse.w"].tolist() == pytest.approx([w4[0], (w4[1] + w4[2]) / 2])
    first, second = (state(parent)[f"nodes.{n}.fuse.w"] for n in ("n2", "n3"))
    expected = (first + second.flip(0)) / 2
    torch.testing.assert_close(state(model)["nodes.m.fuse.w"], expected)


def test_a_changed_weight_in_the_text_has_precedence() -> None:
    """If the text repeats or omits the parent's weight, the learned weight is inherited."""
    parent = random_model(network())
    kept = state(parent)["nodes.n4.fuse.w"].tolist()
    model, report = child_model(
        network(PARENT, ("n2@0.75", "n2@0.25"), ("s0, n2", "s0@0.5, n2")), parent
    )
    assert state(model)["nodes.n4.fuse.w"].tolist() == pytest.approx([0, -1.0986123, kept[2]])
    assert [item.reason for item in report.not_inherited] == ["the text has another weight"] * 2
    model, report = child_model(network(PARENT, ("n2@0.75", "n2")), parent)
    assert state(model)["nodes.n4.fuse.w"].tolist() == kept


def test_an_edge_from_a_sole_input_has_no_weight_to_inherit() -> None:
    parent = random_model(network(PARENT, ("[s0, n2@0.75, n3]", "[n2]")))
    _, report = child_model(network(), parent)
    assert {item.reason for item in report.not_inherited if item.part == "edge from n2"} == {
        "a sole input of the parent, without a weight"
    }


# Tensors that do not fit


def test_narrower_inputs_keep_their_matrices() -> None:
    """The widest input of n4 has 8 instead of 16 channels. s0's adapter becomes part of readers."""
    parent = random_model(network())
    model, report = child_model(network(PARENT, ("[s0, n2@0.75, n3]", "[s0, s1]")), parent)
    parts = {item.part for item in report.not_inherited if item.node == "n4"}
    assert parts == {"edge from s1", "fuse.adapt4to8.weight"}
    assert not report.refitted
    torch.testing.assert_close(input_matrix(model, "n4", "s0"), input_matrix(parent, "n4", "s0"))
    assert torch.equal(
        state(model)["nodes.n4.m1.tconv.weight"], state(parent)["nodes.n4.m1.tconv.weight"]
    )


WIDER = (
    ("node n5", "node w level=2 C=8 r=2 stride=2 inputs=[s0]\nnode n5"),
    ("[n2, n4, s1]", "[n2, w, n4, s1]"),
)


def test_wider_inputs_keep_the_matrices_of_the_others() -> None:
    """n5 reads w, with 32 instead of 16 channels: half of the channels keep initial values."""
    parent = random_model(network())
    model, report = child_model(network(PARENT, *WIDER), parent)
    initial = build_network(model.network, seed=3).state_dict()
    reasons = {item.part: item.reason for item in report.not_inherited if item.node == "n5"}
    assert reasons == {
        "edge from w": "new edge",
        "m0.conv1.weight": "in part: new input channels",
        "m0.proj.weight": "in part: new input channels",
    }
    for source in ("n2", "n4", "s1"):
        torch.testing.assert_close(
            input_matrix(model, "n5", source), input_matrix(parent, "n5", source)
        )
    name = "nodes.n5.m0.conv1.weight"
    assert torch.equal(state(model)[name][:, 16:], initial[name][:, 16:])
    assert not report.refitted


def test_nodes_with_another_c_inherit_nothing() -> None:
    """Somebody has changed C in the text; no operation describes this."""
    _, report = child_model(
        network(PARENT, ("n4 level=2 C=4", "n4 level=2 C=8")), random_model(network())
    )
    assert {"m0.conv2.weight", "m1.tconv.weight"} <= {
        item.part for item in report.not_inherited if item.node == "n4"
    }


def test_inputs_that_share_readers_are_approximated_and_reported() -> None:
    """The halves of n4 have the same readers: the mean of the readers of both halves."""
    parent = random_model(network(PARENT, ("[n2, n4, s1]", "[n4]")))
    child = network(str(SPLIT).replace("[n2, a, b, s1]", "[a, b]"))
    model, report = child_model(child, parent, Split("n4", ("a", "b")))
    assert [(node, source) for node, source, _ in report.refitted] == [("n5", "a"), ("n5", "b")]
    whole = input_matrix(parent, "n5", "n4")
    mean = (whole[:, :8] + whole[:, 8:]) / 2
    torch.testing.assert_close(input_matrix(model, "n5", "a"), mean)
    torch.testing.assert_close(input_matrix(model, "n5", "b"), mean)
    start = "n5: reads a as in the parent, with a relative error of "
    assert any(line.startswith(start) for line in report.lines())


def test_new_and_removed_nodes_are_reported() -> None:
    child = network(PARENT, ("node n3", "node new"), ("n2@0.75, n3", "n2@0.75, new"))
    _, report = child_model(child, random_model(network()))
    assert {item.reason for item in report.not_inherited if item.node == "new"} == {
        "the parent has no such node"
    }
    assert report.unused == ("n3",)
    assert "new: not inherited: the parent has no such node" in report.lines()
    assert report.lines()[-1] == "unused nodes of the parent: n3"


def test_the_classifier_of_other_classes_is_not_inherited() -> None:
    _, report = child_model(network(PARENT, ("classes=5", "classes=7")), random_model(network()))
    reason = "5 classes in the parent, 7 here"
    assert {(item.node, item.reason) for item in report.not_inherited} == {("sink", reason)}


def test_tensors_of_another_network_are_not_inherited() -> None:
    """Wrong shapes, types and names, and values that are not finite, are reported."""
    parent = random_model(network())
    tensors = dict(parent.state_dict())
    tensors["nodes.n4.m1.tconv.weight"] = torch.zeros(3)
    tensors["nodes.n4.m1.conv2.weight"] = torch.zeros(6, 9, 1, 3, 3)
    tensors["nodes.n4.fuse.w"] = torch.zeros(9)
    tensors["nodes.s0.conv.weight"] = tensors["nodes.s0.conv.weight"] / 0
    tensors["nodes.s1.conv.weight"] = tensors["nodes.s1.conv.weight"].int()
    tensors["sink.fc.weight"] = torch.zeros(5, 3)
    del tensors["sink.fc.bias"]
    model = build_network(network(), seed=3)
    report = inherit(model, parent.network, tensors)
    assert {(item.node, item.part) for item in report.not_inherited} == {
        *(("n4", part) for part in ("m1.tconv.weight", "m1.conv2.weight")),
        *(("n4", f"edge from {source}") for source in ("s0", "n2", "n3")),
        *(("s0", "conv.weight"), ("s1", "conv.weight")),
        *(("sink", "fc.weight"), ("sink", "fc.bias")),
    }
    assert all(bool(value.isfinite().all()) for value in state(model).values())


# The classifier

TWO = (
    ("node n5 ", "node n6 level=4 C=4 r=1 stride=2 inputs=[n2, n4, s1]\nnode n5 "),
    ("sink inputs=[n5]", "sink inputs=[n6, n5]"),
)
JOINED = (
    ("node n5 level=4 C=4", "node m level=4 C=8"),
    ("sink inputs=[n5]", "sink inputs=[m]"),
)
HALVES = (
    (
        "node n5 level=4 C=4 r=1",
        "node a level=4 C=2 r=1 stride=2 inputs=[n2, n4, s1]\nnode b level=4 C=2 r=1",
    ),
    ("sink inputs=[n5]", "sink inputs=[a, b] combine=concat"),
)


def test_a_sink_that_reads_merged_nodes_gives_equal_logits() -> None:
    """The parent averages two nodes; the child reads their concatenation."""
    parent = random_model(network(PARENT, *TWO), silent=True)
    parts = parent.state_dict()
    for name, value in parts.items():
        if name.startswith("nodes.n6.fuse."):
            value.copy_(parts[name.replace("n6", "n5")])
    model, report = child_model(network(PARENT, *JOINED), parent, Merge(("n5", "n6"), "m"))
    assert not report.not_inherited
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_concatenates_halves_gives_equal_logits() -> None:
    parent = random_model(network(), silent=True)
    model, report = child_model(network(PARENT, *HALVES), parent, Split("n5", ("a", "b")))
    assert not report.not_inherited
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_averages_halves_does_not_inherit() -> None:
    child = network(PARENT, *HALVES, (" combine=concat", ""))
    _, report = child_model(child, random_model(network()), Split("n5", ("a", "b")))
    assert [(item.node, item.part) for item in report.not_inherited] == [("sink", "fc.weight")]


@pytest.mark.parametrize("removed", ["n5", "n6"])
def test_a_node_contributes_to_the_logits_as_before(removed: str) -> None:
    """The parent averages two nodes, so that each has the factor one half."""
    parent = random_model(network(PARENT, *TWO))
    stays = "n6" if removed == "n5" else "n5"
    lines = [
        line for line in str(network(PARENT, *TWO)).splitlines() if f"node {removed} " not in line
    ]
    text = "\n".join(lines).replace("[n6, n5]", f"[{stays}]")
    model, _ = child_model(network(text), parent)
    assert torch.equal(state(model)["sink.fc.weight"], state(parent)["sink.fc.weight"] / 2)
