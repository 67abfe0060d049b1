"""Output of a run: a bar, lines, TensorBoard, and the messages of the command."""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path

import pytest

from anetc.cli import progress
from anetc.cli.progress import training_progress
from anetc.data.values import DataSpec
from anetc.training.run.board import Board
from anetc.training.run.watcher import StepReport
from anetdsl.errors import CannotRun
from tests.command_line import anetc
from tests.training.running import TEXT


def test_progress_is_a_line_for_each_twentieth(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress() as watch:
        for done in range(10, 1001, 10):
            watch.steps_done(StepReport(done, 1000, 1.25, 0.5, 12.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  10/1000  loss 1.2500  learning rate 0.5  12.0 clips/s"
    assert [line.split("/")[0].strip() for line in lines] == ["10", *map(str, range(50, 1001, 50))]


def test_a_terminal_displays_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda _: True)
    with training_progress() as watch:
        watch.steps_done(StepReport(3, 12, 1.25, 0.5, 12.0))
        watch.message("validation [of] this")
    shown = capsys.readouterr().err
    assert "validation [of] this" in shown
    assert re.search(r"3/12.*loss 1\.2500.*12\.0 clips/s", shown)


def test_other_outputs_get_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with training_progress() as watch:
        watch.steps_done(StepReport(3, 12, 1.25, 0.5, 12.0))
    assert capsys.readouterr().err == " 3/12  loss 1.2500  learning rate 0.5  12.0 clips/s\n"


def events(folder: Path) -> list[bytes]:
    """Return the records of event files: length, checksum, data and checksum each."""
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(data[12 : 12 + length])
            data = data[16 + length :]
    return found


def test_tensorboard_gets_the_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Board(tmp_path, 0) as board:
        board.write({"iteration": 0, "loss": 1.5, "learning_rate": 0.25})
        board.write({"iteration": 1, "validation": {"top1": 50.0, "mAP": None}})
    found = b"\n".join(events(tmp_path))
    for tag in (b"training/loss", b"training/learning_rate", b"validation/top1"):
        assert tag in found
    assert b"mAP" not in found
    assert struct.pack("<f", 1.5) in found


def test_missing_tensorboard_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(CannotRun, match=r"pip install 'anetdsl\[tensorboard\]'"):
        Board(tmp_path, 0)


# The command


def test_the_command_trains_and_resumes(clips: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "toy.anet").write_text(TEXT)
    arguments = ["train", tmp_path / "toy.anet", "--data", clips.path, "--out", tmp_path / "run"]
    arguments += ["--frames", 4, "--size", 16, "--batch", 4, "--device", "cpu", "--threads", 1]
    done = anetc(*arguments, "--iterations", 3)
    assert done.code == 0, done.err
    assert re.fullmatch(r"top1 \S+  top5 100  loss \S+  fitness \S+\n", done.out)
    assert re.search(r"(?m)^wrote \S+model.anet and weights.safetensors; .* waiting", done.err)
    assert "3/3  loss" in done.err
    again = anetc(*arguments, "--iterations", 3)
    assert (again.code, "--resume" in again.err) == (2, True)
    other = anetc(*arguments, "--iterations", 2, "--resume")
    assert (other.code, "3 steps are finished" in other.err) == (2, True)
    # As many steps as before, unless another number is given.
    for options in ([], ["--iterations", 3]):
        resumed = anetc(*arguments, *options, "--resume")
        assert (resumed.code, resumed.out) == (0, done.out)
        assert "resuming after step 3" in resumed.err
    longer = anetc(*arguments, "--iterations", 4, "--resume")
    assert (longer.code, "4/4  loss" in longer.err) == (0, True)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["schema"] == "anetdsl-training-result"


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        ("anet 1 network n", [], 1, "error[A"),
        (TEXT, ["--data", "nowhere"], 2, "nowhere"),
        (TEXT, ["--format", "video"], 2, "--format video: no such format"),
        (TEXT, ["--init-text", "x.anet"], 2, "--init-text"),
        (TEXT, ["--new-head"], 2, "--init-from"),
        (TEXT, ["--patience", "2"], 2, "--evaluate-every"),
        (TEXT, ["--crop-area", "2,1"], 2, "--crop-area: each value of `crop_area` must be"),
        (TEXT, ["--crop-area", "0.5"], 2, "write LOW,HIGH"),
        (TEXT, ["--crop-aspect", "1,2"], 2, "no effect without `crop_area`"),
        (TEXT, ["--mirror-words", "left"], 2, "left,right"),
        (TEXT, ["--mirror-words", "left,right", "--no-flip"], 2, "without mirroring"),
        (TEXT, ["--mirror-classes", "x.csv"], 2, "x.csv: no such file"),
        (TEXT, ["--init-from", "x.safetensors"], 2, "x.safetensors: no such file"),
        (TEXT, ["--iterations", "0"], 2, "--iterations"),
        (TEXT, ["--learning-rate", "nan"], 2, "learning_rate"),
        (TEXT, ["--size", "0"], 2, "is not a size"),
        (TEXT, ["--device", "cpu", "--accumulate", "3"], 2, "3 parts"),
    ],
)
def test_wrong_options_are_named(
    text: str, options: list[str], code: int, message: str, clips: DataSpec, tmp_path: Path
) -> None:
    (tmp_path / "toy.anet").write_text(text)
    given = ["train", tmp_path / "toy.anet", "--out", tmp_path / "run"]
    given += [] if "--data" in options else ["--data", clips.path]
    found = anetc(*given, *options)
    assert (found.code, message in found.err) == (code, True), found.err
    assert "Traceback" not in found.err


def test_another_number_of_classes_is_an_option(clips: DataSpec, tmp_path: Path) -> None:
    """The text of the result has it; without it the message names the option."""
    text = TEXT.replace("classes=3", "classes=12")
    (tmp_path / "toy.anet").write_text(text)
    given = ["train", tmp_path / "toy.anet", "--data", clips.path, "--out", tmp_path / "run"]
    given += ["--frames", 4, "--size", 16, "--batch", 4, "--device", "cpu", "--iterations", 1]
    refused = anetc(*given)
    assert (refused.code, "or train it with --classes 3\n" in refused.err) == (2, True)
    done = anetc(*given, "--classes", 3)
    assert done.code == 0, done.err
    assert "classes=3  # the end" in (tmp_path / "run/model.anet").read_text()
    assert anetc(*given, "--classes", 3, "--resume").code == 0


ONE_FRAME = ("--frames", "1", "--size", "8", "--device", "cpu", "--iterations", "1")


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--batch", "1"), "use a larger --batch, --frames or --size\n"),
        (("--batch", "2", "--accumulate", "2"), "--size or a smaller --accumulate\n"),
        (("--batch", "1", "--engine", "reference"), "use a larger --batch, --frames or --size\n"),
    ],
)
def test_one_value_per_channel_cannot_be_normalised(
    options: tuple[str, ...], advice: str, clips: DataSpec, tmp_path: Path
) -> None:
    (tmp_path / "toy.anet").write_text(TEXT)
    given = ("train", tmp_path / "toy.anet", "--data", clips.path, "--out", tmp_path / "run")
    found = anetc(*given, *ONE_FRAME, *options)
    assert found.code == 2
    assert "trained on one clip of one frame of 8 x 8 pixels at a time: node n3 has" in found.err
    assert found.err.endswith(advice)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [("--batch", "2"), ("--batch", "1", "--frames", "2")])
def test_two_values_per_channel_can_be_normalised(
    more: tuple[str, ...], clips: DataSpec, tmp_path: Path
) -> None:
    (tmp_path / "toy.anet").write_text(TEXT)
    given = ("train", tmp_path / "toy.anet", "--data", clips.path, "--out", tmp_path / "run")
    found = anetc(*given, *ONE_FRAME, *more)
    assert found.code == 0, found.err
