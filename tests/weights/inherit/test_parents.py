"""The text of a weights file: the given text, a text beside the file, or the network's own."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch

from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from anetc.weights.inherit.lookup import inherit_from_file
from anetdsl.errors import CannotRun
from anetdsl.evolve.operations import ChangeResolution, Split, sentences
from anetdsl.ir import Network, Origin
from tests.training.toys import network

OPERATIONS = (Split("n2", ("a", "b")), ChangeResolution("s0", 1, 2))


def written(folder: Path, parent: Network, name: str | None = "model.anet") -> Path:
    """Write the weights of a network and, beside them, its text. Return the weights file."""
    model = build_network(parent, seed=5)
    save_weights(model, folder / "weights.safetensors")
    if name is not None:
        (folder / name).write_text(str(parent))
    return folder / "weights.safetensors"


def child() -> Network:
    """Return a child that has both halves of n2."""
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
def test_the_text_beside_the_weights_is_used(tmp_path: Path, name: str) -> None:
    weights = written(tmp_path, network(), name)
    report = inherit_from_file(build_network(child()), weights, operations=OPERATIONS)
    assert report.ancestry.parents("b") == ("n2",)
    assert "nodes.b.m0.conv1.weight" in report.inherited


def test_a_given_text_has_precedence(tmp_path: Path) -> None:
    weights = written(tmp_path, network(), "elsewhere.anet")
    (tmp_path / "model.anet").write_text("not read")
    report = inherit_from_file(
        build_network(child()), weights, tmp_path / "elsewhere.anet", OPERATIONS
    )
    assert report.ancestry.parents("a") == ("n2",)


def test_weights_without_a_text_may_fit_the_network_itself(tmp_path: Path) -> None:
    report = inherit_from_file(build_network(network()), written(tmp_path, network(), None))
    assert not report.not_inherited


def test_a_parent_of_another_structure_is_reported(tmp_path: Path) -> None:
    """A text with another rate r fits the shapes of the weights."""
    weights = written(tmp_path, network())
    model = build_network(network())
    assert inherit_from_file(model, weights).notes == ()
    first, *others = network().nodes
    other = attrs.evolve(network(), nodes=(attrs.evolve(first, dilation=2), *others))
    path = tmp_path / "other.anet"
    path.write_text(str(other))
    (note,) = inherit_from_file(model, weights, path).notes
    start = f"warning: {weights}: the weights were trained with another network text ("
    assert note.startswith(start)


def test_the_sentences_in_origin_are_not_used(tmp_path: Path) -> None:
    """Without operations, nodes inherit by equal names, so that the halves of n2 do not inherit."""
    report = inherit_from_file(build_network(child()), written(tmp_path, network()))
    assert report.ancestry.parents("s0") == ("s0",)
    assert not report.ancestry.parents("a")
    assert report.lines()[0].endswith("from toy, by equal node names")


def test_weights_of_the_network_itself_are_inherited_completely(tmp_path: Path) -> None:
    """The parent is the network itself; its `origin` names a split, which is not applied again."""
    model = build_network(child())
    report = inherit_from_file(model, written(tmp_path, child()))
    assert not report.not_inherited
    assert not report.ancestry.skipped
    expected = build_network(child(), seed=5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("beside", "named", "message"),
    [
        (None, None, "no network text found that these weights fit"),
        ("other", None, "no network text found that these weights fit"),
        ("other", "model.anet", "the weights do not fit .*: missing: n3 \\(fuse.w"),
        ("wide", "model.anet", r"conv.weight float32 \[4, 3, 1, 7, 7\] instead of float32 \[6, 3"),
        ("broken", "model.anet", "text has errors; `anetc check` shows them"),
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
        inherit_from_file(model, weights, None if named is None else tmp_path / named)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
