"""The format `folder`: splits and classes of videos, unusual names, links and quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.data.formats.directory_scan import videos_below
from anetc.data.formats.folder import split_by_hash
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.quarantine import extended_quarantine, read_quarantine
from anetc.video.clips import Recipe, sample_clips
from anetc.video.flow.fields import dequantise, whole_flow
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

RECIPE = Recipe(
    frames=6, size=(16, 16), short_side=24, when="random", where="random", flip=True, clips=2
)


def opened(folder: Path, split: Any = "train", options: str = "", flow: bool = False) -> Any:
    return open_data(parse_spec(f"folder:{folder}{options}"), split, RECIPE, flow=flow)


def names(data: Any) -> list[str]:
    return [data.name(index) for index in range(len(data))]


def touch(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_split_folders(folder: Path) -> None:
    train, test = opened(folder), opened(folder, "test")
    assert names(train) == [f"train/{name}.mp4" for name in ("jump/1", "jump/2", "run/1", "run/2")]
    assert names(test) == ["test/run/3.mp4"]
    assert train.classes == test.classes == ("jump", "run")
    assert [train.target(n) for n in range(4)] == [0, 0, 1, 1]
    assert test.target(0) == 1
    with pytest.raises(CannotRun, match="no validation videos; splits with videos: test, train"):
        opened(folder, "validation")


def test_a_sample_has_the_clips_of_sample_clips(folder: Path) -> None:
    """Cut by (seed, epoch, name), with their flow."""
    data = opened(folder, flow=True)
    sample = data.sample(2, seed=3, epoch=4)
    clips = sample_clips(
        folder / "train/run/1.mp4",
        RECIPE,
        seed=3,
        epoch=4,
        sample="train/run/1.mp4",
        flow=whole_flow,
    )
    assert np.array_equal(sample.rgb, np.stack([clip.pixels for clip in clips]))
    flows = [dequantise(clip.flow) for clip in clips if clip.flow is not None]
    assert np.array_equal(sample.flow, np.stack(flows))
    assert sample.flow.dtype == np.float32
    assert sample.rgb.shape == (2, 6, 16, 16, 3)
    assert (sample.name, sample.target) == ("train/run/1.mp4", 1)
    assert opened(folder).sample(2, seed=3, epoch=4).flow is None


def test_without_split_folders_a_hash_of_the_path_decides(tmp_path: Path) -> None:
    """The percentages are about right. A video keeps its split when others are added."""
    first = [f"c{n % 5}/{n:03d}.mp4" for n in range(0, 400, 2)]
    touch(tmp_path, *first)
    before = {split: names(opened(tmp_path, split)) for split in ("train", "validation", "test")}
    listed = [name for split in before.values() for name in split]
    assert sorted(listed) == sorted(first)
    assert 10 <= len(before["validation"]) <= 32
    assert 10 <= len(before["test"]) <= 32
    touch(tmp_path, *(f"c{n % 5}/{n:03d}.mp4" for n in range(1, 400, 2)))
    for split in ("train", "validation", "test"):
        assert set(before[split]) <= set(names(opened(tmp_path, split)))
    more = names(opened(tmp_path, "test", "?test=60&validation=0"))
    assert set(before["test"]) <= set(more)
    assert len(more) > 150
    with pytest.raises(CannotRun, match="more than 100 percent"):
        opened(tmp_path, "test", "?test=60&validation=41")


def test_the_hash_never_changes() -> None:
    splits = Counter(split_by_hash(f"video {n}", 20, 30) for n in range(1000))
    assert splits == {"train": 478, "test": 325, "validation": 197}


def test_validation_from_a_training_folder(tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/a/{n}.mp4" for n in range(100)), "test/a/x.mp4")
    held = names(opened(tmp_path, "validation", "?validation=20"))
    assert 10 <= len(held) <= 30
    assert len(names(opened(tmp_path, "train", "?validation=20"))) == 100 - len(held)
    for options in ("?test=3", "?validation=x", "?validation=101"):
        with pytest.raises(CannotRun):
            opened(tmp_path, "train", options)


def test_names_of_any_kind(tmp_path: Path, add: Callable[..., Path]) -> None:
    """Unicode, spaces, line breaks, percent signs and bytes that are no text."""
    labels = ["zwei Wörter", "跳ぶ", "a\nb", "100% #1", "b\udcff"]
    for label in labels:
        add("data/x.mp4").rename(
            touch(tmp_path, f"data/train/{label}/é 1.MP4") / f"data/train/{label}/é 1.MP4"
        )
    data = opened(tmp_path / "data")
    assert data.classes == tuple(sorted(labels))
    for index in range(len(data)):
        assert data.sample(index, seed=0, epoch=0).target == index


def test_links(tmp_path: Path, add: Callable[..., Path]) -> None:
    """Links are followed once; a link to itself is a video that cannot be read."""
    film = add("films/x.mp4")
    touch(tmp_path, "data/train/a/ignored.txt", "data/train/a/.hidden.mp4")
    place = tmp_path / "data" / "train" / "a"
    (place / "linked.mp4").symlink_to(film)
    (place / "round").symlink_to(place)
    (place / "itself.mp4").symlink_to(place / "itself.mp4")
    (place / "nothing.mp4").symlink_to(place / "gone.mp4")
    (place / "below").mkdir()
    (place / "below" / "up").symlink_to(tmp_path / "data")
    (place / "below" / "deep.mp4").symlink_to(film)
    (tmp_path / "data" / "train" / "b").symlink_to(tmp_path / "films")
    data = opened(tmp_path / "data")
    assert names(data) == [
        *(f"train/a/{name}.mp4" for name in ("below/deep", "itself", "linked", "nothing")),
        "train/b/x.mp4",
    ]
    for index in (0, 2, 4):
        assert data.sample(index, seed=0, epoch=0).rgb.shape[1] == 6
    with pytest.raises(VideoError, match="symbolic links"):
        data.sample(1, seed=0, epoch=0)
    with pytest.raises(VideoError, match="a link to nothing"):
        data.sample(3, seed=0, epoch=0)


def test_a_loop_of_folders_ends(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "b/2.mp4")
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    assert videos_below(tmp_path) == ["a/1.mp4", "a/b/2.mp4", "b/2.mp4", "b/a/1.mp4"]


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "files only"])
def test_other_paths_are_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "data"
    if kind == "file":
        place.touch()
    elif kind != "missing":
        place.mkdir()
    if kind == "files only":
        touch(place, "1.mp4")
    with pytest.raises(CannotRun):
        opened(place)


# Quarantine


def test_videos_in_quarantine_are_left_out(folder: Path) -> None:
    """By the default list and by the list of an option, unless an option turns it off."""
    (folder / "quarantine.txt").write_text("# why\ntrain/run/1.mp4\tcorrupt\n\ntrain/jump/2.mp4\n")
    (folder / "other.txt").write_text("test/run/3.mp4\n")
    assert names(opened(folder)) == ["train/jump/1.mp4", "train/run/2.mp4"]
    assert len(opened(folder, "train", "?quarantine=no")) == 4
    assert len(opened(folder, "train", "?quarantine=other.txt")) == 4
    with pytest.raises(CannotRun, match="no test videos"):
        opened(folder, "test", "?quarantine=other.txt")
    with pytest.raises(CannotRun, match=r"quarantine=nowhere.txt: no such file"):
        opened(folder, "train", "?quarantine=nowhere.txt")


def test_quarantine_lists_can_hold_every_name(tmp_path: Path) -> None:
    held = dict.fromkeys(("a b", "#c", " d ", "e\tf\ng", "h%20", "跳", "\udcff"), "a reason")
    path = tmp_path / "q.txt"
    path.write_text(extended_quarantine(path, held), encoding="utf-8")
    assert read_quarantine(path) == held
    more = extended_quarantine(path, {"i": "another", "#c": "worse"})
    path.write_text(more, encoding="utf-8")
    assert read_quarantine(path) == {**held, "i": "another", "#c": "worse"}
