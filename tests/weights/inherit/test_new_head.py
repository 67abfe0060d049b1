"""A new classifier for other classes: rows of equal names are inherited, the others are new."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch

import anetdsl
from anetc.modules.network import NetworkModule, build_network
from anetc.weights.files import save_weights
from anetc.weights.inherit.inheritance import Inheritance
from anetc.weights.inherit.lookup import inherit_from_file
from anetc.weights.trained_on import TrainedClip, TrainedOn, numbered_classes
from anetdsl.errors import CannotRun
from tests.training.toys import NETWORK
from tests.weights.inherit.families import random_model

CLIP = TrainedClip(4, (16, 16), None, None)
BEFORE = ("jog", "sit", "walk")
AFTER = ("cook", "jog", "walk", "read")


def parent(folder: Path, classes: tuple[str, ...] | None = BEFORE) -> NetworkModule:
    """Write the weights of a random parent with three classes, without its text."""
    model = random_model(anetdsl.parse(NETWORK))
    trained_on = None
    if classes is not None:
        trained_on = TrainedOn(classes, False, "arrays", CLIP, CLIP)
    save_weights(model, folder / "weights.safetensors", trained_on)
    return model


def child(
    folder: Path, classes: tuple[str, ...], *, new_head: bool = True, text: str = NETWORK
) -> tuple[NetworkModule, Inheritance]:
    network = anetdsl.parse(text.replace("classes=3", f"classes={len(classes)}"))
    model = build_network(network, seed=3)
    report = inherit_from_file(
        model, folder / "weights.safetensors", classes=classes, other_classes=new_head
    )
    return model, report


def test_rows_of_equal_names_are_inherited(tmp_path: Path) -> None:
    theirs = parent(tmp_path)
    model, report = child(tmp_path, AFTER)
    initial = build_network(model.network, seed=3)
    for name in ("sink.fc.weight", "sink.fc.bias"):
        own, before, first = (m.state_dict()[name] for m in (model, theirs, initial))
        assert torch.equal(own[1], before[0])
        assert torch.equal(own[2], before[2])
        assert torch.equal(own[0], first[0])
        assert torch.equal(own[3], first[3])
    for name, tensor in theirs.state_dict().items():
        if name.startswith("nodes.") and tensor.is_floating_point():
            assert torch.equal(model.state_dict()[name], tensor)
    lines = report.lines()
    assert lines[-1] == (
        "classifier: inherited by name: 2 classes (jog, walk); new: 2 classes (cook, read)"
    )
    assert "sink: not inherited: fc.weight, fc.bias (in part: new classes)" in lines


def test_the_number_of_inherited_values_counts_rows(tmp_path: Path) -> None:
    theirs = parent(tmp_path)
    _, report = child(tmp_path, AFTER)
    width = theirs.state_dict()["sink.fc.weight"].shape[1]
    assert report.inherited_values == report.total_values - 2 * (width + 1)


def test_the_same_classes_in_another_order_inherit_all_rows(tmp_path: Path) -> None:
    theirs = parent(tmp_path)
    model, report = child(tmp_path, ("walk", "jog", "sit"))
    before, own = theirs.state_dict()["sink.fc.weight"], model.state_dict()["sink.fc.weight"]
    assert torch.equal(own, before[[2, 0, 1]])
    assert report.inherited_values == report.total_values
    assert report.lines()[-1] == "classifier: inherited by name: 3 classes (walk, jog, sit)"


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (None, AFTER, "hold no names of classes"),
        (numbered_classes(3), numbered_classes(3), "no names, only numbers"),
        (BEFORE, numbered_classes(3), "no names, only numbers"),
        (BEFORE, ("a", "b"), "new: 2 classes (a, b)"),
    ],
)
def test_without_equal_names_the_classifier_is_new(
    before: tuple[str, ...] | None, after: tuple[str, ...], note: str, tmp_path: Path
) -> None:
    parent(tmp_path, before)
    model, report = child(tmp_path, after)
    initial = build_network(model.network, seed=3)
    for name in ("sink.fc.weight", "sink.fc.bias"):
        assert torch.equal(model.state_dict()[name], initial.state_dict()[name])
        assert name not in report.inherited
    assert note in report.lines()[-1]
    assert report.inherited


def test_other_classes_need_the_option(tmp_path: Path) -> None:
    parent(tmp_path)
    (tmp_path / "model.anet").write_text(NETWORK)
    with pytest.raises(CannotRun, match="--new-head"):
        child(tmp_path, AFTER, new_head=False)


def test_the_classifier_can_have_new_inputs_too(tmp_path: Path) -> None:
    """The sink reads a second node of the same width: its columns stay, divided by the mean."""
    theirs = parent(tmp_path)
    (tmp_path / "model.anet").write_text(NETWORK)
    wider = NETWORK.replace(
        "sink inputs=[n2]", "node n3 level=1 C=2 r=1 stride=1 inputs=[s0]\nsink inputs=[n2, n3]"
    )
    model, _ = child(tmp_path, AFTER, text=wider)
    before, own = theirs.state_dict()["sink.fc.weight"], model.state_dict()["sink.fc.weight"]
    assert torch.equal(own[1], 2 * before[0])


def test_the_best_weights_belong_to_the_best_text(tmp_path: Path) -> None:
    """Edge weights of best.anet and model.anet differ: those of the own text are inherited."""
    model = random_model(anetdsl.parse(NETWORK))
    save_weights(model, tmp_path / "best.safetensors")
    for name, weight in (("best", 0.25), ("model", 0.75)):
        text = NETWORK.replace("[s0, s1]", f"[s0@{weight}, s1@{weight}]")
        (tmp_path / f"{name}.anet").write_text(text)
    for text, inherits in (("best", True), ("model", False)):
        network = anetdsl.load(tmp_path / f"{text}.anet")
        report = inherit_from_file(
            build_network(attrs.evolve(network, name="x")), tmp_path / "best.safetensors"
        )
        assert ("nodes.n2.fuse.w" in report.inherited) == inherits
