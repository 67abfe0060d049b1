"""Optical flow that other programs computed, as pairs of pictures."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.video.clips import Recipe
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun

RECIPE = Recipe(frames=5, size=(24, 32), short_side=None)
LAYOUTS = {
    "flow_x in the folder of the video": ("{v}/flow_x_{n:05d}.jpg", "{v}/flow_y_{n:05d}.jpg"),
    "x in the folder of the video": ("{v}/x_{n:04d}.jpg", "{v}/y_{n:04d}.jpg"),
    "u and v in the folder of the video": ("{v}/u/{n:05d}.jpg", "{v}/v/{n:05d}.jpg"),
    "u and v": ("u/{v}/frame{n:06d}.jpg", "v/{v}/frame{n:06d}.jpg"),
    "flow_x and flow_y": ("flow_x/{v}/{n}.png", "flow_y/{v}/{n}.png"),
}


def save(path: Path, value: float, size: tuple[int, int] = (24, 32)) -> None:
    """Write a grey picture of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(size, value, np.uint8)
    codec, pixel_format = ("png", "gray") if path.suffix == ".png" else ("mjpeg", "yuvj420p")
    context: Any = av.CodecContext.create(codec, "w")
    context.height, context.width, context.pix_fmt = *size, pixel_format
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(pixels, format="gray")
    if pixel_format != "gray":
        grey = np.concatenate([pixels.ravel(), np.full(size[0] * size[1] // 2, 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(grey.reshape(-1, size[1]), format="yuvj420p")
    path.write_bytes(b"".join(bytes(p) for p in (*context.encode(frame), *context.encode(None))))


def flow(folder: Path, options: str = "", recipe: Recipe = RECIPE) -> Any:
    spec = parse_spec(f"folder:{folder}?validation=0&test=0&flow_pictures=flow{options}")
    return open_data(spec, "train", recipe, flow=True).sample(0, seed=0, epoch=0).flow


@pytest.fixture
def video(add: Callable[..., Path], tmp_path: Path) -> Path:
    """A video of one second with 25 frames: 13 grid frames."""
    add("data/run/a.mp4", 25)
    return tmp_path / "data"


def fill(folder: Path, x: str, y: str, name: str = "run/a", count: int = 24) -> None:
    for n in range(1, count + 1):
        save(folder / "flow" / x.format(v=name, n=n), 128 + n)
        save(folder / "flow" / y.format(v=name, n=n), 128 - 2 * n)


@pytest.mark.parametrize("name", ["run/a", "a"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(video: Path, layout: str, name: str) -> None:
    """Motion between two grid frames is that of the two pictures between them."""
    fill(video, *LAYOUTS[layout], name=name)
    found = flow(video)
    assert found.shape == (1, 5, 24, 32, 2)
    assert found.dtype == np.float32
    assert np.ptp(found, axis=(2, 3)).max() == 0
    # Clip frames 4 to 8 are the frames 8, 10, ... of the video, the pictures 9 + 10, ... from 1.
    steps = np.array([9 + 10, 11 + 12, 13 + 14, 15 + 16, 15 + 16])
    px = np.stack((steps, -2 * steps), -1) * 40 / 255
    expected = np.round(px / 20 * 127) / 127
    assert np.abs(found[0, :, 0, 0] - expected).max() < 1.5 / 127


def test_bound_and_size(video: Path) -> None:
    """0 is -bound and 255 is bound; displacements are scaled with the pictures."""
    for n in range(1, 25):
        save(video / f"flow/a/flow_x_{n:05d}.png", 0, (48, 128))
        save(video / f"flow/a/flow_y_{n:05d}.png", 255, (48, 128))
    found = flow(video, "&flow_bound=4")
    # Twice 4 px in pictures of four times the width and two times the height.
    assert np.allclose(found[..., 0], -2 * 4 / 4 / 20, atol=1 / 127)
    assert np.allclose(found[..., 1], 2 * 4 / 2 / 20, atol=1 / 127)
    assert np.allclose(flow(video)[..., 0], -0.5, atol=1 / 127)


def test_flow_at_the_rate_of_clips(video: Path) -> None:
    """As many pictures as clips have frames: each is the motion to the next frame of a clip."""
    for n in range(12):
        for axis in "xy":
            save(video / f"flow/a/flow_{axis}_{n:05d}.png", 128 + 8 * n)
    expected = np.array([4, 5, 6, 7, 7]) * 8 * 40 / 255 / 20
    assert np.allclose(flow(video)[0, :, 0, 0, 0], expected, atol=1 / 127)
    for n in range(12, 17):
        for axis in "xy":
            save(video / f"flow/a/flow_{axis}_{n:05d}.png", 128)
    with pytest.raises(VideoError, match=r"17 pairs of flow pictures .* with the option flow_fps"):
        flow(video)
    assert np.allclose(flow(video, "&flow_fps=12.5")[0, :, 0, 0, 0], expected, atol=1 / 127)


def test_wrong_pictures_and_options(video: Path) -> None:
    with pytest.raises(CannotRun, match="flow_pictures=flow: no such file"):
        flow(video)
    (video / "flow").mkdir()
    with pytest.raises(VideoError, match="there are no flow pictures of it"):
        flow(video)
    fill(video, *LAYOUTS["u and v"])
    (video / "flow/v/run/a/frame000007.jpg").unlink()
    with pytest.raises(VideoError, match="picture 7 is missing: 24 for x and 23 for y"):
        flow(video)
    (video / "flow/v/run/a/frame000007.jpg").write_text("no picture")
    recipe = Recipe(frames=13, size=(24, 32), short_side=None)
    with pytest.raises(VideoError, match="not a picture of flow"):
        flow(video, recipe=recipe)
    for options in ("&flow_bound=x", "&flow_bound=0", "&flow_fps=-1", "&flow=.flow"):
        with pytest.raises(CannotRun):
            flow(video, options)
    with pytest.raises(CannotRun, match="flow_bound has no effect without flow_pictures"):
        open_data(parse_spec(f"folder:{video}?test=0&validation=0&flow_bound=3"), "train", RECIPE,
                  flow=True)  # fmt: skip
