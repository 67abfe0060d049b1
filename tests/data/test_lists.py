"""The format `list`: lists of paths and tables; missing, repeated and renamed files."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.listing import list_videos
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun

RECIPE = Recipe(frames=4, size=(16, 16), short_side=16, when="random", where="random")


def opened(data: object, split: Any = "train", options: str = "") -> Any:
    spec = parse_spec(f"{data}{options}")
    assert spec.format == "list"
    return open_data(spec, split, RECIPE, flow=False)


def names(data: Any) -> list[str]:
    return [data.name(index) for index in range(len(data))]


def labels(data: Any) -> list[str]:
    return [data.classes[data.target(index)] for index in range(len(data))]


def write(folder: Path, **files: str) -> Path:
    """Write lists; `__` in a name is a slash, `_0` a dot. Videos are empty files."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_0", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def touch(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


# Lists of paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.mp4 0\nb c.mp4 2\n", {"a.mp4": [0], "b c.mp4": [2]}),
        ("a.mp4,0\r\nb c.mp4,2\r\n", {"a.mp4": [0], "b c.mp4": [2]}),
        ("\ufeffa.mp4\t1\n\nb c.mp4\t0\n", {"a.mp4": [1], "b c.mp4": [0]}),
        ('a.mp4 0 2\n"b c.mp4" 1\n', {"a.mp4": [0, 2], "b c.mp4": [1]}),
        ('a.mp4 "0,2"\nb c.mp4 1,0\n', {"a.mp4": [0, 2], "b c.mp4": [1, 0]}),
        ("a.mp4,jump\nb c.mp4,riding a bike, not\n", None),
        ("a.mp4 jump\nb c.mp4 riding a bike\n", {"a.mp4": [0], "b c.mp4": [1]}),
        ("./a.mp4 0\n/b c.mp4 2\n", {"a.mp4": [0], "b c.mp4": [2]}),
        ("a 0\nb c 2\n", {"a.mp4": [0], "b c.mp4": [2]}),
    ],
)
def test_lists_of_paths(tmp_path: Path, text: str, expected: dict[str, list[int]] | None) -> None:
    """Lists of mmaction2 and SlowFast."""
    write(tmp_path, train_0csv=text)
    touch(tmp_path, "videos/a.mp4", "videos/b c.mp4")
    options = "?videos=videos&kind=paths&train=train.csv"
    if expected is None:
        with pytest.raises(CannotRun, match=r"train.csv:2: .*needs? a table"):
            opened(f"list:{tmp_path}", "train", options)
        return
    data = opened(f"list:{tmp_path}", "train", options)
    several = any(len(numbers) > 1 for numbers in expected.values())
    assert data.multi_label == several
    found = {
        name.removeprefix("videos/"): np.flatnonzero(target).tolist() if several else [target]
        for name, target in ((data.name(i), data.target(i)) for i in range(2))
    }
    assert found == {name: sorted(numbers) for name, numbers in expected.items()}


def test_lists_of_mmaction2_are_guessed(tmp_path: Path) -> None:
    write(
        tmp_path,
        annotations__k400_train_list_videos_0txt="t/a.mp4 1\n",
        annotations__k400_val_list_videos_0txt="v/b.mp4 0\n",
        annotations__label_map_k400_0txt="abseiling\nzumba\n",
    )
    touch(tmp_path, "t/a.mp4", "v/b.mp4")
    train = opened(tmp_path, "train", "?classes=annotations/label_map_k400.txt")
    assert labels(train) == ["zumba"]
    assert opened(tmp_path).classes == ("class 0", "class 1")
    assert names(opened(tmp_path, "validation")) == ["v/b.mp4"]


def test_lists_of_frames_are_refused(tmp_path: Path) -> None:
    write(tmp_path, train_0txt="some/folder 163 1\n")
    with pytest.raises(CannotRun, match="only video files can be used"):
        opened(f"list:{tmp_path}", "train", "?kind=paths&train=train.txt")


@pytest.mark.parametrize(
    ("names_text", "numbers", "options", "expected"),
    [
        ("1 run\n2 jump\n", "0 1", "", ["run", "jump"]),
        ("1 run\n2 jump\n", "2 1", "", ["jump", "run"]),
        ("1 run\n2 jump\n", "1 1", "", None),
        ("1 run\n2 jump\n", "1 1", "&first=0", ["jump", "jump"]),
        ("run\njump\n", "1 0", "", ["jump", "run"]),
        ("run,0\njump,1\n", "1 0", "", ["jump", "run"]),
        ("id,name\n0,run\n1,jump\n", "1 0", "", ["jump", "run"]),
        ('{"run": 0, "jump": "1"}', "1 0", "", ["jump", "run"]),
        ('["run", "jump"]', "1 0", "", ["jump", "run"]),
    ],
)
def test_names_of_numbered_classes(
    tmp_path: Path, names_text: str, numbers: str, options: str, expected: list[str] | None
) -> None:
    rows = "".join(f"{n}.mp4 {label}\n" for n, label in enumerate(numbers.split()))
    write(tmp_path, train_0txt=rows, names=names_text)
    touch(tmp_path, "0.mp4", "1.mp4")
    if expected is None:
        with pytest.raises(CannotRun, match="add the option first=0 or first=1"):
            opened(tmp_path, "train", f"?classes=names{options}")
    else:
        assert labels(opened(tmp_path, "train", f"?classes=names{options}")) == expected
        (tmp_path / "train.txt").write_text("0.mp4 0\n1.mp4 7\n")
        with pytest.raises(CannotRun, match="there is no class 7; the 2 classes begin with 0"):
            opened(tmp_path, "train", "?classes=names&first=0")


# Tables

TABLE = 'path,label,split\nx/a.mp4,run,train\nx/b.mp4,"jump, high",test\n'


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("\n", "\r\n").encode("utf-16").decode("utf-16"),
        "File Name\tClass\tSubset\nx/a.mp4\trun\tTraining\nx/b.mp4\tjump, high\tTEST\n",
        "split;label;video_path;other\ntrain;run;x\\a.mp4;1\ntest;jump, high;x\\b.mp4;2\n",
    ],
)
def test_tables(tmp_path: Path, text: str) -> None:
    write(tmp_path, table_0csv=text)
    touch(tmp_path, "x/a.mp4", "x/b.mp4")
    for data in (tmp_path, tmp_path / "table.csv"):
        assert (names(opened(data)), labels(opened(data))) == (["x/a.mp4"], ["run"])
        assert (names(opened(data, "test")), labels(opened(data, "test"))) == (
            ["x/b.mp4"],
            ["jump, high"],
        )
    assert opened(tmp_path).classes == ("jump, high", "run")


def test_a_table_as_excel_writes_unicode_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path\tlabel\r\na.mp4\tsaut à la perche\r\n".encode("utf-16"))
    touch(tmp_path, "a.mp4")
    assert opened(tmp_path / "t.csv").classes == ("saut à la perche",)


def test_tables_with_several_labels(tmp_path: Path, add: Callable[..., Path]) -> None:
    """The sigmoid loss and mAP follow from `multi_label`, as for Charades."""
    write(tmp_path, t_0csv="path,labels,split\na.mp4,run;jump,train\nb.mp4,run,train\n")
    add("a.mp4")
    add("b.mp4")
    data = opened(tmp_path)
    assert data.multi_label
    assert data.classes == ("jump", "run")
    assert data.target(0).tolist() == [1, 1]
    assert data.sample(1, seed=0, epoch=0).target.tolist() == [0, 1]
    assert data.target(1).dtype == np.float32
    with pytest.raises(CannotRun, match=r"t.csv:2: several labels, but .* labels=one"):
        opened(tmp_path, "train", "?labels=one")


def test_a_table_without_splits_is_split_by_hash(tmp_path: Path) -> None:
    """Stratified by class, and the segments of a video stay together."""
    rows = [f"v{n}.mp4,{'ab'[n % 2]},{part},{part + 1}" for n in range(20) for part in range(3)]
    write(tmp_path, t_0csv="path,label,start,end\n" + "\n".join(rows))
    touch(tmp_path, *(f"v{n}.mp4" for n in range(20)))
    found = {split: names(opened(tmp_path, split)) for split in ("train", "validation", "test")}
    assert {split: len(held) for split, held in found.items()} == {
        "train": 48,
        "validation": 6,
        "test": 6,
    }
    videos = [{name.split("#")[0] for name in held} for held in found.values()]
    assert not videos[0] & videos[1] | videos[0] & videos[2] | videos[1] & videos[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4\n", r"t.csv:2: there is no label"),
        ("path,label\n,run\n", r"t.csv:2: there is no path"),
        (
            "path,label,start,end\na.mp4,run,3,2\n",
            r"t.csv:2: the segment ends at 2 and begins at 3",
        ),
        ("path,label,start,end\na.mp4,run,3,\n", r"t.csv:2: a segment needs both"),
        ("path,label,start,end\na.mp4,run,x,2\n", r"t.csv:2: `x` is not a time in seconds"),
        ("path,label,split\na.mp4,run,tarin\n", r"t.csv:2: `tarin` is not train, validation or"),
        ("path,label,split\na.mp4,run,\nb.mp4,run,test\n", r"t.csv:2: there is no split, but"),
        ("path,label\na.mp4,run,more\n", r"t.csv:2: 3 cells, but the table has 2 columns"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, t_0csv=text)
    touch(tmp_path, "a.mp4", "b.mp4")
    with pytest.raises(CannotRun, match=message):
        opened(tmp_path)


# Missing, repeated and renamed files


def test_missing_videos_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, train_0txt="".join(f"{n}.mp4 0\n" for n in range(40)))
    touch(tmp_path, *(f"{n}.mp4" for n in range(40) if n not in (7, 9)))
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert len(opened(tmp_path)) == 38
    assert "2 of the 40 train videos are missing: 7.mp4, 9.mp4" in caplog.text
    (tmp_path / "8.mp4").unlink()
    with pytest.raises(CannotRun, match=r"3 of the 40 .* more than 5 %; leave them out by a quar"):
        opened(tmp_path)
    assert len(opened(tmp_path, "train", "?missing=10")) == 37
    assert len(opened(tmp_path, "train", "?missing=keep")) == 40
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        CannotRun, match=r"40 of the 40 .* name their folder with the option videos"
    ):
        opened(tmp_path, "train", "?videos=empty")


def test_names_in_other_unicode_forms(tmp_path: Path) -> None:
    """A list in one form, files and folders in the other, and classes in both."""
    composed, split = "été/café.mp4", unicodedata.normalize("NFD", "été/café.mp4")
    assert composed != split
    rows = f"path,label\n{composed},né\nb.mp4,{unicodedata.normalize('NFD', 'né')}\n"
    write(tmp_path, train_0csv=rows)
    touch(tmp_path, split, "b.mp4")
    data = opened(tmp_path)
    assert data.classes == ("né",)
    assert names(data) == [split, "b.mp4"]
    assert (tmp_path / data.name(0)).is_file()
    (tmp_path / "quarantine.txt").write_text(f"{composed}\tbad\n", encoding="utf-8")
    assert names(opened(tmp_path)) == ["b.mp4"]


def test_repeated_videos_and_videos_in_two_splits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        tmp_path,
        train_0txt="a.mp4 0\nb.mp4 1\na.mp4 1\n",
        test_0txt="b.mp4 1\n",
    )
    touch(tmp_path, "a.mp4", "b.mp4")
    with caplog.at_level(logging.WARNING, "anetc.data"):
        data = opened(tmp_path)
    assert (names(data), data.target(0)) == (["a.mp4", "b.mp4"], 0)
    assert "listed more than once: a.mp4" in caplog.text
    assert "also in another split: b.mp4" in caplog.text
    several = opened(tmp_path, "train", "?labels=several")
    assert several.target(0).tolist() == [1, 1]


def test_one_list_for_each_split(tmp_path: Path) -> None:
    write(tmp_path, a_0csv="x.mp4,0\n", b_0csv="y.mp4,1\n", c_0csv="z.mp4,1\n")
    touch(tmp_path, "x.mp4", "y.mp4", "z.mp4")
    options = "?train=a.csv&validation=b.csv&test=c.csv"
    for split, name in (("train", "x.mp4"), ("validation", "y.mp4"), ("test", "z.mp4")):
        assert names(opened(f"list:{tmp_path}", split, options)) == [name]
    assert names(opened(f"{tmp_path}/a.csv", "test", "?test=c.csv")) == ["z.mp4"]
    with pytest.raises(CannotRun, match=r"validation=d.csv: no such file"):
        opened(f"list:{tmp_path}", "train", "?train=a.csv&validation=d.csv")
    with pytest.raises(CannotRun, match="name it with the option kind="):
        opened(f"list:{tmp_path}")


def test_data_info_lists_segments_and_files_once(tmp_path: Path) -> None:
    write(
        tmp_path, t_0csv="path,label,split,start,end\na.mp4,x,train,0,1\na.mp4,y,train,0:01,2.5\n"
    )
    touch(tmp_path, "a.mp4")
    listing = list_videos(parse_spec(str(tmp_path)))
    assert [entry.name for entry in listing.entries] == ["a.mp4#t=0,1", "a.mp4#t=1,2.5"]
    assert listing.paths() == ["a.mp4"]
