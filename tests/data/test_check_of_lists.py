"""`anetc data info`, `check` and `flow` of lists of segments and labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import anetc
from tests.data.test_check import NO_VALIDATION, check

# Lists


@pytest.fixture
def segments(add: Callable[..., Path], tmp_path: Path) -> Path:
    """A table with three segments of one video of two seconds, and a missing video."""
    add("data/long.mp4", 50, noisy=True)
    add("data/short.mp4", 25, noisy=True)
    (tmp_path / "data/list.csv").write_text(
        "path,label,split,start,end\nlong.mp4,run,train,0,1\nlong.mp4,jump,train,1,2\n"
        "long.mp4,jump,test,1.5,9\nshort.mp4,run,test,5,6\ngone.mp4,run,train,0,1\n"
    )
    return tmp_path / "data"


def test_a_list_of_segments(segments: Path) -> None:
    code, found, head = check(segments, "--frames", 10)
    assert (code, head) == (1, "5 videos checked; 6 findings")
    assert found == {
        "split": [
            f"validation: {NO_VALIDATION}: name a list with the option validation=FILE, or use "
            "validation=10"
        ],
        "missing": ["gone.mp4#t=0,1: no such file: 0 frames readable; check the path"],
        "segment": ["short.mp4#t=5,6: it begins after the end of the video, at 1.00 s"],
        "short": ["long.mp4#t=1.5,9: 6 frames at 12.5 a second (0.48 s); a clip has 10"],
        "copy": ["long.mp4#t=1,2: it is in train and test: list.csv:3, list.csv:4"],
        "cut-action": ["long.mp4#t=1.5,9: the segment ends after the video, which ends at 2.00 s"],
    }
    done = anetc("data", "info", segments, "--classes")
    assert [line.split() for line in done.out.splitlines()[-2:]] == [
        ["jump", "1", "1"],
        ["run", "2", "1"],
    ]


def test_flow_of_a_list_is_computed_once_for_each_file(segments: Path) -> None:
    (segments / "list.csv").write_text("long.mp4 0\nshort.mp4 1\n")
    done = anetc("data", "flow", segments, "--short-side", 16, "--workers", 1)
    assert (done.code, done.out.split(": ")[1].split(" (")[0]) == (0, "2 computed")


def test_rows_of_one_video_with_different_labels(tmp_path: Path, add: Callable[..., Path]) -> None:
    add("data/a.mp4", 25, noisy=True)
    add("data/b.mp4", 26, noisy=True)
    (tmp_path / "data/train.txt").write_text("a.mp4 0\nb.mp4 1\na.mp4 1\nb.mp4 1\n")
    _, found, _ = check(tmp_path / "data", "--frames", 10)
    assert found["repeated"] == [
        "a.mp4: listed in train.txt:1 and train.txt:3; their labels differ, and the first is used",
        "b.mp4: listed in train.txt:2 and train.txt:4",
    ]


def test_info_lists_classes_without_videos(tmp_path: Path, add: Callable[..., Path]) -> None:
    add("data/a.mp4", 2)
    add("data/b.mp4", 2)
    (tmp_path / "data/train.txt").write_text("a.mp4 0\nb.mp4 2\n")
    (tmp_path / "data/names").write_text("run\njump\nswim\nwalk\n")
    done = anetc("data", "info", f"{tmp_path / 'data'}?classes=names", "--classes")
    assert [line.split() for line in done.out.splitlines()[-4:]] == [
        ["jump", "0"],
        ["run", "1"],
        ["swim", "1"],
        ["walk", "0"],
    ]
