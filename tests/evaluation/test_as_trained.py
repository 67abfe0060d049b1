"""`anetc eval`, `run`, `compile` and `prune` with weights that hold classes and clips.

A network learns three colours on stored clips. It is evaluated on clips and videos whose classes
are in another order, are fewer, or are others.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import anetc as package
import anetdsl
from anetc.data.spec import parse_spec
from anetc.data.values import DataSpec
from anetc.evaluation.as_trained import recipe_as_trained, with_trained_classes
from anetc.evaluation.protocols import protocol_recipe
from anetc.modules.network import build_network
from anetc.video.clips import MOMENTS_TEST
from anetc.weights.files import save_weights
from anetc.weights.metadata import read_info
from anetc.weights.trained_on import TrainedClip, TrainedOn
from anetdsl.source import SourceFile
from tests.command_line import Result, anetc
from tests.training.running import run
from tests.training.toys import Toy
from tests.video.conftest import film as film

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}
TEXT = """\
anet 1
network colours D=[4, 4, 4, 4] modules=[1, 1, 1, 1]
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node n1 level=1 C=2 r=1 stride=1 inputs=[s0]
node n2 level=2 C=2 r=1 stride=1 inputs=[s0, n1]
sink inputs=[n2] classes=3
"""
VIDEO_CLIP = TrainedClip(frames=4, size=(16, 16), short_side=16, fps=12.5)
STORED_CLIP = TrainedClip(frames=4, size=(16, 16), short_side=None, fps=None)


def colour_clips(path: Path, order: tuple[str, ...], *, named: bool = True) -> DataSpec:
    """Write clips of four videos a class, numbered in this order; return their data set."""
    y = np.arange(4 * len(order)) % len(order)
    rng = np.random.default_rng(0)
    x = np.array([COLOURS.get(order[number], (9, 9, 9)) for number in y])[:, None, None, None, :]
    x = np.clip(x + rng.integers(-9, 10, (len(y), 4, 16, 16, 3)), 0, 255).astype(np.uint8)
    names = {"classes": np.array(order)} if named else {}
    np.savez(path, x=x, y=y, names=[f"{order[n]} {i}" for i, n in enumerate(y)], **names)
    return DataSpec("arrays", str(path))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has learned red, green and blue, in this order."""
    folder = tmp_path_factory.mktemp("colours")
    data = colour_clips(folder / "train.npz", ("red", "green", "blue"))
    changes = {"iterations": 40, "evaluate_every": 0, "save_every": 99, "label_smoothing": 0.0}
    source = SourceFile("colours.anet", TEXT)
    result = run(folder / "run", data, source=source, **changes)
    assert result.measures["top1"] == 100
    return folder / "run"


def evaluated(trained: Path, data: object, *options: object) -> Result:
    files = (trained / "model.anet", "--weights", trained / "weights.safetensors")
    return anetc("eval", *files, "--data", data, *options)


def document(result: Result) -> dict[str, Any]:
    assert result.code == 0, result.err
    return dict(json.loads(result.out))


def without_training(weights: Path, path: Path) -> Path:
    """Write the weights as an old version did."""
    save_file(load_file(weights), path)
    return path


def test_weights_hold_classes_and_clips(trained: Path) -> None:
    expected = TrainedOn(("red", "green", "blue"), False, "arrays", STORED_CLIP, STORED_CLIP)
    assert read_info(trained / "weights.safetensors").trained_on == expected
    held = json.loads((trained / "run.json").read_text())
    assert held["trained_on"] == json.loads(json.dumps(expected.to_json()))


@pytest.mark.parametrize("order", [("red", "green", "blue"), ("blue", "red", "green")])
def test_classes_in_another_order_are_matched_by_name(
    trained: Path, order: tuple[str, ...], tmp_path: Path
) -> None:
    """No option names the clip: it is that of the training."""
    data = colour_clips(tmp_path / "test.npz", order)
    result = evaluated(trained, data.path, "--json")
    found = document(result)
    assert found["measures"]["top1"] == 100
    assert (found["recipe"]["frames"], found["recipe"]["size"]) == (4, [16, 16])
    assert [row["name"] for row in found["classes"]] == ["red", "green", "blue"]
    assert found["confusion"] == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert ("another order; they are matched by name" in result.err) == (order[0] == "blue")


def test_data_of_fewer_classes_are_scored_among_all_classes(trained: Path, tmp_path: Path) -> None:
    """Predictions keep the names of all classes."""
    data = colour_clips(tmp_path / "test.npz", ("blue", "green"))
    result = evaluated(trained, data.path, "--json", "--save", tmp_path / "p.jsonl")
    found = document(result)
    assert found["measures"]["top1"] == 100
    assert found["confusion"] == [[0, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert "the data have 2 of the 3 classes of the network" in result.err
    head, first = (tmp_path / "p.jsonl").read_text().splitlines()[:2]
    assert json.loads(head)["classes"] == ["red", "green", "blue"]
    assert json.loads(first)["target"] == 2


@pytest.mark.parametrize("order", [("red", "green", "white"), ("red", "green", "blue", "white")])
def test_data_of_other_classes_are_refused(
    trained: Path, order: tuple[str, ...], tmp_path: Path
) -> None:
    data = colour_clips(tmp_path / "test.npz", order)
    result = evaluated(trained, data.path)
    assert (result.code, result.out) == (2, "")
    assert "the network was trained on 3 classes (red, green, blue), the data have" in result.err
    assert f"{len(order)} classes ({', '.join(order)}); only in the data: white" in result.err


def test_generated_clips_of_other_classes_are_refused(trained: Path) -> None:
    result = evaluated(trained, "motion:clips=24")
    assert result.code == 2
    assert "the network was trained on 3 classes (red, green, blue), the data have 12 c" in (
        result.err
    )


def test_data_without_names_are_matched_by_number(trained: Path, tmp_path: Path) -> None:
    data = colour_clips(tmp_path / "test.npz", ("red", "green", "blue"), named=False)
    result = evaluated(trained, data.path, "--json")
    found = document(result)
    assert found["measures"]["top1"] == 100
    assert [row["name"] for row in found["classes"]] == ["red", "green", "blue"]
    assert "warning: class names are known only of one side" in result.err


def test_old_weights_are_evaluated_with_one_warning(trained: Path, tmp_path: Path) -> None:
    """By number: other orders are not noticed."""
    data = colour_clips(tmp_path / "test.npz", ("blue", "green", "red"))
    old = without_training(trained / "weights.safetensors", tmp_path / "old.safetensors")
    options = ("--frames", 4, "--size", 16, "--json")
    text = trained / "model.anet"
    result = anetc("eval", text, "--weights", old, "--data", data.path, *options)
    assert document(result)["measures"]["top1"] == pytest.approx(100 / 3)
    (warning,) = [line for line in result.err.splitlines() if line.startswith("warning: ")]
    assert "old.safetensors does not hold what the network was trained on" in warning


def test_options_that_differ_from_the_training_are_reported(trained: Path, tmp_path: Path) -> None:
    data = colour_clips(tmp_path / "test.npz", ("red", "green", "blue"))
    result = evaluated(trained, data.path, "--frames", 2, "--size", 8)
    assert result.code == 0
    assert (
        "warning: the clips differ from those of the training: 2 frames instead of 4, 8 x 8 pixels "
        "instead of 16 x 16" in result.err
    )


@pytest.fixture
def videos(film: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder of videos: classes of a folder are in the order of the alphabet."""
    for name, colour in COLOURS.items():
        (tmp_path / "data" / "test" / name).mkdir(parents=True)
        frames = [np.full((48, 64, 3), colour, np.uint8)] * 20
        film(f"data/test/{name}/1.mp4", frames, options={"preset": "ultrafast"})
    return tmp_path / "data"


def test_videos_are_cut_and_named_as_in_the_training(trained: Path, videos: Path) -> None:
    """A network trained on stored clips reads videos; `run` prints names without --labels."""
    result = evaluated(trained, videos, "--json")
    found = document(result)
    assert found["measures"]["top1"] == 100
    assert (found["recipe"]["frames"], found["recipe"]["size"]) == (4, [16, 16])
    assert found["recipe"]["short_side"] is None
    files = (trained / "model.anet", "--weights", trained / "weights.safetensors")
    for colour in COLOURS:
        shown = anetc("run", *files, "--video", videos / "test" / colour / "1.mp4", "--top", 1)
        assert shown.code == 0, shown.err
        assert shown.out.splitlines()[2].split()[0] == colour
        assert "1.mp4: 4 frames of 16 x 16; " in shown.out
        assert shown.err.startswith("on the CPU: ")
        assert shown.err.count("\n") == 1


def test_run_reports_labels_and_clips_that_differ(trained: Path, videos: Path) -> None:
    (videos / "labels.txt").write_text("blue\ngreen\nred\n")
    shown = anetc(
        *("run", trained / "model.anet", "--weights", trained / "weights.safetensors"),
        *("--video", videos / "test" / "red" / "1.mp4", "--labels", videos / "labels.txt"),
        *("--frames", 8, "--top", 1),
    )
    assert shown.out.splitlines()[2].split()[0] == "blue", "the file was asked for"
    assert "labels.txt: other names than those of the training in another order" in shown.err
    assert "8 frames instead of 4" in shown.err


def test_artifacts_and_pruned_weights_keep_the_training(
    trained: Path, videos: Path, tmp_path: Path
) -> None:
    """Without options, an artifact is compiled for the clips of the training."""
    weights = trained / "weights.safetensors"
    made = anetc("compile", trained / "model.anet", "--weights", weights, "-o", tmp_path / "a")
    assert made.code == 0, made.err
    assert "Clips as in the training: 4 frames of 16 x 16 pixels." in made.err
    loaded = package.load_artifact(tmp_path / "a")
    assert loaded.about.trained_on == read_info(weights).trained_on
    assert (loaded.about.frames, loaded.about.height, loaded.about.width) == (4, 16, 16)
    video = videos / "test" / "green" / "1.mp4"
    shown = anetc("run", tmp_path / "a", "--video", video, "--top", 1)
    assert shown.out.splitlines()[2].split()[0] == "green"
    assert shown.err.startswith("on the CPU: ")
    assert shown.err.count("\n") == 1
    pruned = anetc(
        *("prune", trained / "model.anet", "--below", 0.99, "-o", tmp_path / "p.anet"),
        *("--weights", weights, "--weights-out", tmp_path / "p.safetensors"),
    )
    assert pruned.code == 0, pruned.err
    assert read_info(tmp_path / "p.safetensors").trained_on == read_info(weights).trained_on


def test_weights_of_another_text_are_named(trained: Path, tmp_path: Path) -> None:
    """The message does not ask for other classes in the sink of the right data."""
    (tmp_path / "n.anet").write_text(TEXT.replace("classes=3", "classes=4"))
    data = colour_clips(tmp_path / "test.npz", ("red", "green", "blue"))
    weights = trained / "weights.safetensors"
    result = anetc("eval", tmp_path / "n.anet", "--weights", weights, "--data", data.path)
    assert result.code == 2
    assert "the weights have 3 classes (red, green, blue), but network colours has classes=4" in (
        result.err
    )


# The parts


def moments_like() -> TrainedOn:
    size = attrs.evolve(VIDEO_CLIP, size=(224, 224), frames=32, short_side=256)
    return TrainedOn(("a",), False, "moments", size, attrs.evolve(size, size=(256, 256), frames=36))


def test_recipes_follow_the_training() -> None:
    """Options and a given protocol have precedence; the crop keeps its share of the frame."""
    folder, motion = parse_spec("folder:."), parse_spec("motion")
    trained_on = TrainedOn(
        ("a",), False, "folder", VIDEO_CLIP, attrs.evolve(VIDEO_CLIP, short_side=20, fps=5)
    )
    recipe = protocol_recipe(folder, trained_on=trained_on)
    assert (recipe.frames, recipe.size, recipe.short_side, recipe.fps) == (4, (16, 16), 20, 5)
    recipe = protocol_recipe(folder, trained_on=trained_on, size=(32, 24), fps=25)
    assert (recipe.frames, recipe.size, recipe.short_side, recipe.fps) == (4, (32, 24), 40, 25)
    recipe = protocol_recipe(folder, "charades", trained_on=trained_on)
    assert (recipe.frames, recipe.size, recipe.clips) == (64, (256, 256), 5)
    recipe = protocol_recipe(motion, "charades", trained_on=trained_on)
    assert (recipe.frames, recipe.size, recipe.clips) == (4, (16, 16), 5)
    assert recipe.short_side is None
    assert protocol_recipe(parse_spec("moments:."), trained_on=moments_like()) == MOMENTS_TEST
    assert recipe_as_trained(MOMENTS_TEST, moments_like().validation) == MOMENTS_TEST


@pytest.mark.parametrize("multi_label", [False, True])
def test_relabelled_videos_give_the_same_scores(multi_label: bool) -> None:
    """Targets have the order of the network's classes; so have the labels of samples."""
    data = Toy(multi_label=multi_label)
    trained_on = TrainedOn(
        ("sit down", "jog", "fall", "walk"), multi_label, "folder", VIDEO_CLIP, VIDEO_CLIP
    )
    found, notes = with_trained_classes(data, trained_on, "w")  # type: ignore[arg-type]
    assert found.classes == trained_on.classes
    assert len(notes) == 1
    for index in range(len(data)):
        target = found.target(index)
        sample = found.sample(index, seed=0, epoch=0)
        assert np.array_equal(sample.target, target)
        if multi_label:
            assert isinstance(target, np.ndarray)
            names = {found.classes[number] for number in np.flatnonzero(target)}
            assert names == {data.classes[n] for n in np.flatnonzero(data.target(index))}
        else:
            assert isinstance(target, int)
            assert found.classes[target] == data.classes[int(data.target(index))]


def test_several_labels_have_sigmoids(trained: Path, videos: Path, tmp_path: Path) -> None:
    """The probabilities of `run` need not sum to 1."""
    tensors = load_file(trained / "weights.safetensors")
    model = build_network(anetdsl.parse(TEXT))
    model.load_state_dict(tensors, strict=False)
    trained_on = TrainedOn(("red", "green", "blue"), True, "charades", VIDEO_CLIP, VIDEO_CLIP)
    model.sink.fc.bias.data += 100
    save_weights(model, tmp_path / "w.safetensors", trained_on)
    shown = anetc(
        *("run", trained / "model.anet", "--weights", tmp_path / "w.safetensors"),
        *("--video", videos / "test" / "red" / "1.mp4"),
    )
    assert [line.split()[1] for line in shown.out.splitlines()[2:5]] == ["100.00"] * 3
