"""`anetc evolve --resume` compares classes and videos with those that the search began with."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from anetdsl.evolve.drive import search
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.report.sections.summary import settings_tables
from tests.command_line import Result, anetc
from tests.evolve.method import COMMAND

CLASSES = ("jump", "run", "walk")


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = functools.partial(search.drive_run, command=COMMAND)
    monkeypatch.setattr(search, "drive_run", drive)


def write_clips(path: Path, classes: tuple[str, ...] = CLASSES, count: int = 6) -> Path:
    """Write an archive with `count` clips for training and three for validation."""
    total = count + 3
    np.savez(
        path,
        x=np.zeros((total, 4, 16, 16), np.uint8),
        y=np.arange(total) % len(classes),
        split=["train"] * count + ["validation"] * 3,
        names=[f"{n}.mp4" for n in range(total)],
        classes=np.array(classes),
    )
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished search of three candidates on `clips.npz`."""
    data = write_clips(tmp_path / "clips.npz")
    result = anetc(
        *("evolve", "--data", data, "--preset", "small", "--candidates", 3, "--population", 2),
        *("--frames", 4, "--size", 16, "--out", tmp_path / "run"),
    )
    assert result.code == 0, result.err
    return tmp_path / "run"


def resume(run: Path, *options: object) -> Result:
    return anetc("evolve", "--resume", run, *options)


def test_a_search_records_its_data(run: Path) -> None:
    held = json.loads((run / "data.json").read_text())
    assert held["data"] == f"arrays:{run.parent / 'clips.npz'}"
    assert held["trained_on"]["classes"] == list(CLASSES)
    assert {split: videos["count"] for split, videos in held["videos"].items()} == {
        "train": 6,
        "validation": 3,
    }
    found = read_run(run)
    assert found.classes == CLASSES
    page = str(settings_tables(found))
    assert "3 classes" in page
    assert "jump, run, walk" in page
    assert resume(run).code == 0


def test_changed_classes_stop_a_search(run: Path) -> None:
    for classes in (("run", "jump", "walk"), ("jump", "run", "stroll")):
        write_clips(run.parent / "clips.npz", classes)
        result = resume(run, "--accept-changed-videos")
        assert result.code == 2
        assert f"{run / 'data.json'}: the classes of the data have changed" in result.err
    assert "only in the data: stroll; only in the training: walk" in result.err


def test_changed_videos_stop_a_search_until_they_are_accepted(run: Path) -> None:
    write_clips(run.parent / "clips.npz", count=9)
    result = resume(run)
    assert result.code == 2
    assert "the train split had 6 videos, now it has 9" in result.err
    accepted = resume(run, "--accept-changed-videos")
    assert accepted.code == 0
    assert "warning: " in accepted.err
    assert "now it has 9" in accepted.err
    assert "warning" not in resume(run).err


def test_settings_may_name_other_data_of_the_same_classes(run: Path) -> None:
    settings = run / "settings.toml"
    text = settings.read_text()
    other = write_clips(run.parent / "other.npz", count=12)
    settings.write_text(text.replace("clips.npz", other.name))
    assert resume(run).code == 0
    assert json.loads((run / "data.json").read_text())["videos"]["train"]["count"] == 12
    third = write_clips(run.parent / "third.npz", ("a", "b", "c"))
    settings.write_text(text.replace("clips.npz", third.name))
    result = resume(run)
    assert result.code == 2
    assert "3 classes (jump, run, walk), the data have 3 classes (a, b, c)" in result.err


def test_searches_of_old_versions_resume_with_a_warning(run: Path) -> None:
    (run / "data.json").unlink()
    result = resume(run)
    assert result.code == 0
    assert f"warning: {run}: an old version began this search" in result.err
    assert "warning" not in resume(run).err


@pytest.mark.parametrize("text", ["", "[]", '{"trained_on": 3}', "{}"])
def test_a_damaged_record_is_named(run: Path, text: str) -> None:
    (run / "data.json").write_text(text)
    result = resume(run)
    assert result.code == 2
    assert "data.json: cannot be read; remove it, and the data are recorded again" in result.err
    assert read_run(run).classes == ()


def test_only_a_resumed_search_accepts_changed_videos(tmp_path: Path) -> None:
    data = write_clips(tmp_path / "clips.npz")
    words = ("evolve", "--data", data, "--accept-changed-videos", "--out", tmp_path / "run")
    result = anetc(*words)
    assert result.code == 2
    assert "--accept-changed-videos: has an effect with --resume only" in result.err
    assert not (tmp_path / "run").exists()
