"""The format `utd-mhad`: files, conversion to grey clips, splits by subject, and the cache.

scipy writes the test files, in the format of MATLAB 5.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from anetc.data.formats.arrays import ArrayDataset
from anetc.data.formats.mhad import ACTIONS, open_mhad, recordings
from anetc.data.formats.mhad_depth import grey_clip
from anetc.data.spec import parse_spec
from anetc.data.values import Split
from anetc.video.clips import Recipe
from anetdsl.errors import CannotRun
from tests.command_line import anetc

WHOLE = Recipe(frames=16, size=(64, 64), short_side=None)
NETWORK = """\
anet 1

network tiny  D=[4, 4, 4, 4]  modules=[1, 1, 1, 1]

input depth  channels=1  kind=rgb
input flow   channels=2

node a   level=0  C=4  r=1  stride=4  inputs=[depth]
node b   level=0  C=4  r=1  stride=4  inputs=[flow]
node l1  level=1  C=4  r=1  stride=1  inputs=[a, b]
node l2  level=2  C=4  r=1  stride=2  inputs=[l1]
node l3  level=3  C=4  r=1  stride=2  inputs=[l2]
node l4  level=4  C=4  r=1  stride=2  inputs=[l3]

sink  inputs=[l4]  classes=27
"""


def person(frames: int = 61, top: int = 60, mm: int = 2000) -> NDArray[np.uint16]:
    """Depth of a block, mm (240, 320, frames), whose arm grows to the right."""
    depth = np.zeros((240, 320, frames), np.uint16)
    depth[top : top + 120, 140:180] = mm
    for t in range(frames):
        depth[top + 30 : top + 40, 180 : 180 + t // 2, t] = mm - 400
    return depth


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes `NAME_depth.mat` for names such as a1_s2_t3; returns the folder."""
    savemat = pytest.importorskip("scipy.io").savemat
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))

    def write(*names: str, folder: str = "utd", **arrays: NDArray[np.uint16]) -> Path:
        root = tmp_path / folder
        root.mkdir(parents=True, exist_ok=True)
        for name in names:
            variables = arrays or {"d_depth": person()}
            savemat(root / f"{name}_depth.mat", variables, do_compression=True)
        return tmp_path / folder.partition("/")[0]

    return write


def opened(data: object, split: Split = "train", *, flow: bool = False) -> ArrayDataset:
    return open_mhad(parse_spec(f"utd-mhad:{data}"), split, WHOLE, flow=flow)


def names(data: object, split: Split) -> list[str]:
    found = opened(data, split)
    return [found.name(index) for index in range(len(found))]


EVERYONE = [f"a1_s{subject}_t1" for subject in range(1, 9)]

# Depth to grey


def test_nearer_parts_are_brighter_and_the_background_is_black() -> None:
    clip = grey_clip(person())
    assert clip.shape == (16, 64, 64)
    assert clip.dtype == np.uint8
    # The body's median is 128; the arm is 400 mm nearer, at 8 mm per level.
    assert set(np.unique(clip[0])) <= set(range(129))
    assert {0, 128} <= set(np.unique(clip[0]).tolist())
    assert clip[-1].max() == 128 + 400 // 8
    assert clip[:, 0].max() == 0


def test_one_square_contains_the_person() -> None:
    moved = [grey_clip(person(top=top)) for top in (30, 60, 100)]
    assert all(np.array_equal(moved[0], other) for other in moved)
    body = moved[0] == 128
    rows = np.flatnonzero(body.any(axis=(0, 2)))
    # A body of 120 px in a square of 132 px: a twentieth is free on each side.
    assert 56 <= rows[-1] - rows[0] + 1 <= 60
    assert np.array_equal(body[0][:, :32], body[15][:, :32])


def test_a_clip_is_the_middle_of_a_recording_at_7_5_frames_a_second() -> None:
    def clock(frames: int) -> NDArray[np.uint16]:
        """Return a depth that encodes the frame: each one is 8 mm nearer."""
        depth = np.zeros((240, 320, frames), np.uint16)
        depth[60:180, 100:200] = 3000 - 8 * np.arange(frames)
        return depth

    steps = np.diff(grey_clip(clock(101))[:, 32, 32].astype(int))
    assert steps.tolist() == [4] * 15
    short = grey_clip(clock(31))[:, 32, 32].astype(int)
    assert short.tolist() == sorted(short.tolist())
    assert np.diff(short).sum() == 30
    assert len(set(grey_clip(clock(1))[:, 32, 32].tolist())) == 1


def test_each_pixel_is_the_mean_of_its_area() -> None:
    """Computed otherwise: pixels are repeated until the square's side is a multiple of 64."""
    rng = np.random.default_rng(0)
    depth = np.zeros((240, 320, 1), np.uint16)
    depth[50:150, 80:180, 0] = rng.integers(1900, 2100, (100, 100))
    side = 110
    grey = np.zeros((side, side))
    inner = depth[50:150, 80:180, 0].astype(float)
    grey[5:105, 5:105] = np.clip(128 + (np.median(inner) - inner) / 8, 1, 255)
    fine = np.repeat(np.repeat(grey, 32, 0), 32, 1)
    means = fine.reshape(64, 55, 64, 55).mean((1, 3))
    assert np.abs(grey_clip(depth)[0] - means).max() <= 0.5 + 1e-9


# Files and splits


def test_the_default_splits(write: Write) -> None:
    root = write(*EVERYONE)
    assert names(root, "train") == ["a1_s1_t1", "a1_s3_t1", "a1_s5_t1"]
    assert names(root, "validation") == ["a1_s7_t1"]
    assert names(root, "test") == ["a1_s2_t1", "a1_s4_t1", "a1_s6_t1", "a1_s8_t1"]


@pytest.mark.parametrize(
    ("options", "split", "subjects"),
    [
        ("validation=none", "train", "1357"),
        ("validation=none", "test", "2468"),
        ("swap=yes", "train", "246"),
        ("swap=yes", "validation", "8"),
        ("swap=yes", "test", "1357"),
        ("swap=yes&validation=none", "train", "2468"),
        ("swap=no", "train", "135"),
        ("train=1,2&test=3", "train", "12"),
        ("train=1,2&test=3", "test", "3"),
    ],
)
def test_options_define_the_splits(write: Write, options: str, split: Split, subjects: str) -> None:
    root = write(*EVERYONE)
    assert names(f"{root}?{options}", split) == [f"a1_s{subject}_t1" for subject in subjects]


def test_samples(write: Write) -> None:
    root = write("a27_s1_t1", "a3_s1_t2", "a3_s1_t10", "a1_s2_t1", folder="utd/Depth")
    data = opened(root, flow=True)
    assert [data.name(i) for i in range(3)] == ["a3_s1_t2", "a3_s1_t10", "a27_s1_t1"]
    assert [data.classes[data.target(i)] for i in range(3)] == ["wave", "wave", "squat"]
    assert data.classes == ACTIONS
    assert len(set(ACTIONS)) == 27
    sample = data.sample(0, seed=0, epoch=0)
    assert sample.rgb.shape == (1, 16, 64, 64, 3)
    assert np.array_equal(sample.rgb[0, ..., 0], grey_clip(person()))
    assert sample.flow is not None
    # The arm grows to the right, by 2 px of the recording a frame of the clip.
    assert 0.2 < 20 * sample.flow[..., 0].max() < 4


def test_files_are_read_only_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write("a1_s1_t1", "a2_s1_t1")
    first = opened(root).x
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    for flow in (True, False, True):
        assert np.array_equal(opened(root, flow=flow).x, first)
    assert opened(root, flow=True).flow8 is not None


def test_changed_files_are_read_again(write: Write) -> None:
    root = write("a1_s1_t1")
    first = opened(root).x
    write("a1_s1_t1", d_depth=person(frames=70))
    assert not np.array_equal(opened(root).x, first)


# Errors


def test_missing_scipy_is_named_with_its_extra(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write("a1_s1_t1")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(CannotRun, match=r"needs scipy: pip install 'anetdsl\[mhad\]'"):
        opened(root)


def test_a_damaged_file_is_left_out(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    root = write(*(f"a{action}_s1_t1" for action in range(1, 24)))
    whole = (root / "a5_s1_t1_depth.mat").read_bytes()
    (root / "a5_s1_t1_depth.mat").write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, "anetc.data"):
        assert len(opened(root)) == 22
    (record,) = caplog.records
    assert "a5_s1_t1_depth.mat: left out" in record.getMessage()


@pytest.mark.parametrize(
    "content", [b"", b"not a MATLAB file", b"\0" * 1000, b"MATLAB 5.0 MAT-file" + b" " * 200]
)
def test_too_many_damaged_files_are_an_error(write: Write, content: bytes) -> None:
    root = write("a1_s1_t1")
    (root / "a2_s1_t1_depth.mat").write_bytes(content)
    with pytest.raises(CannotRun, match="1 of 2 files cannot be read"):
        opened(root)


@pytest.mark.parametrize(
    "arrays",
    [
        {"other": person(2)},
        {"d_depth": person(2)[..., 0]},
        {"d_depth": person(2)[..., :0]},
        {"d_depth": person(2) * 0},
        {"d_depth": person(2) * 0.5},
        {"d_depth": np.array("text")},
    ],
    ids=["no d_depth", "one frame", "no frames", "no person", "fractions", "text"],
)
def test_files_with_other_content_are_an_error(write: Write, arrays: dict[str, object]) -> None:
    root = write("a1_s1_t1", **arrays)  # type: ignore[arg-type]
    with pytest.raises(CannotRun, match="1 of 1 files cannot be read"):
        opened(root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("?swap=maybe", "must be yes or no"),
        ("?swap=yes&train=1", "cannot be used with"),
        ("?subjects=1", "no setting `subjects`"),
        ("?train=1&validation=1", "subject 1 is in two splits"),
    ],
)
def test_wrong_options_are_errors(write: Write, options: str, message: str) -> None:
    root = write("a1_s1_t1")
    with pytest.raises(CannotRun, match=message):
        opened(f"{root}{options}")


def test_other_files_are_ignored(write: Write) -> None:
    root = write("a1_s1_t1", "b1_s1_t1", "a1_s1_t1x", "A1_s1_t1")
    assert [file.name for file in recordings(parse_spec(f"utd-mhad:{root}"))] == ["a1_s1_t1"]
    (root / "a1_s1_t1_depth.mat").unlink()
    with pytest.raises(CannotRun, match=r"there are no files such as a1_s1_t1_depth\.mat"):
        opened(root)
    write("a28_s1_t1")
    with pytest.raises(CannotRun, match="numbered from 1 to 27"):
        opened(root)


# The command


def test_training_on_the_files(write: Write, tmp_path: Path) -> None:
    root = write(*(f"a{action}_s{subject}_t1" for action in (1, 2) for subject in (1, 7)))
    _train(f"{root}", tmp_path)


def test_training_on_an_archive_by_subject(shared: Path, tmp_path: Path) -> None:
    """The shared archive, with subject 7 for validation."""
    archive = shared / "data" / "utd_mhad_64x16.npz"
    if not archive.is_file():
        pytest.skip("needs the shared archive of UTD-MHAD")
    _train(f"arrays:{archive}?train=1,3,5&validation=7&test=2,4,6,8", tmp_path)


def _train(data: str, folder: Path) -> None:
    (folder / "tiny.anet").write_text(NETWORK, encoding="utf-8")
    options = ("--iterations", 2, "--batch", 4, "--device", "cpu", "--threads", 1)
    result = anetc("train", folder / "tiny.anet", "--data", data, "--out", folder / "run", *options)
    assert result.code == 0, result.err
    assert "score" in (folder / "run" / "model.anet").read_text(encoding="utf-8")
