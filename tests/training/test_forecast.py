"""The forecast of a run: what a step costs, what is cheaper, and flow that is missing."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.data.upkeep.missing_flow import training_flow
from anetc.data.values import DataSpec
from anetc.training.run.watcher import StepReport
from anetc.training.step_cost import StepCost, StepTimer
from anetc.video.flow.fields import timed_flow, whole_flow
from anetdsl.evolve.drive import search
from tests.command_line import Result, anetc
from tests.data.conftest import add, film, numbers
from tests.evolve.method import COMMAND
from tests.training.running import TEXT, outcome, run

__all__ = ["add", "film", "numbers"]

COST = StepCost(clips=8, reading=4.0, flow=3.0, computing=2.0, workers=0)
RECIPE = recipes_for(DataSpec("folder", "x")).train


@attrs.define
class Messages:
    """A watcher that keeps the messages."""

    lines: list[str] = attrs.field(factory=list)
    reports: list[StepReport] = attrs.field(factory=list)

    def message(self, text: str) -> None:
        self.lines.append(text)

    def steps_done(self, report: StepReport) -> None:
        self.reports.append(report)


@pytest.mark.parametrize(
    ("cost", "line"),
    [
        (
            COST,
            "a step takes about 6 s: 4 s to read 8 clips (3 s of it to compute optical flow), and "
            "2 s to compute; 100 steps take about 10 min",
        ),
        (
            StepCost(1, 8.0, 0.0, 2.0, 2),
            "a step takes about 4 s: 8 s to read 1 clip, shared by 2 workers, and 2 s to compute; "
            "100 steps take about 6 min 40 s",
        ),
        (
            StepCost(4, 0.25, 0.0, None, 0),
            "a step takes about 0.25 s to read 4 clips; its computation is measured in the first "
            "steps",
        ),
    ],
)
def test_the_cost_of_a_step(cost: StepCost, line: str) -> None:
    assert cost.line(100) == line


def test_advice() -> None:
    def advice(cost: StepCost, steps: int, *, misses_flow: bool = False) -> list[str]:
        found = cost.advice(RECIPE, steps=steps, videos=40, batch=8, misses_flow=misses_flow)
        return list(found)

    quick = StepCost(8, 0.001, 0.0, 0.1, 0)
    assert advice(quick, 5000) == []
    assert advice(COST, 10) == []
    assert advice(COST, 10, misses_flow=True) == ["--make-flow saves 3 s of a step"]
    reading = StepCost(8, 4.0, 0.0, 2.0, 0)
    assert advice(reading, 500) == ["--workers 2 reads clips while steps are computed"]
    assert advice(attrs.evolve(reading, workers=2), 500) == []
    assert advice(attrs.evolve(reading, workers=2), 5000) == [
        "fewer --iterations: 5,000 steps read each of the 40 training videos 1,000 times",
        "smaller clips: --frames 8 --size 56 has an eighth of the values",
    ]


def test_a_wrong_forecast_is_corrected_once() -> None:
    def line(step: float, warm_up: int = 0, left: int = 100) -> str | None:
        return StepTimer(COST, warm_up).report(2, 2 * step, step, left)

    assert line(6.5) is None
    assert line(60.0) == (
        "a step took 1 min, 30 s of it waiting for clips; 100 steps take about 1 h 40 min"
    )
    assert line(60.0, left=0) is None
    assert line(60.0, warm_up=1) is None
    timer = StepTimer(COST, 1)
    found = [timer.report(1, 60.0, 0.0, 100) for _ in range(3)]
    assert [text is not None for text in found] == [False, True, False]


@pytest.mark.parametrize("changes", [{}, {"engine": "reference"}, {"accumulate": 2, "batch": 2}])
def test_a_forecast_changes_no_number(
    changes: dict[str, Any], clips: DataSpec, tmp_path: Path
) -> None:
    watch = Messages()
    run(tmp_path / "silent", clips, **changes)
    run(tmp_path / "watched", clips, watch=watch, **changes)
    assert outcome(tmp_path / "watched") == outcome(tmp_path / "silent")
    assert watch.lines[0].startswith("on the CPU: ")
    assert watch.lines[1].startswith("a step takes about ")
    assert ", and " in watch.lines[1]
    assert watch.reports[0].done == 1


def test_a_single_class_is_warned_of(tmp_path: Path, add: Callable[..., Path]) -> None:
    for number in range(2):
        add(f"data/train/run/{number}.mp4", 8)
    shutil.copytree(tmp_path / "data/train", tmp_path / "data/validation")
    done = _train(tmp_path, TEXT.replace("classes=3", "classes=1"))
    assert done.code == 0, done.err
    assert "the data have one class only, run: there is nothing to learn; is this" in done.err


@pytest.fixture
def videos(tmp_path: Path, add: Callable[..., Path]) -> Path:
    """Three classes with a training and a test video each, and two with validation videos."""
    for number, label in enumerate(("a", "b", "c")):
        add(f"data/train/{label}/1.mp4", 20 + 2 * number)
        add(f"data/test/{label}/1.mp4", 8)
    for label in ("a", "b"):
        shutil.copytree(tmp_path / f"data/train/{label}", tmp_path / f"data/validation/{label}")
    return tmp_path / "data"


def _train(folder: Path, text: str = TEXT, *options: object) -> Result:
    (folder / "toy.anet").write_text(text)
    given = ("train", folder / "toy.anet", "--data", folder / "data", "--out", folder / "run")
    clip = ("--frames", 4, "--size", 16, "--batch", 2, "--iterations", 1, "--device", "cpu")
    return anetc(*given, *clip, *options)


def test_missing_flow_is_named_with_its_command(videos: Path, tmp_path: Path) -> None:
    """The command is one for training and validation; then the flow is read from the cache."""
    done = _train(tmp_path)
    assert done.code == 0, done.err
    command = f"anetc data flow folder:{videos} --short-side 18"
    assert done.err.count("optical flow is not in the cache") == 1
    assert f"`{command}` that of all videos" in done.err
    assert "again for each clip; `anetc" not in done.err
    first = (tmp_path / "run/metrics.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "run")
    made = anetc(*command.split()[1:], "--workers", 1)
    assert "8 computed" in made.out, made.err
    done = _train(tmp_path)
    assert "not in the cache" not in done.err
    assert "optical flow is read from" in done.err
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == first


def test_a_search_warns_of_missing_flow(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trials write into their own logs only."""
    drive = functools.partial(search.drive_run, command=COMMAND)
    monkeypatch.setattr(search, "drive_run", drive)
    words = ("--preset", "small", "--candidates", 2, "--population", 2, "--frames", 4, "--size", 16)
    done = anetc("evolve", "--data", videos, *words, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    command = f"anetc data flow folder:{videos} --short-side 18"
    assert "warning: the optical flow is not in the cache, so each trial" in done.err
    assert f"`{command}` computes it once" in done.err
    assert anetc(*command.split()[1:], "--workers", 1).code == 0
    done = anetc("evolve", "--data", videos, *words, "--out", tmp_path / "other")
    assert "not in the cache" not in done.err


def test_make_flow_computes_what_is_missing(videos: Path, tmp_path: Path) -> None:
    """The flow of training and validation; test videos can follow later."""
    (videos / "train/c/2.mp4").write_bytes(b"")
    spec = parse_spec(str(videos))
    (need,) = training_flow(spec, recipes_for(spec, 4, (16, 16)))
    assert (need.missing(), len(need.paths)) == (6, 6)
    done = _train(tmp_path, TEXT, "--make-flow", "--workers", 1)
    assert f"computing the optical flow of 6 videos into {need.folder.path}" in done.err
    assert f"warning: no optical flow of {videos}/train/c/2.mp4: an empty file" in done.err
    assert need.missing() == 1
    assert not need.folder.path_of("test/a/1.mp4").exists()


def test_partly_missing_flow_is_counted(videos: Path, tmp_path: Path) -> None:
    spec = parse_spec(str(videos))
    (need,) = training_flow(spec, recipes_for(spec, 4, (16, 16)))
    path = need.folder.path_of("train/a/1.mp4")
    path.parent.mkdir(parents=True)
    path.touch()
    done = _train(tmp_path)
    assert "the optical flow of 4 of the 5 videos is not in the cache" in done.err


def test_make_flow_needs_videos_and_an_input_of_flow(clips: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "toy.anet").write_text(TEXT)
    given = ("train", tmp_path / "toy.anet", "--data", clips.path, "--out", tmp_path / "run")
    done = anetc(*given, "--make-flow", "--frames", 4, "--size", 16)
    assert done.code == 2
    assert f"--make-flow: the flow of arrays:{clips.path} is not cached" in done.err


def test_training_and_validation_of_the_paper_need_two_caches_with_a_size(tmp_path: Path) -> None:
    (tmp_path / "moments_categories.txt").write_text("run,0\n")
    (tmp_path / "trainingSet.csv").write_text("run/a.mp4,run\n")
    (tmp_path / "validationSet.csv").write_text("run/b.mp4,run\n")
    spec = parse_spec(str(tmp_path))
    (both,) = training_flow(spec, recipes_for(spec))
    assert both.paths == ("training/run/a.mp4", "validation/run/b.mp4")
    needs = training_flow(spec, recipes_for(spec, 8, (56, 56)))
    assert [(need.folder.key.size, need.paths) for need in needs] == [
        (64, ("training/run/a.mp4",)),
        (56, ("validation/run/b.mp4",)),
    ]


def test_flow_is_timed() -> None:
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    with timed_flow() as clock:
        whole_flow(pixels)
        first = clock.seconds
        assert first > 0
    whole_flow(pixels)
    assert clock.seconds == first
