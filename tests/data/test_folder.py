"""The format `folder`: splits and classes of videos, unusual names, links and quarantine."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.data.formats.directory_scan import videos_below
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.splits import split_by_hash
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


def test_without_split_folders_hashes_decide(tmp_path: Path) -> None:
    """Each class gives its percentage, in the order of the hashes of the paths."""
    touch(tmp_path, *(f"c{n % 5}/{n:03d}.mp4" for n in range(200)))
    found = {split: names(opened(tmp_path, split)) for split in ("train", "validation", "test")}
    listed = [name for held in found.values() for name in held]
    assert len(set(listed)) == len(listed) == 200
    for split, count in (("train", 32), ("validation", 4), ("test", 4)):
        assert Counter(name[:2] for name in found[split]) == dict.fromkeys(
            ("c0", "c1", "c2", "c3", "c4"), count
        )
    more = names(opened(tmp_path, "test", "?test=60&validation=0"))
    assert set(found["test"]) <= set(more)
    assert len(more) == 120
    with pytest.raises(CannotRun, match="more than 100 percent"):
        opened(tmp_path, "test", "?test=60&validation=41")


@pytest.mark.parametrize(
    ("videos", "expected"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (10, (8, 1, 1)),
     (16, (12, 2, 2)), (48, (38, 5, 5))],
)  # fmt: skip
def test_a_small_class_has_videos_in_each_split(
    tmp_path: Path, videos: int, expected: tuple[int, int, int]
) -> None:
    touch(tmp_path, *(f"a/{n}.mp4" for n in range(videos)), *(f"b/{n}.mp4" for n in range(10)))
    counts = tuple(
        sum(name.startswith("a/") for name in names(opened(tmp_path, split)))
        for split in ("train", "validation", "test")
    )
    assert counts == expected


def test_groups_are_not_divided(tmp_path: Path) -> None:
    """Groups of videos across the classes, as the scenes g01 to g25 of UCF101."""
    touch(
        tmp_path,
        *(f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi" for label in ("Archery", "Rowing")
          for group in range(1, 26) for clip in range(1, 5)),
    )  # fmt: skip
    options = r"?group=_g(\d%2B)_"
    found = {s: names(opened(tmp_path, s, options)) for s in ("train", "validation", "test")}
    groups = {split: {name[-11:-8] for name in held} for split, held in found.items()}
    assert {split: len(held) for split, held in groups.items()} == {
        "train": 21,
        "validation": 2,
        "test": 2,
    }
    assert not groups["train"] & groups["test"] | groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    with pytest.raises(CannotRun, match=r"group=subject finds nothing in `Archery/v_Archery_g01"):
        opened(tmp_path, "train", "?group=subject")
    with pytest.raises(CannotRun, match=r"group=\( is not a regular expression"):
        opened(tmp_path, "train", "?group=(")


def test_two_large_groups_are_one_for_each_split(tmp_path: Path) -> None:
    """A group that is larger than the share is taken as a whole, and one stays for training."""
    touch(tmp_path, *(f"a/s{n % 3}_{n}.mp4" for n in range(30)))
    held = [names(opened(tmp_path, s, "?group=s%5Cd")) for s in ("train", "validation", "test")]
    assert sorted(len(group) for group in held) == [10, 10, 10]


# Layouts


SPLIT_FOLDERS = ("train/run/1.mp4", "train/jump/2.mp4", "validation/run/3.mp4", "test/run/4.mp4")


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ((), None),
        (("annotations/list.txt",), None),
        (("annotations/",), None),
        (("__MACOSX/train/._1.mp4",), None),
        (("videos_train/a.mp4",), "not used: 1 video in videos_train"),
        (("extra/run/5.mp4", "extra/run/6.mp4"), "not used: 2 videos in extra"),
        (("train/7.mp4",), "not used: 1 video in train beside the class folders"),
        (("Train-Set/run/8.mp4",), "Train-Set, train are one split, train"),
        (("train/Run/8.mp4",), "`Run`, `run` are different classes"),
    ],
)
def test_one_folder_named_as_a_split_decides(
    tmp_path: Path, more: tuple[str, ...], warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, *SPLIT_FOLDERS, *(name for name in more if not name.endswith("/")))
    for name in more:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    with caplog.at_level(logging.WARNING, "anetc.data"):
        data = opened(tmp_path)
    assert {"train/run/1.mp4", "train/jump/2.mp4"} <= set(names(data))
    assert set(data.classes) - {"Run"} == {"jump", "run"}
    assert names(opened(tmp_path, "validation")) == ["validation/run/3.mp4"]
    assert names(opened(tmp_path, "test")) == ["test/run/4.mp4"]
    assert (warning or "") in caplog.text
    assert bool(caplog.text) == (warning is not None)


@pytest.mark.parametrize(
    "names_of_splits",
    [
        ("Training", "VALID", "Testing"),
        ("train_set", "val-set", "test set"),
        ("train", "dev", "test"),
    ],
)
def test_other_names_of_splits(tmp_path: Path, names_of_splits: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{folder}/run/1.mp4" for folder in names_of_splits))
    for split, folder in zip(("train", "validation", "test"), names_of_splits):
        assert names(opened(tmp_path, split)) == [f"{folder}/run/1.mp4"]


def test_split_folders_in_the_class_folders(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "run/train/1.mp4", "run/test/2.mp4", "jump/train/x/3.mp4", "jump/4.mp4")
    with caplog.at_level(logging.WARNING, "anetc.data"):
        data = opened(tmp_path)
    assert (data.classes, names(data)) == (
        ("jump", "run"),
        ["jump/train/x/3.mp4", "run/train/1.mp4"],
    )
    assert names(opened(tmp_path, "test")) == ["run/test/2.mp4"]
    assert "not used: 1 video in jump" in caplog.text


def test_split_folders_one_level_deeper_are_refused_with_their_folder(tmp_path: Path) -> None:
    touch(tmp_path, *(f"videos/{name}" for name in SPLIT_FOLDERS), "annotations/list.txt")
    with pytest.raises(CannotRun, match=f"use --data {tmp_path}/videos"):
        opened(tmp_path)
    assert len(opened(tmp_path / "videos")) == 2


def test_class_folders_one_level_deeper_are_refused(tmp_path: Path) -> None:
    """The folder is the place where the data were unpacked."""
    touch(tmp_path, *(f"UCF-101/{label}/{n}.avi" for label in ("Archery", "Biking") for n in "ab"))
    with pytest.raises(CannotRun, match=f"use --data {tmp_path}/UCF-101 if these are the classes"):
        opened(tmp_path)
    assert opened(tmp_path, "train", "?layout=class").classes == ("UCF-101",)
    assert opened(tmp_path / "UCF-101").classes == ("Archery", "Biking")


def test_files_without_the_ending_of_a_video_are_named_in_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A class whose files have no endings would be lost without a word."""
    touch(tmp_path, "train/run/1.mp4", "train/run/notes.txt", "train/jump/2", "train/jump/3.rmvb")
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert opened(tmp_path).classes == ("run",)
    assert (
        "2 files have no ending of a video, or an unknown one, so not used: "
        "train/jump/2, train/jump/3.rmvb" in caplog.text
    )


def test_split_folders_without_class_folders_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.mp4", "test/2.mp4")
    with pytest.raises(CannotRun, match="train must contain a folder of videos for each class"):
        opened(tmp_path)
    assert opened(tmp_path, "train", "?layout=class&test=0&validation=0").classes == (
        "test",
        "train",
    )


def test_a_class_may_be_called_train(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Such as the vehicle."""
    touch(tmp_path, *(f"{label}/{n}.mp4" for label in ("bus", "train", "tram") for n in range(3)))
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert opened(tmp_path).classes == ("bus", "train", "tram")
    assert "the folder train is taken as a class" in caplog.text
    touch(tmp_path, "train/set 1/4.mp4")
    assert opened(tmp_path, "train", "?layout=class").classes == ("bus", "train", "tram")
    with pytest.raises(CannotRun, match="layout must be one of split, class-split, class"):
        opened(tmp_path, "train", "?layout=flat")


def test_class_folders_in_two_unicode_forms_are_one_class(tmp_path: Path) -> None:
    """As made by two computers, and a quarantine list in the other form."""
    composed = unicodedata.normalize("NFC", "préparer")
    split = unicodedata.normalize("NFD", composed)
    touch(tmp_path, f"train/{composed}/1.mp4", f"train/{split}/2.mp4", f"test/{split}/3.mp4")
    train, test = opened(tmp_path), opened(tmp_path, "test")
    assert train.classes == test.classes == (composed,)
    assert len(train) == 2
    assert (tmp_path / test.name(0)).is_file()
    (tmp_path / "quarantine.txt").write_text(
        f"train/{composed}/2.mp4\tbad\r\n", encoding="utf-8-sig"
    )
    assert names(opened(tmp_path)) == [f"train/{composed}/1.mp4"]


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
