"""Resuming a run compares classes and videos with those that the run began with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.data.values import DataSpec
from anetc.training.data_record import record_of, trained_on_of, write_videos
from anetc.weights.metadata import read_info
from anetc.weights.trained_on import TrainedClip
from anetdsl.errors import CannotRun
from anetdsl.source import SourceFile
from tests.conftest import REPOSITORY
from tests.training.running import Interrupted, StopsAt, metrics, outcome, run
from tests.training.toys import Toy
from tests.video.conftest import film as film

NAMES = ("blue", "green", "red")
RGB = """\
anet 1
network rgb D=[4, 4, 4, 4] modules=[1, 1, 1, 1]
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node n1 level=1 C=2 r=1 stride=1 inputs=[s0]
sink inputs=[n1] classes=3
"""


def write_clips(
    path: Path, classes: tuple[str, ...] = NAMES, *, count: int = 12, first: int = 0
) -> DataSpec:
    """Write `count` clips for training and six for validation, named from `first` on."""
    rng = np.random.default_rng(0)
    total = count + 6
    np.savez(
        path,
        x=rng.integers(0, 256, (total, 4, 16, 16, 3), np.uint8),
        flow8=rng.integers(-9, 9, (total, 4, 2, 16, 16), np.int8),
        y=np.arange(total) % len(classes),
        split=["train"] * count + ["validation"] * 6,
        names=[f"{'train' if n < count else 'val'}/{first + n}.mp4" for n in range(total)],
        classes=np.array(classes),
    )
    return DataSpec("arrays", str(path))


@pytest.fixture
def stopped(tmp_path: Path) -> DataSpec:
    """A run in `run` that stopped after eight of twelve steps; the value is its data."""
    data = write_clips(tmp_path / "clips.npz")
    with pytest.raises(Interrupted):
        run(tmp_path / "run", data, watch=StopsAt(10))
    return data


class Messages:
    """A watcher that keeps the messages of a run."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def steps_done(self, report: object) -> None:
        pass

    def message(self, text: str) -> None:
        self.texts.append(text)


def resume(tmp_path: Path, data: DataSpec, *, accept: bool = False) -> list[str]:
    """Return the messages after the line about the device."""
    watch = Messages()
    run(tmp_path / "run", data, resume=True, watch=watch, accept_changed_videos=accept)
    device, *texts = watch.texts
    assert device.startswith("on the CPU: ")
    return texts


def refusal(tmp_path: Path, data: DataSpec, *, accept: bool = False) -> str:
    """Return the message; assert that no file of the run has changed."""
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*")}
    with pytest.raises(CannotRun) as caught:
        resume(tmp_path, data, accept=accept)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*")} == files
    return str(caught.value)


def test_a_run_records_what_it_is_trained_on(stopped: DataSpec, tmp_path: Path) -> None:
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    schema = REPOSITORY / "docs" / "schemas" / "training-run.schema.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(description)
    held = description["trained_on"]
    assert (held["classes"], held["multi_label"], held["data_format"]) == (
        list(NAMES),
        False,
        "arrays",
    )
    clip = {"frames": 4, "size": [16, 16], "short_side": None, "fps": None}
    assert held["training"] == held["validation"] == clip
    counts = {split: videos["count"] for split, videos in description["videos"].items()}
    assert counts == {"train": 12, "validation": 6}
    lines = [json.loads(x) for x in (tmp_path / "run" / "videos.jsonl").read_text().splitlines()]
    assert lines[:2] == [["train", "train/0.mp4", [0]], ["train", "train/1.mp4", [1]]]
    assert lines[-1] == ["validation", "val/17.mp4", [2]]


def test_equal_data_resume_with_equal_numbers(stopped: DataSpec, tmp_path: Path) -> None:
    assert resume(tmp_path, stopped)[0] == "resuming after step 8"
    run(tmp_path / "whole", stopped)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert read_info(tmp_path / "run" / "weights.safetensors").trained_on is not None


def test_a_renamed_class_stops_the_run(stopped: DataSpec, tmp_path: Path) -> None:
    """No option changes that: the classifier belongs to the old classes."""
    data = write_clips(tmp_path / "clips.npz", ("green", "red", "violet"))
    for accept in (False, True):
        message = refusal(tmp_path, data, accept=accept)
        assert message.startswith(
            f"{tmp_path / 'run' / 'run.json'}: the classes of the data have changed: the network "
            "was trained on 3 classes (blue, green, red), the data have 3 classes (green, red, "
            "violet); only in the data: violet; only in the training: blue."
        )


def test_another_order_of_the_classes_stops_the_run(stopped: DataSpec, tmp_path: Path) -> None:
    data = write_clips(tmp_path / "clips.npz", ("green", "blue", "red"))
    assert "the classes of the data have changed in another order: " in refusal(tmp_path, data)


def test_a_new_class_is_reported_as_such(stopped: DataSpec, tmp_path: Path) -> None:
    """Not as a wrong number of classes in the network."""
    data = write_clips(tmp_path / "clips.npz", (*NAMES, "white"))
    assert "3 classes (blue, green, red), the data have 4 classes" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 9}, "the train split had 12 videos, now it has 9; "),
        ({"count": 9}, "removed: train/9.mp4, train/10.mp4, train/11.mp4"),
        ({"count": 15}, "new: train/12.mp4, train/13.mp4, train/14.mp4"),
        ({"first": 1}, "the train split has 12 videos as before, but not the same ones; "),
        ({"first": 5}, "removed: train/0.mp4, train/1.mp4, train/2.mp4 and 7 more; new: train/12."),
    ],
)
def test_other_videos_stop_the_run(
    stopped: DataSpec, tmp_path: Path, changes: dict[str, int], message: str
) -> None:
    data = write_clips(tmp_path / "clips.npz", **changes)  # type: ignore[arg-type]
    found = refusal(tmp_path, data)
    assert message in found
    assert found.endswith("--accept-changed-videos to go on with the videos that are there now")


def test_videos_with_other_classes_or_in_another_order_are_reported(
    stopped: DataSpec, tmp_path: Path
) -> None:
    arrays = dict(np.load(str(stopped.path)))
    np.savez(str(stopped.path), **{**arrays, "y": np.r_[[1], arrays["y"][1:]]})
    assert "as before, but not the same ones; with another class: train/0.mp4." in (
        refusal(tmp_path, stopped)
    )
    turned = {k: v if k == "classes" else np.r_[v[11::-1], v[12:]] for k, v in arrays.items()}
    np.savez(str(stopped.path), **turned)
    assert "they have another order" in refusal(tmp_path, stopped)


def test_changed_videos_can_be_accepted(stopped: DataSpec, tmp_path: Path) -> None:
    """From then on the run belongs to the new videos."""
    data = write_clips(tmp_path / "clips.npz", count=9)
    messages = resume(tmp_path, data, accept=True)
    assert messages[0].startswith("warning: ")
    assert "now it has 9" in messages[0]
    assert messages[1] == "resuming after step 8"
    assert len(metrics(tmp_path / "run")) == 14
    held = json.loads((tmp_path / "run" / "run.json").read_text())
    assert held["videos"]["train"]["count"] == 9
    assert resume(tmp_path, data)[0] == "resuming after step 12"


def test_without_the_list_only_the_numbers_are_reported(stopped: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "run" / "videos.jsonl").write_text('["train", 3\n')
    data = write_clips(tmp_path / "clips.npz", count=9)
    message = refusal(tmp_path, data)
    assert "now it has 9; " in message
    assert "removed" not in message


def test_runs_of_old_versions_resume_with_a_warning(stopped: DataSpec, tmp_path: Path) -> None:
    path = tmp_path / "run" / "run.json"
    held = json.loads(path.read_text())
    del held["trained_on"], held["videos"]
    path.write_text(json.dumps(held))
    first, second, *_ = resume(tmp_path, stopped)
    assert first.startswith(f"warning: {path}: an old version began this run")
    assert second == "resuming after step 8"
    assert resume(tmp_path, stopped)[0] == "resuming after step 12"


@pytest.mark.parametrize("damage", [{"videos": 3}, {"trained_on": 3}, {"videos": {"train": {}}}])
def test_a_damaged_description_is_an_error(
    stopped: DataSpec, tmp_path: Path, damage: dict[str, Any]
) -> None:
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    assert "run.json: not written by a training run" in refusal(tmp_path, stopped)


def test_a_renamed_folder_of_videos_stops_the_run(
    film: Callable[..., Path], tmp_path: Path
) -> None:
    """The folder of a class is renamed below a stopped run, so that the order changes."""
    for split in ("train", "val"):
        for name in NAMES:
            (tmp_path / "data" / split / name).mkdir(parents=True)
            film(f"data/{split}/{name}/1.mp4", 12, options={"preset": "ultrafast"})
    data = parse_spec(f"folder:{tmp_path / 'data'}")
    how: dict[str, Any] = {
        "source": SourceFile("rgb.anet", RGB),
        "batch": 3,
        "iterations": 2,
        "save_every": 1,
    }
    run(tmp_path / "run", data, **how)
    for split in ("train", "val"):
        (tmp_path / "data" / split / "blue").rename(tmp_path / "data" / split / "violet")
    with pytest.raises(CannotRun, match="only in the data: violet; only in the training: blue"):
        run(tmp_path / "run", data, resume=True, **how)
    for split in ("train", "val"):
        (tmp_path / "data" / split / "violet").rename(tmp_path / "data" / split / "blue")
    (tmp_path / "data" / "train" / "red" / "1.mp4").rename(
        tmp_path / "data" / "train" / "green" / "2.mp4"
    )
    with pytest.raises(CannotRun, match=r"removed: .*red/1\.mp4; new: .*green/2\.mp4"):
        run(tmp_path / "run", data, resume=True, **how)


def test_splits_with_other_classes_are_refused() -> None:
    """Lists of their own for each split may name other classes."""
    data = DataSpec("folder", ".")
    other = Toy(split="validation", classes=("jog", "walk", "sit down"))
    with pytest.raises(CannotRun, match="the splits train and validation have other classes: "):
        trained_on_of(Toy(split="train"), other, recipes_for(data))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["motion:clips=24", "folder"])
def test_the_record_of_videos_and_of_generated_clips(text: str, tmp_path: Path) -> None:
    """Videos have a frame rate, stored clips have none. Names may hold any characters."""
    names = ("train/b/\udcff 1.mp4", "train/a/x\ny.mp4", "val/a/1.mp4", "val/b/1.mp4")
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    data = parse_spec(f"folder:{tmp_path / 'data'}" if text == "folder" else text)
    recipes = recipes_for(data, 4, (32, 32))
    training, validation = (
        open_data(data, "train", recipes.train, flow=False),
        open_data(data, "validation", recipes.validation, flow=False),
    )
    trained_on = trained_on_of(training, validation, recipes)
    assert trained_on.classes == training.classes
    if text == "folder":
        assert trained_on.classes == ("a", "b")
        short_side = recipes.validation.short_side
        assert trained_on.validation == TrainedClip(4, (32, 32), short_side, 12.5)
        assert trained_on.training.short_side == recipes.train.short_side
    else:
        assert trained_on.validation == TrainedClip(4, (32, 32), None, None)
    record = record_of((training, validation), trained_on)
    assert record.videos["train"].count == len(training)
    write_videos(tmp_path, (training, validation))
    rows = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
    assert [row[1] for row in rows[: len(training)]] == [
        training.name(index) for index in range(len(training))
    ]


def test_several_labels_are_recorded() -> None:
    data = Toy(multi_label=True)
    trained_on = trained_on_of(data, data, recipes_for(DataSpec("folder", ".")))  # type: ignore[arg-type]
    assert trained_on.multi_label
    assert record_of((data,), trained_on).videos["test"].count == 7  # type: ignore[arg-type]
