"""Weight inheritance: what is the parent's own, a half or a joined node, and what starts afresh."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import anetdsl
from anetc.modules.names import split_name
from anetc.modules.network import NetworkModule, compile_network
from anetc.training.ancestry import Piece, trace
from anetc.training.inherit import Inheritance, inherit
from anetdsl.evolve.mutation import Wish, children
from anetdsl.ir import Network
from anetdsl.source import SourceFile
from tests.modules.networks import SMALL, clip

PARENT = """\
anet 1
network parent D=[4, 6, 8, 10] modules=[3, 3, 2, 2]
input rgb channels=3
input flow channels=2
node s0 level=0 C=8 r=2 stride=4 inputs=[rgb]
node s1 level=0 C=4 r=1 stride=4 inputs=[flow]
node n2 level=1 C=4 r=8 stride=1 inputs=[s0, s1]
node n3 level=1 C=4 r=2 stride=1 inputs=[s1, s0]
node n4 level=2 C=4 r=2 stride=2 inputs=[s0, n2@0.75, n3]
node n5 level=4 C=4 r=1 stride=2 inputs=[n2, n4, s1]
sink inputs=[n5] classes=5
"""
MODULE_ENDS = ("conv3_bn.weight", "conv3_bn.bias")


def network(text: str = PARENT, *changes: tuple[str, str]) -> Network:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return anetdsl.parse(text)


def trained(given: Network, *, silent: bool = False, seed: int = 7) -> NetworkModule:
    """Every number drawn anew. `silent`: the residual branches add nothing to the shortcuts."""
    model = compile_network(given)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(0.1 + torch.rand(value.shape, generator=generator))
                if silent and name.endswith(MODULE_ENDS):
                    value.zero_()
    return model


def heir(child: Network, parent: NetworkModule, *ops: str) -> tuple[NetworkModule, Inheritance]:
    model = compile_network(child, seed=3)
    return model, inherit(model, parent.network, parent.state_dict(), ops)


def state(model: NetworkModule) -> dict[str, Tensor]:
    return {k: v for k, v in model.state_dict().items() if "num_batches" not in k}


def logits(model: NetworkModule, *outputs: str) -> dict[str, Tensor]:
    with torch.no_grad():
        result, nodes = model.eval()(clip(model.network), outputs=outputs or ("s0",))
    return {"logits": result, **nodes}


def reads(model: NetworkModule, name: str, source: str) -> Tensor:
    """What a node's first convolution and its projection do with one of its inputs, (5C, channels).

    Measured: a one in each channel of that input, zeros in the others, the edge's weight taken out.
    """
    node, block = model.network.node(name), model.nodes[name]
    widths = [model.network.node(edge.source).out_channels for edge in node.inputs]
    place = [edge.source for edge in node.inputs].index(source)
    features = [torch.zeros(widths[place], width, 1, 1, 1) for width in widths]
    features[place] = torch.eye(widths[place])[..., None, None, None]
    gate = 1.0 if len(widths) == 1 else torch.sigmoid(block.fuse.w[place])
    with torch.no_grad():
        x = block.fuse(features)
        found = torch.cat([block.m0.conv1(x), block.m0.proj(x)], dim=1) / gate
    return found[:, :, 0, 0, 0].T


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
    model, report = heir(network(PARENT, ("r=8", "r=1")), parent, "r n2: 8 -> 1")
    assert not report.fresh
    assert all(torch.equal(value, state(parent)[name]) for name, value in state(model).items())


# Halves and joined nodes

SPLIT = network(
    PARENT,
    (
        "node n4 level=2 C=4 r=2 stride=2 inputs=[s0, n2@0.75, n3]",
        "node a level=2 C=2 r=2 stride=2 inputs=[s0, n2@0.75, n3]\n"
        "node b level=2 C=2 r=2 stride=2 inputs=[s0, n2@0.75, n3]",
    ),
    ("[n2, n4, s1]", "[n2, a, b, s1]"),
)
MERGED = network(
    PARENT,
    (
        "node n2 level=1 C=4 r=8 stride=1 inputs=[s0, s1]\n"
        "node n3 level=1 C=4 r=2 stride=1 inputs=[s1, s0]",
        "node m level=1 C=8 r=2 stride=1 inputs=[s0, s1]",
    ),
    ("[s0, n2@0.75, n3]", "[s0, m]"),
    ("[n2, n4, s1]", "[m, n4, s1]"),
)


def test_each_half_takes_its_half_of_the_filters() -> None:
    parent = trained(network())
    model, report = heir(SPLIT, parent, "split n4 -> a b")
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
    model, _ = heir(SPLIT, parent, "split n4 -> a b")
    whole, halves = logits(parent, "n4")["n4"], logits(model, "a", "b")
    torch.testing.assert_close(torch.cat([halves["a"], halves["b"]], dim=1), whole)


def test_joined_nodes_compute_what_each_did_where_they_can() -> None:
    parent = trained(network(), silent=True)
    with torch.no_grad():  # as nodes have that were split
        parts = dict(parent.named_parameters())
        parts["nodes.n3.fuse.w"].copy_(parts["nodes.n2.fuse.w"].flip(0))
        parts["nodes.n3.fuse.adapt4to8.weight"].copy_(parts["nodes.n2.fuse.adapt4to8.weight"])
    model, report = heir(MERGED, parent, "merge n3 n2 -> m")
    both = logits(parent, "n2", "n3")
    joined = torch.cat([both["n2"], both["n3"]], dim=1)
    torch.testing.assert_close(logits(model, "m")["m"], joined)
    assert "m: from n2 and n3" in report.lines()


def test_between_joined_nodes_there_is_nothing() -> None:
    parent = trained(network())
    model, _ = heir(MERGED, parent, "merge n2 n3 -> m")
    tconv = state(model)["nodes.m.m1.tconv.weight"]
    for index, node in enumerate(("n2", "n3")):
        rows, columns = slice(4 * index, 4 * index + 4), slice(16 * index, 16 * index + 16)
        assert torch.equal(tconv[rows, columns], state(parent)[f"nodes.{node}.m1.tconv.weight"])
    assert not tconv[:4, 16:].any()
    assert not tconv[4:, :16].any()
    averaged = [state(parent)[f"nodes.{node}.m1.conv2_bn.weight"] for node in ("n2", "n3")]
    assert torch.equal(state(model)["nodes.m.m1.conv2_bn.weight"], sum(averaged) / 2)


@pytest.mark.parametrize("halves", ["a b", "b a"])
def test_split_then_merged_is_the_parent(halves: str) -> None:
    """In whatever order; within one child nothing is lost in between."""
    parent = trained(network())
    child = network(PARENT.replace("n4", "n9"))
    model, report = heir(child, parent, "split n4 -> a b", f"merge {halves} -> n9")
    assert not report.fresh
    for name, value in state(model).items():
        assert torch.equal(value, state(parent)[name.replace("n9", "n4")]), name


def test_split_in_one_child_and_merged_in_the_next() -> None:
    """Tensors of one filter axis come back whole; what the halves did not have, is 0."""
    parent = trained(network())
    middle, _ = heir(SPLIT, parent, "split n4 -> a b")
    model, report = heir(network(), middle, "merge a b -> n4")
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
        network(), ["split n4 -> a b", "r a: 2 -> 1", "split b -> c d", "merge d a -> e"]
    )
    assert ancestry.pieces["c"] == (Piece("n4", 2, 3),)
    assert ancestry.pieces["e"] == (Piece("n4", 0, 2), Piece("n4", 3, 4))
    assert ancestry.said("e") == "from n4, filters 0-1 of 4 and n4, filters 3-3 of 4"
    assert not {"n4", "a", "b", "d"} & ancestry.pieces.keys()


def test_sentences_that_cannot_be_followed_are_reported() -> None:
    ops = ("split n99 -> x y", "edges: kept 3, dropped s0->n4", "merge n2 n77 -> z")
    _, report = heir(network(), trained(network()), *ops)
    assert report.ancestry.misfits == (ops[0], ops[2])
    assert not report.fresh
    assert f"not understood: {ops[0]}" in report.lines()


# Edges


def test_edge_weights_go_by_source() -> None:
    """In another order, one dropped and one added; the rest of the node stays."""
    parent = trained(network())
    child = network(PARENT, ("[s0, n2@0.75, n3]", "[n3, s1, s0]"))
    model, report = heir(child, parent)
    s0, _, n3 = state(parent)["nodes.n4.fuse.w"].tolist()
    started = compile_network(child, seed=3).state_dict()["nodes.n4.fuse.w"][1]
    assert state(model)["nodes.n4.fuse.w"].tolist() == [n3, float(started), s0]
    assert [(i.node, i.part, i.reason) for i in report.fresh if "edge" in i.part] == [
        ("n4", "edge from s1", "a new edge")
    ]


def test_edges_of_halves_and_of_joined_nodes() -> None:
    """A half is read with the weight of the whole, a joined node with the mean of both."""
    parent = trained(network())
    w = state(parent)["nodes.n5.fuse.w"].tolist()
    model, _ = heir(SPLIT, parent, "split n4 -> a b")
    assert state(model)["nodes.n5.fuse.w"].tolist() == [w[0], w[1], w[1], w[2]]
    model, _ = heir(MERGED, parent, "merge n2 n3 -> m")
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
    started = compile_network(model.network, seed=3).state_dict()
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
    model, report = heir(child, parent, "split n4 -> a b")
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
    model = compile_network(network(), seed=3)
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
    model, report = heir(network(PARENT, *JOINED), parent, "merge n5 n6 -> m")
    assert not report.fresh
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_joins_halves_gives_the_same_logits() -> None:
    parent = trained(network(), silent=True)
    model, report = heir(network(PARENT, *HALVES), parent, "split n5 -> a b")
    assert not report.fresh
    torch.testing.assert_close(logits(model)["logits"], logits(parent)["logits"])


def test_a_sink_that_averages_halves_starts_afresh() -> None:
    child = network(PARENT, *HALVES, (" combine=concat", ""))
    _, report = heir(child, trained(network()), "split n5 -> a b")
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


# Children as the search makes them


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_children_of_the_search(seed: int) -> None:
    """Each tensor is inherited or reported, untouched nodes are equal, nothing is left unsaid."""
    parent = trained(network())
    (found,) = children(SourceFile("parent", PARENT), parent.network, Wish(), seed, 1)
    child = anetdsl.parse(found.text)
    model, report = heir(child, parent, *found.ops)
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
