"""Whose weights a file holds: the text named, the one beside it, or the network's own."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch

from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_file
from anetdsl.errors import CannotRun
from anetdsl.evolve.operations import ChangeResolution, Split, sentences
from anetdsl.ir import Network, Origin
from tests.training.toys import network

OPERATIONS = (Split("n2", ("a", "b")), ChangeResolution("s0", 1, 2))


def written(folder: Path, parent: Network, name: str | None = "model.anet") -> Path:
    """The weights of a network, in a file, and beside it its text."""
    model = build_network(parent, seed=5)
    save_weights(model, folder / "weights.safetensors")
    if name is not None:
        (folder / name).write_text(str(parent))
    return folder / "weights.safetensors"


def child() -> Network:
    """Both halves of n2, and what led to them."""
    parent = network()
    halves = [attrs.evolve(parent.node("n2"), name=name, channels=1) for name in "ab"]
    read = tuple(attrs.evolve(parent.sink.inputs[0], source=name) for name in "ab")
    return attrs.evolve(
        parent,
        nodes=(*parent.nodes[:2], *halves),
        sink=attrs.evolve(parent.sink, inputs=read),
        origin=Origin(parent="toy", ops=sentences(OPERATIONS)),
    )


@pytest.mark.parametrize("name", ["model.anet", "trained.anet"])
def test_the_text_beside_the_weights_is_the_parent_s(tmp_path: Path, name: str) -> None:
    weights = written(tmp_path, network(), name)
    report = inherit_file(build_network(child()), weights, operations=OPERATIONS)
    assert report.ancestry.parents("b") == ("n2",)
    assert "nodes.b.m0.conv1.weight" in report.inherited


def test_a_text_that_is_named_comes_first(tmp_path: Path) -> None:
    weights = written(tmp_path, network(), "elsewhere.anet")
    (tmp_path / "model.anet").write_text("not read")
    report = inherit_file(
        build_network(child()), weights, tmp_path / "elsewhere.anet", OPERATIONS
    )
    assert report.ancestry.parents("a") == ("n2",)


def test_weights_without_a_text_may_be_the_network_s_own(tmp_path: Path) -> None:
    report = inherit_file(build_network(network()), written(tmp_path, network(), None))
    assert not report.fresh


def test_no_sentence_of_origin_is_read(tmp_path: Path) -> None:
    """Without operations, nodes inherit by equal names: the halves of n2 have no weights."""
    report = inherit_file(build_network(child()), written(tmp_path, network()))
    assert report.ancestry.parents("s0") == ("s0",)
    assert not report.ancestry.parents("a")
    assert report.lines()[0].endswith("from toy, by equal node names")


def test_a_candidate_s_own_weights_are_not_split_again(tmp_path: Path) -> None:
    """The network is the parent itself; its `origin` still names a split."""
    model = build_network(child())
    report = inherit_file(model, written(tmp_path, child()))
    assert not report.fresh
    assert not report.ancestry.misfits
    expected = build_network(child(), seed=5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("beside", "named", "message"),
    [
        (None, None, "whose weights these are is not said"),
        ("other", None, "whose weights these are is not said"),
        ("other", "model.anet", "not the weights of .*: there is no nodes.n3.fuse.w"),
        ("wide", "model.anet", "nodes.s0.conv.weight is 4 x 3 x 1 x 7 x 7 for 6 x 3"),
        ("broken", "model.anet", "has errors, `anetc check` shows them"),
        (None, "missing.anet", "no such file"),
    ],
)
def test_weights_of_another_text_are_refused(
    tmp_path: Path, beside: str | None, named: str | None, message: str
) -> None:
    weights = written(tmp_path, network(), None)
    text = str(network())
    texts = {
        "other": text.replace("n2 ", "n3 ").replace("[n2]", "[n3]"),
        "wide": text.replace("C=4  r=1  stride=4  inputs=[rgb]", "C=6 r=1 stride=4 inputs=[rgb]"),
        "broken": text.replace("sink", "snik"),
    }
    if beside is not None:
        (tmp_path / "model.anet").write_text(texts[beside])
    model = build_network(child())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CannotRun, match=message):
        inherit_file(model, weights, None if named is None else tmp_path / named)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
