"""Damaged and unusual videos: the errors of reading, and the findings of a check."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anetc.data.batches.loader import training_batches
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.dataset_check import check_file
from anetc.video.clips import Recipe
from anetc.video.source import VideoError

RECIPE = Recipe(frames=6, size=(16, 16), short_side=24, when="random")


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("this is not a video\n" * 50)
        case "itself":
            path.unlink()
            path.symlink_to(path)
        case "folder":
            path.unlink()
            path.symlink_to(path.parent)
        case "gone":
            path.unlink()
        case percent:
            path.write_bytes(data[: len(data) * int(percent) // 100])


@pytest.fixture
def damaged(folder: Path) -> Callable[[str], Path]:
    """A function that damages one of the five videos of the folder."""

    def make(how: str) -> Path:
        damage(folder / "train/jump/1.mp4", how)
        return folder

    return make


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("empty", "corrupt", "an empty file"),
        ("text", "corrupt", "not a video file"),
        ("10", "corrupt", "not a video file, or its header is damaged or cut off"),
        ("50", "corrupt", "not a video file, or its header is damaged or cut off"),
        ("90", "corrupt", "not a video file, or its header is damaged or cut off"),
        ("itself", "missing", "symbolic links"),
        ("gone", "missing", "no such file"),
    ],
)
@pytest.mark.parametrize("quick", [True, False])
def test_a_damaged_video_is_named_and_replaced(
    damaged: Callable[[str], Path], how: str, kind: str, message: str, quick: bool
) -> None:
    """The index of an MP4 file is at its end: a truncated file has none."""
    folder = damaged(how)
    found = check_file(folder, "train/jump/1.mp4", fps=12.5, quick=quick)
    assert (found.problem, message in found.message) == (kind, True), found
    data = open_data(parse_spec(f"folder:{folder}"), "train", RECIPE, flow=False)
    if how == "gone":
        assert len(data) == 3
        return
    with pytest.raises(VideoError, match=message):
        data.sample(0, seed=0, epoch=0)
    for batch in islice(training_batches(data, batch=2, seed=0, max_failures=0.25), 6):
        assert "train/jump/1.mp4" not in batch.names
        assert len(batch.names) == 2


@pytest.mark.parametrize("percent", [10, 50, 90])
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("faststart.mp4", {"container": {"movflags": "faststart"}}),
        ("matroska.mkv", {}),
        ("riff.avi", {"codec": "mpeg4"}),
    ],
)
def test_truncated_files_of_other_formats_are_corrupt(
    add: Callable[..., Path], tmp_path: Path, name: str, how: dict[str, Any], percent: int
) -> None:
    """If the index comes first, a part is readable; the message counts its frames."""
    path = add(name, 100, noisy=True, **{"options": {}, **how})
    damage(path, str(percent))
    found = check_file(tmp_path, name, fps=12.5, quick=False)
    assert found.problem == "corrupt"
    assert "readable" in found.message


def test_a_file_without_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "none.mp4"), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        out.start_encoding()
    found = check_file(tmp_path, "none.mp4", fps=12.5, quick=True)
    assert found.problem == "corrupt"
    assert "0 frames readable" in found.message


def test_a_video_of_one_frame(add: Callable[..., Path], tmp_path: Path) -> None:
    """The frame is repeated; its flow is 0."""
    add("data/train/a/one.mp4", 1)
    result = check_file(tmp_path / "data", "train/a/one.mp4", fps=12.5, quick=False)
    assert (result.problem, result.frames) == (None, 1)
    data = open_data(parse_spec(f"folder:{tmp_path / 'data'}"), "train", RECIPE, flow=True)
    sample = data.sample(0, seed=0, epoch=0)
    assert all(np.array_equal(frame, sample.rgb[0, 0]) for frame in sample.rgb[0])
    assert sample.flow is not None
    assert not sample.flow.any()


@pytest.mark.parametrize("fps", [1, 5, 60])
def test_other_frame_rates(add: Callable[..., Path], tmp_path: Path, fps: int) -> None:
    """Clips are cut by time: frames of slow videos are repeated, frames of fast ones left out."""
    add("data/train/a/x.mp4", 2 * fps, fps=fps)
    result = check_file(tmp_path / "data", "train/a/x.mp4", fps=12.5, quick=False)
    assert (result.problem, result.frames) == (None, 25)
    assert result.fps == pytest.approx(fps)
    data = open_data(parse_spec(f"folder:{tmp_path / 'data'}"), "train", RECIPE, flow=False)
    assert data.sample(0, seed=0, epoch=0).rgb.shape == (1, 6, 16, 16, 3)


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("ffv1", "gray"),
        ("libx264rgb", "rgb24"),
        ("ffv1", "gbrp16le"),
        ("ffv1", "gray16le"),
        ("ffv1", "yuva420p"),
        ("mjpeg", "yuvj422p"),
    ],
)
def test_unusual_pixel_formats(
    add: Callable[..., Path], tmp_path: Path, codec: str, pixel_format: str
) -> None:
    """All formats become 8-bit RGB with the same grey levels."""
    options = {"preset": "ultrafast"} if codec.startswith("libx264") else {}
    grey = [np.full((24, 32, 3), 40 + 20 * n, np.uint8) for n in range(8)]
    name = "data/train/a/x.mkv"
    add(name, grey, codec=codec, pixel_format=pixel_format, options=options)
    data = open_data(parse_spec(f"folder:{tmp_path / 'data'}"), "train", RECIPE, flow=False)
    sample = data.sample(0, seed=0, epoch=0)
    assert sample.rgb.dtype == np.uint8
    # The grid has four of the eight frames.
    shades = sample.rgb[0].astype(int) - 40
    assert np.abs(shades - 40 * np.round(shades / 40)).max() <= 6
    assert len(np.unique(np.round(shades / 40))) == 4
    assert check_file(tmp_path, name, fps=12.5, quick=False).problem is None
