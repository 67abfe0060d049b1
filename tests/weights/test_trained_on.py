"""Training data in the metadata of weights files, and compared with other data."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import torch
from safetensors.torch import load_file, save_file

from anetc.modules.network import build_network
from anetc.weights.files import WeightsError, load_weights, read_weights, save_weights
from anetc.weights.inherit.lookup import inherit_from_file, reordered_classifier
from anetc.weights.metadata import WeightsInfo, read_info
from anetc.weights.trained_on import (
    MATCHED_BY_NUMBER,
    TrainedClip,
    TrainedOn,
    are_numbered,
    listed_classes,
    match_classes,
    numbered_classes,
    trained_on_from_json,
)
from anetdsl.errors import CannotRun
from tests.training.toys import network

CLIP = TrainedClip(frames=4, size=(32, 24), short_side=36, fps=12.5)
STORED = TrainedClip(frames=6, size=(16, 16), short_side=None, fps=None)
TRAINED_ON = TrainedOn(("walk", "Größe", "sit, down"), False, "folder", CLIP, STORED)


def test_the_metadata_hold_the_training(tmp_path: Path) -> None:
    """It is read with the tensors and, without torch, from the header alone."""
    path = tmp_path / "w.safetensors"
    model = build_network(network())
    save_weights(model, path, TRAINED_ON)
    for info in (read_info(path), read_weights(path)[0], load_weights(model, path)):
        assert info.trained_on == TRAINED_ON
        assert info.network == "toy"


def test_files_of_old_versions_hold_no_training(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(build_network(network()), path)
    assert read_info(path).trained_on is None
    save_file(load_file(path), path)
    assert read_info(path) == WeightsInfo()


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    """A later version may add some."""
    document = json.loads(json.dumps(TRAINED_ON.to_json()))
    document["lens"] = document["training"]["zoom"] = 3
    assert trained_on_from_json(document) == TRAINED_ON


@pytest.mark.parametrize(
    "change",
    [
        {"classes": "walk"},
        {"classes": [1, 2]},
        {"multi_label": 1},
        {"data_format": None},
        {"training": None},
        {"training": {}},
        {"training": {**attrs.asdict(CLIP), "frames": 0}},
        {"validation": {**attrs.asdict(CLIP), "size": [32]}},
        {"validation": {**attrs.asdict(CLIP), "fps": "fast"}},
        {"validation": {**attrs.asdict(CLIP), "fps": 0}},
    ],
)
def test_damaged_metadata_are_errors(change: dict[str, object], tmp_path: Path) -> None:
    document = {**TRAINED_ON.to_json(), **change}
    with pytest.raises(ValueError):  # noqa: PT011 - each value has its own message
        trained_on_from_json(document)
    about = {"version": 1, "network": "toy", "text_sha256": "0", "trained_on": document}
    path = tmp_path / "w.safetensors"
    save_weights(build_network(network()), path)
    save_file(load_file(path), path, {"anet": json.dumps(about)})
    with pytest.raises(WeightsError, match="the metadata entry 'anet' is damaged"):
        read_info(path)


@pytest.mark.parametrize(
    ("trained", "given", "numbers", "identical", "complete"),
    [
        (["a", "b", "c"], ["a", "b", "c"], (0, 1, 2), True, True),
        (["a", "b", "c"], ["c", "a", "b"], (2, 0, 1), False, True),
        (["a", "b", "c"], ["b"], (1,), False, True),
        (["a", "b", "c"], ["b", "c", "d"], (1, 2, None), False, False),
        (["a", "b"], ["a", "b", "c"], (0, 1, None), False, False),
        (["cafe\u0301", "x"], ["caf\u00e9", "x"], (0, 1), True, True),
        (["a", "a", "b"], ["b", "a", "a"], (2, 0, 1), False, True),
        (["class 0", "class 1"], ["class 0"], (0,), False, True),
        (["a", "b"], ["class 0", "class 1"], (0, 1), True, True),
        (["class 0", "class 1"], ["b", "a"], (0, 1), True, True),
        (["a", "b"], ["class 0"], (None,), False, False),
    ],
)
def test_classes_are_matched_by_name(
    trained: list[str],
    given: list[str],
    numbers: tuple[int | None, ...],
    identical: bool,
    complete: bool,
) -> None:
    """In any Unicode form; equally many classes without names match by number."""
    match = match_classes(trained, given)
    assert match.numbers == numbers
    assert (match.is_identical, match.is_complete) == (identical, complete)
    assert match.by_number == (are_numbered(trained) != are_numbered(given) and complete)


def test_messages_show_both_lists_shortened() -> None:
    many = [f"action {number}" for number in range(339)]
    match = match_classes(many, [*many[:-1], "x" * 99])
    text = match.difference()
    assert text.startswith("the network was trained on 339 classes (action 0, action 1, ")
    assert "action 7 and 331 more), the data have 339 classes (action 0" in text
    assert text.endswith(f"only in the data: {'x' * 60}...; only in the training: action 338")
    assert listed_classes(["a"]) == "1 class (a)"


def parent(folder: Path, trained_on: TrainedOn | None) -> Path:
    path = folder / "parent.safetensors"
    save_weights(build_network(network(), seed=5), path, trained_on)
    return path


def test_the_classifier_is_inherited_by_the_names_of_the_classes(tmp_path: Path) -> None:
    """Each row belongs to the class of its name; all other tensors are unchanged."""
    weights = parent(tmp_path, TRAINED_ON)
    _, tensors = read_weights(weights)
    same, other = build_network(network(), seed=1), build_network(network(), seed=1)
    report = inherit_from_file(same, weights, classes=TRAINED_ON.classes)
    assert report.notes == ()
    assert same.sink.fc.weight.equal(tensors["sink.fc.weight"])
    report = inherit_from_file(other, weights, classes=("sit, down", "walk", "Größe"))
    assert report.lines()[-1] == (
        "classifier: the rows of the parent are reordered by the names of the classes"
    )
    assert other.sink.fc.weight.equal(tensors["sink.fc.weight"][[2, 0, 1]])
    assert other.sink.fc.bias.equal(tensors["sink.fc.bias"][[2, 0, 1]])
    for name, tensor in same.state_dict().items():
        if not name.startswith("sink."):
            assert tensor.equal(other.state_dict()[name])


@pytest.mark.parametrize("classes", [("walk", "Größe", "jump"), ("walk", "Größe")])
def test_a_parent_of_other_classes_is_refused(tmp_path: Path, classes: tuple[str, ...]) -> None:
    weights = parent(tmp_path, TRAINED_ON)
    with pytest.raises(CannotRun) as caught:
        inherit_from_file(build_network(network(len(classes))), weights, classes=classes)
    message = str(caught.value)
    assert message.startswith(
        f"{weights}: the network was trained on 3 classes (walk, Größe, sit, down), the data have "
        f"{len(classes)} classes (walk, Größe"
    )
    assert "only in the training: sit, down" in message


@pytest.mark.parametrize("are_named", [True, False])
def test_classes_matched_by_number_are_reported(tmp_path: Path, are_named: bool) -> None:
    """Names on one side only cannot be compared; the warning is that of an evaluation."""
    names = TRAINED_ON.classes if are_named else numbered_classes(3)
    given = numbered_classes(3) if are_named else TRAINED_ON.classes
    weights = parent(tmp_path, attrs.evolve(TRAINED_ON, classes=names))
    model = build_network(network(), seed=1)
    report = inherit_from_file(model, weights, classes=given)
    assert report.notes == (f"warning: {weights}: {MATCHED_BY_NUMBER}",)
    assert model.sink.fc.weight.equal(read_weights(weights)[1]["sink.fc.weight"])


def test_the_training_of_other_classes_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(CannotRun, match="has 12 classes, but the training had 3 classes"):
        save_weights(build_network(network(12)), path, TRAINED_ON)
    assert not path.exists()


@pytest.mark.parametrize("count", [2, 4])
def test_more_or_fewer_names_than_rows_are_damage(tmp_path: Path, count: int) -> None:
    """The names are in another order than those of the data, so that rows would be exchanged."""
    weights = parent(tmp_path, None)
    names = ("x", *numbered_classes(count)[1:])
    info = WeightsInfo("toy", "0", attrs.evolve(TRAINED_ON, classes=names))
    save_file(load_file(weights), weights, info.to_metadata())
    with pytest.raises(WeightsError, match=f"damaged: it has the names of {count} classes, but"):
        inherit_from_file(build_network(network(count)), weights, classes=names[::-1])


def test_a_damaged_classifier_is_not_reordered() -> None:
    """A tensor with another number of rows stays, to be reported where it does not fit."""
    match = match_classes(("a", "b", "c"), ("c", "b", "a"))
    tensors = {"sink.fc.bias": torch.arange(3.0), "sink.x": torch.zeros(2)}
    made = reordered_classifier({**tensors, "sink.z": torch.tensor(1.0)}, match)
    assert made["sink.fc.bias"].tolist() == [2, 1, 0]
    assert made["sink.x"].equal(tensors["sink.x"])
    assert made["sink.z"].shape == ()


def test_a_parent_without_names_is_inherited_with_a_warning(tmp_path: Path) -> None:
    weights = parent(tmp_path, None)
    report = inherit_from_file(build_network(network()), weights, classes=TRAINED_ON.classes)
    (note,) = report.notes
    assert note.startswith(f"warning: {weights} does not hold the names of its classes")
