"""Weight inheritance across connections: edge weights, inputs of other widths, classifiers."""

from __future__ import annotations

import pytest
import torch

from anetc.modules.network import build_network
from anetc.weights.inherit.inheritance import inherit
from anetdsl.evolve.operations import Merge, Split
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

# Edges


def test_edge_weights_go_by_source() -> None:
    """In another order, one dropped and one added; the rest of the node stays."""
    parent = trained(network())
    child = network(PARENT, ("[s0, n2@0.75, n3]", "[n3, s1, s0]"))
    model, report = heir(child, parent)
    s0, _, n3 = state(parent)["nodes.n4.fuse.w"].tolist()
    started = build_network(child, seed=3).state_dict()["nodes.n4.fuse.w"][1]
    assert state(model)["nodes.n4.fuse.w"].tolist() == [n3, float(started), s0]
    assert [(i.node, i.part, i.reason) for i in report.fresh if "edge" in i.part] == [
        ("n4", "edge from s1", "a new edge")
    ]


def test_edges_of_halves_and_of_joined_nodes() -> None:
    """A half is read with the weight of the whole, a joined node with the mean of both."""
    parent = trained(network())
    w = state(parent)["nodes.n5.fuse.w"].tolist()
    model, _ = heir(SPLIT, parent, Split("n4", ("a", "b")))
    assert state(model)["nodes.n5.fuse.w"].tolist() == [w[0], w[1], w[1], w[2]]
    model, _ = heir(MERGED, parent, Merge(("n2", "n3"), "m"))
    w4 = state(parent)["nodes.n4.fuse.w"].tolist()
    assert state(model)["nodes.n4.fuse.w"].tolist() == pytest.approx([w4[0], (w4[1] + w4[2]) / 2])
    first, second = (state(parent)[f"nodes.{n}.fuse.w"] for n in ("n2", "n3"))
    expected = (first + second.flip(0)) / 2
    torch.testing.assert_close(state(model)["nodes.m.fuse.w"], expected)


def test_a_weight_that_a_text_changed_counts() -> None:
    """One that it repeats, or leaves out, is the parent's."""
    parent = trained(network())
    kept = state(parent)["nodes.n4.fuse.w"].tolist()
    model, report = heir(network(PARENT, ("n2@0.75", "n2@0.25"), ("s0, n2", "s0@0.5, n2")), parent)
    assert state(model)["nodes.n4.fuse.w"].tolist() == pytest.approx([0, -1.0986123, kept[2]])
    assert [item.reason for item in report.fresh] == ["the text gives another weight"] * 2
    model, report = heir(network(PARENT, ("n2@0.75", "n2")), parent)
    assert state(model)["nodes.n4.fuse.w"].tolist() == kept


def test_an_edge_that_had_no_weight_gives_none() -> None:
    parent = trained(network(PARENT, ("[s0, n2@0.75, n3]", "[n2]")))
    _, report = heir(network(), parent)
    assert {item.reason for item in report.fresh if item.part == "edge from n2"} == {
        "its parent read it alone, without a weight"
    }


# What does not fit


def test_narrower_inputs_are_read_as_before() -> None:
    """n4 reads at most 16 channels, then 8: s0's adapter goes into what reads it; s1 is new."""
    parent = trained(network())
    model, report = heir(network(PARENT, ("[s0, n2@0.75, n3]", "[s0, s1]")), parent)
    parts = {item.part for item in report.fresh if item.node == "n4"}
    assert parts == {"edge from s1", "fuse.adapt4to8.weight"}
    assert not report.fitted
    torch.testing.assert_close(reads(model, "n4", "s0"), reads(parent, "n4", "s0"))
    assert torch.equal(
        state(model)["nodes.n4.m1.tconv.weight"], state(parent)["nodes.n4.m1.tconv.weight"]
    )


WIDER = (
    ("node n5", "node w level=2 C=8 r=2 stride=2 inputs=[s0]\nnode n5"),
    ("[n2, n4, s1]", "[n2, w, n4, s1]"),
)


def test_wider_inputs_leave_the_others_as_they_were() -> None:
    """n5 reads w, of 32 channels, twice as many as before: half of its channels start afresh."""
    parent = trained(network())
    model, report = heir(network(PARENT, *WIDER), parent)
    started = build_network(model.network, seed=3).state_dict()
    fresh = {item.part: item.reason for item in report.fresh if item.node == "n5"}
    assert fresh == {
        "edge from w": "a new edge",
        "m0.conv1.weight": "in part, for new input channels",
        "m0.proj.weight": "in part, for new input channels",
    }
    for source in ("n2", "n4", "s1"):
        torch.testing.assert_close(reads(model, "n5", source), reads(parent, "n5", source))
    name = "nodes.n5.m0.conv1.weight"
    assert torch.equal(state(model)[name][:, 16:], started[name][:, 16:])
    assert not report.fitted


def test_nodes_of_another_width_than_the_sentences_say_start_afresh() -> None:
    """A person has changed C: nothing is told of that, and nothing fits."""
    _, report = heir(network(PARENT, ("n4 level=2 C=4", "n4 level=2 C=8")), trained(network()))
    assert {"m0.conv2.weight", "m1.tconv.weight"} <= {
        item.part for item in report.fresh if item.node == "n4"
    }


def test_inputs_that_cannot_be_told_apart_are_fitted_and_told() -> None:
    """The halves of n4 share what reads them: the mean of what read either half of n4."""
    parent = trained(network(PARENT, ("[n2, n4, s1]", "[n4]")))
    child = network(str(SPLIT).replace("[n2, a, b, s1]", "[a, b]"))
    model, report = heir(child, parent, Split("n4", ("a", "b")))
    assert [(node, source) for node, source, _ in report.fitted] == [("n5", "a"), ("n5", "b")]
    whole = reads(parent, "n5", "n4")
    mean = (whole[:, :8] + whole[:, 8:]) / 2
    torch.testing.assert_close(reads(model, "n5", "a"), mean)
    torch.testing.assert_close(reads(model, "n5", "b"), mean)
    assert any(line.startswith("n5: reads a as its parent did but for") for line in report.lines())


def test_new_nodes_and_nodes_that_went() -> None:
    child = network(PARENT, ("node n3", "node new"), ("n2@0.75, n3", "n2@0.75, new"))
    _, report = heir(child, trained(network()))
    assert {item.reason for item in report.fresh if item.node == "new"} == {
        "the parent has no such node"
    }
    assert report.gone == ("n3",)
    assert "new: afresh: the parent has no such node" in report.lines()
    assert report.lines()[-1] == "not needed: n3"


def test_other_classes_leave_the_classifier_fresh() -> None:
    _, report = heir(network(PARENT, ("classes=5", "classes=7")), trained(network()))
    assert {(item.node, item.reason) for item in report.fresh} == {("sink", "5 classes for 7")}


def test_tensors_of_another_network_are_left_out() -> None:
    """Whatever they are; numbers that are not finite, too."""
    parent = trained(network())
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
    assert {(item.node, item.part) for item in report.fresh} == {
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


def test_a_sink_that_reads_joined_nodes_gives_the_same_logits() -> None:
    """Two nodes were averaged, now they stand behind one another."""
    parent = trained(network(PARENT, *TWO), silent=True)
    parts = parent.state_dict()
    for name, value in parts.items():
        if name.startswith("nodes.n6.fuse."):
            value.copy_(parts[name.replace("n6", "n5")])
    model, report = heir(network(PARENT, *JOINED), parent, Merge(("n5", "n6"), "m"))
    assert not report.fresh
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_joins_halves_gives_the_same_logits() -> None:
    parent = trained(network(), silent=True)
    model, report = heir(network(PARENT, *HALVES), parent, Split("n5", ("a", "b")))
    assert not report.fresh
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_averages_halves_starts_afresh() -> None:
    child = network(PARENT, *HALVES, (" combine=concat", ""))
    _, report = heir(child, trained(network()), Split("n5", ("a", "b")))
    assert [(item.node, item.part) for item in report.fresh] == [("sink", "fc.weight")]


@pytest.mark.parametrize("gone", ["n5", "n6"])
def test_a_sink_keeps_what_a_node_contributed(gone: str) -> None:
    """Of a mean of two one is left: it counted half."""
    parent = trained(network(PARENT, *TWO))
    stays = "n6" if gone == "n5" else "n5"
    lines = [
        line for line in str(network(PARENT, *TWO)).splitlines() if f"node {gone} " not in line
    ]
    text = "\n".join(lines).replace("[n6, n5]", f"[{stays}]")
    model, _ = heir(network(text), parent)
    assert torch.equal(state(model)["sink.fc.weight"], state(parent)["sink.fc.weight"] / 2)
