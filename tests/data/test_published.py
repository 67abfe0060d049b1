"""The formats `moments` and `charades`: their published files, with all peculiarities."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.data.formats.charades_lists import read_rows
from anetc.data.formats.moments import read_categories
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun

RECIPE = Recipe(frames=25, size=(24, 24), short_side=24, when="random")
"""A recipe of clips of two seconds."""


def opened(text: str, split: Any, recipe: Recipe = RECIPE) -> Any:
    return open_data(parse_spec(text), split, recipe, flow=False)


def names(data: Any) -> list[str]:
    return [data.name(index) for index in range(len(data))]


# Moments in Time


@pytest.fixture
def moments(tmp_path: Path) -> Path:
    """The lists, without videos."""
    (tmp_path / "moments_categories.txt").write_text("jumping,1\nplaying,fast,2\n\nadult+male,0\n")
    (tmp_path / "trainingSet.csv").write_text(
        "jumping/a.mp4,jumping,3,1\n"
        '"playing,fast/b c.mp4","playing,fast",2,0\r\n'
        "\n"
        "training/adult+male/ä.mp4,adult+male\n"
        "jumping/a.mp4,jumping,3,1\n",
        encoding="utf-8-sig",
    )
    (tmp_path / "validationSet.csv").write_text("jumping/v.mp4,jumping,4,0")
    return tmp_path


def test_moments(moments: Path) -> None:
    train, validation = (opened(f"moments:{moments}", s) for s in ("train", "validation"))
    assert train.classes == ("adult+male", "jumping", "playing,fast")
    assert names(train) == [
        "training/jumping/a.mp4",
        "training/playing,fast/b c.mp4",
        "training/adult+male/ä.mp4",
    ]
    assert [train.target(n) for n in range(3)] == [1, 2, 0]
    assert (names(validation), validation.target(0)) == (["validation/jumping/v.mp4"], 1)
    assert not train.multi_label
    with pytest.raises(CannotRun, match="no labels for its test set; use the validation split"):
        opened(f"moments:{moments}", "test")


def test_videos_of_moments_are_in_the_folder_of_their_split(
    moments: Path, add: Callable[..., Path]
) -> None:
    add("validation/jumping/v.mp4", 75)
    sample = opened(f"moments:{moments}", "validation").sample(0, seed=0, epoch=0)
    assert sample.rgb.shape == (1, 25, 24, 24, 3)


def test_videos_with_names_in_another_unicode_form(moments: Path, add: Callable[..., Path]) -> None:
    """The list has one character for ä, the disk has two."""
    add(unicodedata.normalize("NFD", "training/adult+male/ä.mp4"), 75)
    data = opened(f"moments:{moments}", "train")
    assert data.name(2) == unicodedata.normalize("NFD", "training/adult+male/ä.mp4")
    assert data.sample(2, seed=0, epoch=0).rgb.shape == (1, 25, 24, 24, 3)
    (moments / "quarantine.txt").write_text("training/adult+male/ä.mp4\n", encoding="utf-8")
    assert len(opened(f"moments:{moments}", "train")) == 2


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("trainingSet.csv", "a/x.mp4,jumpin,3,1", r":1: `jumpin` is not in .*mean `jumping`"),
        ("trainingSet.csv", "\na/x.mp4", r":2: expected `path,label,votes for,votes against`"),
        ("trainingSet.csv", "../x.mp4,jumping,1,0", r":1: `../x.mp4` is not a path below training"),
        ("trainingSet.csv", "/x.mp4,jumping,1,0", r":1: `/x.mp4` is not a path below training"),
        ("trainingSet.csv", None, "trainingSet.csv: no such file"),
        ("moments_categories.txt", "a,0\nb", r":2: expected `name,index`, not `b`"),
        ("moments_categories.txt", "a,0\nb,0", r":2: the number 0 is already that of `a`"),
        ("moments_categories.txt", "a,0\nb,2", "there is no class 1"),
        ("moments_categories.txt", "a,0\na,1", "two classes have the same name"),
    ],
)
def test_wrong_lists_of_moments_are_errors(
    moments: Path, file: str, text: str | None, message: str
) -> None:
    if text is None:
        (moments / file).unlink()
    else:
        (moments / file).write_text(text)
    with pytest.raises(CannotRun, match=message):
        opened(f"moments:{moments}", "train")


def test_the_categories_define_the_classes(tmp_path: Path) -> None:
    """Also classes without videos."""
    path = tmp_path / "moments_categories.txt"
    path.write_text("".join(f"class {n},{n}\n" for n in range(339)))
    assert len(read_categories(path)) == 339


# Charades

HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
CLASSES = "".join(f"c{n:03d} Doing {n}, or so\n" for n in range(157))


def row(id_: str, actions: str, length: str, subject: str = "S1") -> str:
    return f'{id_},{subject},Kitchen,6,7,Yes,"A person, who ""walks"".",a;b,,{actions},{length}\n'


@pytest.fixture
def charades(tmp_path: Path, add: Callable[..., Path]) -> Path:
    """Two training videos of ten seconds, three without a file, and a test video."""
    (tmp_path / "Charades_v1_classes.txt").write_text(CLASSES)
    (tmp_path / "Charades_v1_train.csv").write_text(
        f"{HEADER}\n"
        + row("AAAAA", "c092 0.00 2.50;c147 7.00 19.00", "10.00")
        + row("BBBBB", "", "10.00", "S2")
        + row("CCCCC", "c001 5.00 5.00;c002 6.00 4.00;c003 11.00 12.00;c003 1.00 2.00", "10.00")
        + row("DDDDD", "c004 5.00 50.00", "", "S3")
    )
    (tmp_path / "Charades_v1_test.csv").write_text(
        f"{HEADER.removesuffix(',length')}\n" + "TTTTT,S9,,,,,,,,c156 3.00 1.00;c000 0.00 9.00\n"
    )
    for name in ("AAAAA", "TTTTT"):
        add(f"Charades_v1_480/{name}.mp4", 250)
    return tmp_path


def classes(target: Any) -> list[int]:
    assert target.shape == (157,)
    assert target.dtype == np.float32
    return np.flatnonzero(target).tolist()


def test_charades(charades: Path) -> None:
    """A video has the classes of all its actions, also of empty ones."""
    train, test = (opened(f"charades:{charades}", split) for split in ("train", "test"))
    assert names(train) == ["AAAAA", "BBBBB", "CCCCC", "DDDDD"]
    assert [classes(train.target(n)) for n in range(4)] == [[92, 147], [], [1, 2, 3], [4]]
    assert train.multi_label
    assert train.classes[92] == "Doing 92, or so"
    assert classes(test.target(0)) == [0, 156]


def test_actions_in_time(charades: Path) -> None:
    """Actions are cut at the end of the video; empty ones are dropped and counted."""
    rows, empty = read_rows(charades / "Charades_v1_train.csv", 157)
    assert rows[0].actions == ((92, 0.0, 2.5), (147, 7.0, 10.0))
    assert (rows[0].cut, rows[0].empty) == (1, 0)
    assert rows[2].actions == ((3, 1.0, 2.0),)
    assert (rows[2].cut, rows[2].empty) == (1, 3)
    assert (rows[3].length, rows[3].actions) == (None, ((4, 5.0, 50.0),))
    assert empty == 3


def test_a_training_clip_has_the_classes_of_overlapping_actions(charades: Path) -> None:
    data = opened(f"charades:{charades}", "train")
    seen = set()
    for epoch in range(12):
        sample = data.sample(0, seed=0, epoch=epoch)
        seen.add(tuple(classes(sample.target)))
    assert seen == {(92,), (147,), ()}
    whole = opened(f"charades:{charades}", "train", Recipe(200, (24, 24), 24, when="random"))
    assert classes(whole.sample(0, seed=0, epoch=1).target) == [92, 147]
    video = opened(f"charades:{charades}?labels=video", "train")
    assert {tuple(classes(video.sample(0, seed=0, epoch=e).target)) for e in range(3)} == {
        (92, 147)
    }


def test_test_clips_have_the_classes_of_the_video(charades: Path) -> None:
    recipe = Recipe(frames=25, size=(24, 24), short_side=24, when="random", clips=5)
    sample = opened(f"charades:{charades}", "test", recipe).sample(0, seed=0, epoch=0)
    assert classes(sample.target) == [0, 156]
    assert len(sample.rgb) == 5


def test_validation_takes_subjects_of_the_training_list(charades: Path) -> None:
    with pytest.raises(CannotRun, match="validation=10 takes 10 % of the subjects"):
        opened(f"charades:{charades}", "validation")
    parts = [
        names(opened(f"charades:{charades}?validation=50", s)) for s in ("train", "validation")
    ]
    assert sorted(parts[0] + parts[1]) == ["AAAAA", "BBBBB", "CCCCC", "DDDDD"]
    assert {"AAAAA", "CCCCC"} <= set(parts[0]) or {"AAAAA", "CCCCC"} <= set(parts[1])


def test_other_folders_of_charades(charades: Path) -> None:
    """The lists in the folder of their archive, the videos in the folder of an option."""
    (charades / "Charades").mkdir()
    for file in (*charades.glob("*.csv"), *charades.glob("*.txt")):
        file.rename(charades / "Charades" / file.name)
    (charades / "Charades_v1_480").rename(charades / "small")
    with pytest.raises(CannotRun, match="no folder Charades_v1_480 or Charades_v1 with the videos"):
        opened(f"charades:{charades}", "train")
    data = opened(f"charades:{charades}?videos=small", "train")
    assert data.sample(0, seed=0, epoch=0).name == "AAAAA"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train.csv", "id,length\nA,1\n", r"train.csv:1: the header has no column actions"),
        ("train.csv", f"{HEADER}\n{row('A', 'c157 1 2', '9')}", r":2: A: there is no class c157"),
        (
            "train.csv",
            f"{HEADER}\n{row('A', 'c15 1', '9')}",
            r":2: expected `cNNN start end`, not `c15 1`",
        ),
        ("train.csv", f"{HEADER}\n{row('A', 'c15 1 x', '9')}", r":2: `x` is not a time in seconds"),
        ("train.csv", f"{HEADER}\n{row('A', '', 'nan')}", r":2: `nan` is not a time in seconds"),
        ("train.csv", f"{HEADER}\n{row('../A', '', '9')}", r":2: `../A` is not a video id"),
        (
            "train.csv",
            HEADER + "\n" + 2 * row("A", "", "9"),
            r":3: A is already in line 2",
        ),
        ("train.csv", "", "the train split is empty"),
        ("classes.txt", "c000 a\nc002 b\n", r"classes.txt:2: expected `c001 name`, not `c002 b`"),
        ("classes.txt", "", "the file has no classes"),
    ],
)
def test_wrong_lists_of_charades_are_errors(
    charades: Path, file: str, text: str, message: str
) -> None:
    (charades / f"Charades_v1_{file}").write_text(text)
    with pytest.raises(CannotRun, match=message):
        opened(f"charades:{charades}", "train")


@pytest.mark.parametrize("option", ["labels=frames", "validation=100", "subjects=3"])
def test_wrong_options_of_charades_are_errors(charades: Path, option: str) -> None:
    with pytest.raises(CannotRun, match=option.partition("=")[0]):
        opened(f"charades:{charades}?{option}", "train")
