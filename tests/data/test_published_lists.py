"""Lists of published data sets: Kinetics, UCF101, HMDB51 and Something-Something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anetdsl.errors import CannotRun
from tests.data.test_lists import labels, names, opened, touch, write

# Kinetics

KINETICS = "label,youtube_id,time_start,time_end,split\n"


def test_kinetics(tmp_path: Path) -> None:
    """Files with times in any folder, files with the id alone, and both file names of a split."""
    write(
        tmp_path,
        **{
            "kinetics_train_0csv": f"{KINETICS}air drumming,-0AB_c,12,22,train\n"
            'riding a bike,"=x1",0,10,train\n',
            "kinetics_val_0csv": f"{KINETICS}air drumming,zzz,95,105,validate\n",
            "kinetics_test_0csv": "youtube_id,time_start,time_end,split\nqqq,1,11,test\n",
        },
    )
    touch(
        tmp_path,
        "videos/train/air drumming/-0AB_c_000012_000022.mp4",
        "videos/train/riding_a_bike/=x1_000000_000010.mkv",
        "videos/val/zzz.mp4",
    )
    train, validation = opened(tmp_path), opened(tmp_path, "validation")
    assert names(train) == [
        "videos/train/air drumming/-0AB_c_000012_000022.mp4",
        "videos/train/riding_a_bike/=x1_000000_000010.mkv",
    ]
    assert labels(train) == ["air drumming", "riding a bike"]
    # Whether this file is the segment, its length tells when it is read.
    assert names(validation) == ["videos/val/zzz.mp4#t=95,105"]
    assert labels(validation) == ["air drumming"]
    with pytest.raises(CannotRun, match="the test list has no labels; use another split"):
        opened(tmp_path, "test")


def test_a_whole_video_of_kinetics_is_cut_and_a_cut_one_is_not(
    tmp_path: Path, add: Callable[..., Path], numbers: Callable[..., Any]
) -> None:
    write(tmp_path, train_0csv=f"{KINETICS}a,cut,30,31,train\nb,whole,1,2,train\n")
    add("cut.mp4", 25)
    add("whole.mp4", 75)
    data = opened(tmp_path)
    cut, whole = (data.reader, data)
    assert cut.root == tmp_path
    parts = [clip.segment.on_grid(12.5, 13, 1.0) for clip in data.clips[:1]]
    assert parts == [(0, 13)]
    assert whole.clips[1].segment.on_grid(12.5, 38, 3.0) == (13, 12)
    assert data.sample(0, seed=0, epoch=0).rgb.shape == (1, 4, 16, 16, 3)
    assert data.sample(1, seed=0, epoch=0).rgb.shape == (1, 4, 16, 16, 3)


# UCF101 and HMDB51


@pytest.fixture
def ucf101(tmp_path: Path) -> Path:
    groups = [f"v_{label}_g{group:02d}_c{clip:02d}" for label in ("Archery", "Biking")
              for group in range(1, 13) for clip in (1, 2)]  # fmt: skip
    listed = [f"{name.split('_')[1]}/{name}.avi" for name in groups]
    test = [name for name in listed if "_g01_" in name or "_g02_" in name]
    train = [name for name in listed if name not in test]
    number = {"Archery": 1, "Biking": 2}
    write(
        tmp_path,
        ucfTrainTestlist__classInd_0txt="1 Archery\r\n2 Biking\r\n",
        ucfTrainTestlist__trainlist01_0txt="".join(
            f"{name} {number[name.split('/')[0]]}\r\n" for name in train
        ),
        ucfTrainTestlist__testlist01_0txt="\n".join(test),
        ucfTrainTestlist__trainlist02_0txt=f"{test[0]} 1\n",
        ucfTrainTestlist__testlist02_0txt=train[0],
    )
    return touch(tmp_path, *(f"UCF-101/{name}" for name in listed))


def test_ucf101(ucf101: Path) -> None:
    train, test = opened(ucf101), opened(ucf101, "test")
    assert train.classes == test.classes == ("Archery", "Biking")
    assert len(train) == 40
    assert names(test)[:3] == [
        f"UCF-101/Archery/v_Archery_{name}.avi" for name in ("g01_c01", "g01_c02", "g02_c01")
    ]
    assert labels(test) == ["Archery"] * 4 + ["Biking"] * 4
    second = opened(ucf101, "train", "?split=2")
    assert names(second) == ["UCF-101/Archery/v_Archery_g01_c01.avi"]
    with pytest.raises(CannotRun, match=r"train \(40\), test \(8\).*validation=10"):
        opened(ucf101, "validation")


def test_the_validation_split_of_ucf101_keeps_groups_together(ucf101: Path) -> None:
    train, held = (
        {name[-11:-8] for name in names(opened(ucf101, split, "?validation=20"))}
        for split in ("train", "validation")
    )
    assert len(held) == 2
    assert len(train) == 8
    assert not train & held


def test_wrong_classes_of_ucf101(ucf101: Path) -> None:
    path = ucf101 / "ucfTrainTestlist" / "trainlist01.txt"
    path.write_text("Archery/v_Archery_g03_c01.avi 2\n")
    with pytest.raises(CannotRun, match=r"trainlist01.txt:1: the class 2 .* is not Archery"):
        opened(ucf101)
    path.write_text("Archry/v_Archery_g03_c01.avi 1\n")
    with pytest.raises(CannotRun, match="did you mean `Archery`"):
        opened(ucf101)


def test_hmdb51(tmp_path: Path) -> None:
    """Names with signs, line ends of Windows, trailing spaces; 0 is in neither split."""
    lists = "testTrainMulti_7030_splits"
    write(
        tmp_path,
        **{
            f"{lists}__brush_hair_test_split1_0txt": "#1 a;b_&_c_med_3.avi 1 \r\n"
            "x.avi 2\r\ny.avi 0 \r\n",
            f"{lists}__wave_test_split1_0txt": "w.avi 1\nv.avi 2\n",
            f"{lists}__wave_test_split2_0txt": "v.avi 1\n",
        },
    )
    touch(
        tmp_path, *(f"hmdb51_org/brush_hair/{name}" for name in ("#1 a;b_&_c_med_3.avi", "x.avi"))
    )
    touch(tmp_path, "hmdb51_org/wave/w.avi", "hmdb51_org/wave/v.avi")
    train, test = opened(tmp_path), opened(tmp_path, "test")
    assert names(train) == ["hmdb51_org/brush_hair/#1 a;b_&_c_med_3.avi", "hmdb51_org/wave/w.avi"]
    assert labels(test) == ["brush_hair", "wave"]
    assert names(opened(tmp_path, "train", "?split=2")) == ["hmdb51_org/wave/v.avi"]


# Something-Something


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_something_something(tmp_path: Path, prefix: str) -> None:
    classes = {"Holding something next to something": "1", "Bending something": "0"}
    entries = [
        {
            "id": "7",
            "label": "holding potato next to bottle",
            "template": "Holding [something] next to [something]",
            "placeholders": ["potato", "bottle"],
        }
    ]
    held = [{"id": "8", "label": "bending a spoon", "template": "Bending [something]"}]
    for name, value in (("labels", classes), ("train", entries), ("validation", held)):
        (tmp_path / f"{prefix}{name}.json").write_text(json.dumps(value), encoding="utf-8-sig")
    (tmp_path / f"{prefix}test.json").write_text('[{"id": "9"}]')
    touch(tmp_path, "20bn-something-something-v2/7.webm", "20bn-something-something-v2/8.webm",
          "20bn-something-something-v2/9.webm")  # fmt: skip
    train = opened(tmp_path)
    assert train.classes == ("Bending something", "Holding something next to something")
    assert names(train) == ["20bn-something-something-v2/7.webm"]
    assert labels(train) == ["Holding something next to something"]
    assert labels(opened(tmp_path, "validation")) == ["Bending something"]
    with pytest.raises(CannotRun, match="the test list has no labels"):
        opened(tmp_path, "test")
    (tmp_path / f"{prefix}test-answers.csv").write_text("9;Bending something\n")
    assert labels(opened(tmp_path, "test")) == ["Bending something"]
