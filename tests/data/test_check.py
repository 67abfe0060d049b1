"""The commands `anetc data info`, `check` and `flow`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anetc.data.upkeep.quarantine import read_quarantine
from tests.command_line import anetc
from tests.data.test_published import CLASSES, HEADER, row

NO_VALIDATION = "there are no validation videos, and training needs them"


@pytest.fixture
def folder(folder: Path, add: Callable[..., Path]) -> Path:
    """The folder, with a test video and a validation video of each class: 8 videos."""
    for place, name in enumerate(("test/jump/4.mp4", "validation/jump/5.mp4")):
        add(f"data/{name}", 36 + 2 * place, noisy=True)
    add("data/validation/run/6.mp4", 40, noisy=True)
    return folder


def check(*arguments: object) -> tuple[int, dict[str, list[str]], str]:
    """Return the exit code, the findings by kind, and the first line."""
    done = anetc("data", "check", *arguments, "--size", 24, "--workers", 1)
    head, *parts = done.out.split("\n\n")
    found = {}
    for part in parts:
        title, *lines = part.splitlines()
        kind, _, count = title.partition(": ")
        assert int(count) >= len(lines)
        found[kind] = [line.strip() for line in lines]
    assert not done.err or done.err.startswith(("wrote ", "anetc: ", "list:", "folder:"))
    return done.code, found, head.strip()


def test_a_folder_without_findings(folder: Path) -> None:
    assert check(folder, "--frames", 13) == (0, {}, "8 videos checked; 0 findings")


def test_a_folder_with_every_kind_of_finding(folder: Path, add: Callable[..., Path]) -> None:
    (folder / "train/jump/1.mp4").write_bytes(b"")
    (folder / "train/jump/2.mp4").unlink()
    (folder / "train/jump/2.mp4").symlink_to("nowhere")
    shutil.copy(folder / "train/run/1.mp4", folder / "test/run/copy.mp4")
    add("data/train/run/slow.mp4", 20, fps=5, gop=3)
    add("data/train/run/short.mp4", 4)
    code, found, head = check(folder, "--frames", 13)
    assert (code, head) == (1, "11 videos checked; 6 findings")
    assert found == {
        "missing": ["train/jump/2.mp4: a link to nothing: 0 frames readable; check the path"],
        "corrupt": [
            "train/jump/1.mp4: an empty file: 0 frames readable; fetch it again or remove it"
        ],
        "short": ["train/run/short.mp4: 2 frames at 12.5 a second (0.16 s); a clip has 13"],
        "slow": ["train/run/slow.mp4: 5.00 frames a second, fewer than 12.5"],
        "copy": [
            "train/run/1.mp4: the same file as test/run/copy.mp4, "
            "but this one is in train, the other in test"
        ],
        "class": ["jump: this class has no training video"],
    }


def test_a_check_follows_the_clips_of_training(folder: Path) -> None:
    """Without options the clips are those of `anetc train` without options."""
    done = anetc("data", "check", folder, "--workers", 1)
    assert "short: 3\n" in done.out
    assert "train/run/1.mp4: 15 frames at 12.5 a second (1.20 s); a clip has 16" in done.out
    assert "small: 8\n" in done.out
    assert "test/run/3.mp4: 32 x 24 pixels; the short side of a clip is 112\n" in done.out
    assert check(folder, "--frames", 8)[:2] == (0, {})
    found = anetc("data", "check", folder, "--frames", 8, "--size", "24x36", "--workers", 1).out
    assert found == "8 videos checked; 0 findings\n"
    assert anetc("data", "check", folder, "--fps", "nan").code == 2


def test_one_class_is_not_enough(tmp_path: Path, add: Callable[..., Path]) -> None:
    for split in ("train", "validation"):
        add(f"data/{split}/run/1.mp4", 26 + len(split))
    code, found, _ = check(tmp_path / "data", "--frames", 13)
    question = f"the data have no other class; is {tmp_path / 'data'} the right folder?"
    assert (code, found) == (1, {"one-class": [f"run: {question}"]})


def test_classes_and_splits_without_videos(folder: Path) -> None:
    """A video that cannot be read does not count. What is missing everywhere is said once."""
    (folder / "validation/jump/5.mp4").write_bytes(b"")
    shutil.rmtree(folder / "test/jump")
    _, found, _ = check(folder, "--frames", 13)
    assert found["class"] == ["jump: this class has no validation or test video"]
    assert "split" not in found
    shutil.rmtree(folder / "validation")
    shutil.rmtree(folder / "train/run")
    _, found, _ = check(folder, "--frames", 13)
    assert found == {
        "split": [
            f"validation: {NO_VALIDATION}: make a folder validation, or use the option "
            "validation=10"
        ],
        "class": ["jump: this class has no test video", "run: this class has no training video"],
    }


def test_splits_of_unequal_kind(folder: Path, add: Callable[..., Path]) -> None:
    """All test videos, and four of five validation videos, are of another kind."""
    shutil.rmtree(folder / "test")
    for label in ("jump", "run"):
        size = (48, 32)
        add(f"data/test/{label}/9.mkv", 40 + len(label), size=size, codec="mpeg4", fps=30)
    for number in range(8):
        add(f"data/validation/run/{number}0.mp4", 50 + number, fps=50)
    _, found, _ = check(folder, "--frames", 8)
    assert found == {
        "split": [
            "train and test: 100 % of the training videos have 32 x 24 pixels, but 0 % of the test "
            "videos, of which 100 % have 48 x 32 pixels",
            "train and test: 100 % of the training videos have about 25 frames a second, but 0 % "
            "of the test videos, of which 100 % have about 30 frames a second",
            "train and test: 100 % of the training videos have the codec h264, but 0 % of the test "
            "videos, of which 100 % have the codec mpeg4",
            "train and validation: 100 % of the training videos have about 25 frames a second, but "
            "20 % of the validation videos, of which 80 % have about 50 frames a second",
        ]
    }


def test_quarantine(folder: Path) -> None:
    """Unusable videos are written to the list; the next check skips them and extends the list."""
    (folder / "train/jump/1.mp4").write_bytes(b"")
    path = folder / "quarantine.txt"
    code, _, _ = check(folder, "--frames", 13, "--quarantine", path)
    assert code == 1
    assert list(read_quarantine(path)) == ["train/jump/1.mp4"]
    code, found, head = check(folder, "--frames", 13, "--quarantine", path)
    assert (code, found) == (0, {})
    assert head == "7 videos checked, 1 more in quarantine; 0 findings"
    (folder / "train/run/1.mp4").write_text("text")
    check(folder, "--quarantine", path)
    assert list(read_quarantine(path)) == ["train/jump/1.mp4", "train/run/1.mp4"]
    assert check(f"folder:{folder}?quarantine=no", "--frames", 13)[0] == 1


def test_a_quick_check_misses_damage_within_frames(folder: Path) -> None:
    path = folder / "train/run/1.mp4"
    data = bytearray(path.read_bytes())
    place = data.find(b"mdat") + 3000
    data[place : place + 400] = bytes(400)
    path.write_bytes(data)
    assert check(folder, "--frames", 13, "--quick")[0] == 0
    code, found, _ = check(folder, "--frames", 13)
    assert code == 1
    assert found["corrupt"][0].startswith("train/run/1.mp4: corrupt: ")


def test_moments(tmp_path: Path, add: Callable[..., Path]) -> None:
    (tmp_path / "moments_categories.txt").write_text("jumping,0\nrunning,1\n")
    (tmp_path / "trainingSet.csv").write_text(
        "jumping/a.mp4,jumping,3,1\njumping/a.mp4,running,3,1\njumping/b.mp4,jumpin,2,0\n"
        "jumping/gone.mp4,jumping,1,1\n"
    )
    for name in ("a", "b", "unlisted"):
        add(f"training/jumping/{name}.mp4", 64 + 2 * len(name))
    shutil.copy(tmp_path / "training/jumping/unlisted.mp4", tmp_path / "training/jumping/b.mp4")
    code, found, head = check(tmp_path)
    assert (code, head) == (1, "3 videos checked, 1 more in no list; 5 findings")
    assert found == {
        "split": [f"validation: {NO_VALIDATION}: add validationSet.csv"],
        "missing": ["training/jumping/gone.mp4: no such file: 0 frames readable; check the path"],
        "label": [
            "training/jumping/b.mp4: trainingSet.csv:3: the label `jumpin` is not in "
            "moments_categories.txt; did you mean `jumping`?"
        ],
        "repeated": [
            "training/jumping/a.mp4: trainingSet.csv:2: already listed in line 1, as `jumping`"
        ],
        "class": ["running: this class has no training video"],
    }


def test_charades(tmp_path: Path, add: Callable[..., Path]) -> None:
    (tmp_path / "Charades_v1_classes.txt").write_text("\n".join(CLASSES.splitlines()[:3]))
    (tmp_path / "Charades_v1_train.csv").write_text(
        f"{HEADER}\n"
        + row("AAAAA", "c000 0.00 2.50;c001 1.00 9.00;c002 2.00 2.00", "3.00")
        + row("BBBBB", "c001 0.00 9.00;c002 0.00 2.00;c157 0 1", "")
        + row("CCCCC", "", "3.00")
    )
    for place, name in enumerate(("AAAAA", "BBBBB", "CCCCC")):
        add(f"Charades_v1_480/{name}.mp4", 75 + 2 * place)
    code, found, head = check(tmp_path, "--frames", 37)
    assert (code, head) == (1, "3 videos checked; 5 findings")
    assert found == {
        "split": [f"validation: {NO_VALIDATION}: use the option validation=10"],
        "label": ["BBBBB: Charades_v1_train.csv:3: there is no class c157"],
        "cut-action": [
            "AAAAA: Charades_v1_train.csv:2: an action ends after the video, which ends at 3.00 s",
            "BBBBB: Charades_v1_train.csv:3: an action ends after the video, which ends at 3.08 s",
        ],
        "empty-action": ["AAAAA: Charades_v1_train.csv:2: an action ends at or before its start"],
    }


def test_only_ten_findings_of_a_kind_are_printed(tmp_path: Path) -> None:
    for number in range(12):
        place = tmp_path / "a" / f"{number:02d}.mp4"
        place.parent.mkdir(exist_ok=True)
        place.touch()
    _, found, _ = check(tmp_path, "--quick")
    assert len(found["corrupt"]) == 11
    assert found["corrupt"][-1] == "... and 2 more (--all shows them)"
    _, found, _ = check(tmp_path, "--quick", "--all")
    assert len(found["corrupt"]) == 12


def test_the_number_of_processes_changes_no_finding(folder: Path) -> None:
    (folder / "train/jump/1.mp4").write_bytes(b"")
    alone = anetc("data", "check", folder, "--workers", 1)
    spread = anetc("data", "check", folder, "--workers", 2)
    assert (spread.code, spread.out) == (alone.code, alone.out)


def test_info(folder: Path) -> None:
    done = anetc("data", "info", folder, "--classes")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines() if not line.startswith("-")] == [
        ["split", "videos", "classes", "labels", "a", "video", "fewest", "most"],
        ["train", "4", "2", "1.00", "2", "2"],
        ["validation", "2", "2", "1.00", "1", "1"],
        ["test", "2", "2", "1.00", "1", "1"],
        [],
        ["class", "train", "validation", "test"],
        ["jump", "2", "1", "1"],
        ["run", "2", "1", "1"],
    ]


def test_flow(folder: Path) -> None:
    (folder / "train/jump/1.mp4").write_bytes(b"")
    arguments = ("data", "flow", folder, "--short-side", 24, "--workers", 1)
    done = anetc(*arguments)
    assert done.code == 1
    assert "7 computed (0.1 MB), 0 cached, 1 failed" in done.out
    assert "train/jump/1.mp4: an empty file" in done.err
    (folder / "quarantine.txt").write_text("train/jump/1.mp4")
    done = anetc(*arguments)
    assert done.code == 0
    assert "0 computed (0.0 MB), 7 cached, 0 failed" in done.out
    done = anetc("data", "flow", folder, "--size", "12x20", "--workers", 1)
    assert f"{folder}/.flow/12x20-12.5fps-" in done.out
    assert re.search(r"^on the CPU: .*, 1 process, float32$", done.err, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "/nowhere"], "no such file"),
        (["check", "motion"], "motion has no video files"),
        (["flow", "{}", "--short-side", "24", "--size", "24"], "exclude each other"),
        (["check", "{}", "--format", "moments"], "no trainingSet.csv and no validationSet.csv"),
        (["check", "{}", "--format", "charades"], "Charades_v1_classes.txt: no such file"),
        (["check", "{}", "--quarantine", "{}"], "is a folder"),
        (["flow", "{}/train/run/1.mp4", "--format", "folder"], "not a folder"),
    ],
)
def test_wrong_arguments_are_errors(folder: Path, arguments: list[str], message: str) -> None:
    done = anetc("data", *(argument.format(folder) for argument in arguments))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_an_unwritable_cache_is_an_error(folder: Path) -> None:
    (folder / ".flow").write_text("a file")
    done = anetc("data", "flow", folder, "--short-side", 24, "--workers", 1)
    assert done.code == 2
    assert "cannot be created" in done.err


def test_info_and_check_do_not_import_torch(folder: Path) -> None:
    code = (
        "import sys\nfrom anetc.cli.main import main\n"
        f"main(['data', 'info', {str(folder)!r}], standalone_mode=False)\n"
        f"main(['data', 'check', {str(folder)!r}, '--workers', '1', '--frames', '13'], "
        "standalone_mode=False)\nprint('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_files_without_the_ending_of_a_video(folder: Path) -> None:
    """They are not used, so they are listed; notes and pictures are not."""
    for name in ("4", "5.rmvb", "6.mp4.part", "notes.txt", "7.jpg"):
        shutil.copy(folder / "train/run/1.mp4", folder / "train/run" / name)
    (folder / "train/run/8").write_text("text")
    shutil.copytree(folder / "train/run", folder / "train/walk")
    for path in (folder / "train/walk").glob("*.mp4"):
        path.unlink()
    (folder / "train/walk/5.rmvb").unlink()
    (folder / "train/walk/6.mp4.part").unlink()
    code, found, head = check(folder, "--frames", 13)
    assert (code, head) == (1, "8 videos checked; 6 findings")
    ending = "not used: its name has no ending of a video, such as .mp4; it"
    assert found == {
        "ending": [
            *(f"train/run/{name}: {ending} is a video" for name in ("4", "5.rmvb", "6.mp4.part")),
            f"train/run/8: {ending} cannot be read as a video",
            f"train/walk/4: {ending} is a video",
            f"train/walk/8: {ending} cannot be read as a video",
        ]
    }


def test_files_that_are_cut_already_have_no_cut_action(
    tmp_path: Path, add: Callable[..., Path]
) -> None:
    """A file of Kinetics that is called by its id may be the segment, or the whole video."""
    add("data/cut.mp4", 25, noisy=True)
    add("data/whole.mp4", 75, noisy=True)
    (tmp_path / "data/train.csv").write_text(
        "label,youtube_id,time_start,time_end\na,cut,30,31\nb,whole,2.5,4.2\n"
    )
    _, found, _ = check(tmp_path / "data", "--frames", 10)
    assert found["cut-action"] == [
        "whole.mp4#t=2.5,4.2: the segment ends after the video, which ends at 3.00 s"
    ]
