"""The picture as a player displays it: pixel shape, rotation, crop, and the right stream."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest

from anetc.video.clips import MOMENTS_TEST, Recipe, sample_clips
from anetc.video.decode import decode, probe, verify
from anetc.video.stream_choice import Candidate, choose_stream
from tests.video.conftest import picture

# Pixels that are not square


def disc(width: int, height: int, aspect: float) -> np.ndarray:
    """Return a frame with a white disc, as stored in pixels of this width / height."""
    y, x = np.ogrid[:height, :width]
    across = (x - width / 2 + 0.5) * aspect
    inside = np.hypot(across, y - height / 2 + 0.5) < height / 3
    return np.repeat((inside * np.uint8(255))[..., None], 3, -1)


def extent(pixels: np.ndarray) -> tuple[int, int]:
    """Return the width and height of what is bright."""
    bright = pixels[..., 0] > 128
    return int(bright.any(0).sum()), int(bright.any(1).sum())


SHAPES = {
    "pal.mp4": (Fraction(64, 45), "libx264"),
    "narrow.mp4": (Fraction(8, 9), "libx264"),
    "wide.mkv": (Fraction(2), "libx264"),
    "dvd.mpg": (Fraction(32, 27), "mpeg2video"),
    "broadcast.ts": (Fraction(4, 3), "libx264"),
    "old.avi": (Fraction(12, 11), "mpeg4"),
    "phone.mov": (Fraction(3, 4), "mpeg4"),
}


@pytest.mark.parametrize(("name", "shape"), SHAPES.items(), ids=SHAPES)
def test_a_disc_is_round(film, name, shape):
    """The width is multiplied by the sample aspect ratio, in the frame and in clips."""
    aspect, codec = shape
    frames = [disc(144, 96, float(aspect))] * 10
    path = film(name, frames, codec=codec, size=(144, 96), aspect=aspect)
    info = probe(path)
    assert info.height == 96
    assert info.width == round(144 * aspect)
    recipe = attrs.evolve(MOMENTS_TEST, frames=1, size=(96, 96), short_side=120)
    for pixels in (
        decode(info).pixels[0],
        decode(info, size=60).pixels[0],
        sample_clips(path, recipe, seed=0, sample=0)[0].pixels[0],
    ):
        width, height = extent(pixels)
        assert abs(width - height) <= 2
        assert height == pytest.approx(2 / 3 * min(*pixels.shape[:2], 120), abs=17)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_shape_rotation_and_crop_together(film, degrees):
    """The shape is that of stored pixels: a quarter turn makes the frame high, not wide."""
    aspect = Fraction(2)
    frame = disc(72, 96, 2.0)
    frame[:, :8] = (255, 0, 0)
    path = film(
        "turned.mp4",
        [frame] * 2,
        size=(72, 96),
        aspect=aspect,
        turn=(degrees, False, False),
        options={"crf": "1"},
    )
    info = probe(path)
    quarter = degrees % 180 == 90
    assert (info.width, info.height) == ((96, 144) if quarter else (144, 96))
    pixels = decode(info).pixels[0]
    # The red left edge is now below, above or on the right.
    edges = {
        "left": pixels[:, :8],
        "right": pixels[:, -8:],
        "above": pixels[:8],
        "below": pixels[-8:],
    }
    red = [name for name, part in edges.items() if part[..., 0].mean() > 200]
    assert red == [{90: "below", -90: "above", 180: "right"}[degrees]]
    recipe = Recipe(frames=1, size=(80, 80), short_side=96)
    clip = sample_clips(path, recipe, seed=0, sample=0)[0]
    assert clip.pixels.shape == (1, 80, 80, 3)
    assert clip.corner == ((32, 8) if quarter else (8, 32))
    width, height = extent(clip.pixels[0])
    assert abs(width - height) <= 2


@pytest.mark.parametrize("aspect", [None, Fraction(1), Fraction(1, 1000), Fraction(200)])
def test_absurd_shapes_are_ignored(film, aspect):
    """A pixel that is 200 times as wide as high is a damaged header."""
    path = film("film.mkv", 2, codec="mpeg4", aspect=aspect)
    assert (probe(path).width, probe(path).pixel_aspect) == (64, 1)


# Several video streams


def streams(path: Path, kinds: Sequence[dict[str, Any]]) -> Path:
    """Write a file with several video streams, each of `frames` frames that start with `first`."""
    with av.open(str(path), "w") as out:
        added = []
        for kind in kinds:
            stream: Any = out.add_stream(kind.get("codec", "libx264"), rate=25)
            stream.width, stream.height = kind.get("size", (64, 48))
            stream.pix_fmt = "yuvj420p" if kind.get("codec") == "mjpeg" else "yuv420p"
            stream.disposition = kind.get("disposition", 0)
            added.append(stream)
        packets = []
        for stream, kind in zip(added, kinds, strict=True):
            for n in range(kind["frames"]):
                pixels = picture(kind["first"] + n, stream.width, stream.height, noisy=False)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                packets += stream.encode(frame)
            packets += stream.encode()
        for packet in packets:
            out.mux(packet)
    return path


DEFAULT = 1
FILM = {"first": 100, "frames": 30}
CHOICES = {
    "preview": [{"codec": "mjpeg", "first": 1, "frames": 1, "size": (32, 24)}, FILM],
    "marked preview": [
        {"codec": "mjpeg", "first": 1, "frames": 1, "size": (128, 96), "disposition": DEFAULT},
        FILM,
    ],
    "second is default": [{"first": 1, "frames": 30}, {**FILM, "disposition": DEFAULT}],
    "first of equals": [FILM, {"first": 1, "frames": 30}],
}


@pytest.mark.parametrize("suffix", ["mkv", "mov", "mp4"])
@pytest.mark.parametrize("kinds", CHOICES.values(), ids=CHOICES)
def test_the_default_or_the_best_stream_is_read(tmp_path, numbers, suffix, kinds):
    """Wherever it is in the file."""
    path = streams(tmp_path / f"film.{suffix}", kinds)
    info = verify(path)
    assert len(info.timeline.shown) == 30
    assert numbers(decode(info, fps=25).pixels) == list(range(100, 130))
    assert numbers(decode(info, fps=25, start=0.8, frames=3).pixels) == [120, 121, 122]


@pytest.mark.parametrize("other", [{"frames": 30, "size": (32, 24)}, {"frames": 20}], ids=str)
def test_without_a_default_the_larger_and_longer_stream_is_read(tmp_path, numbers, other):
    """Only Matroska can hold two streams of which none is the default."""
    path = streams(tmp_path / "film.mkv", [{"first": 1, **other}, FILM])
    assert numbers(decode(path, fps=25).pixels) == list(range(100, 130))


def test_a_default_stream_is_better_than_a_larger_one():
    """The order: no preview, the default, then size times length."""

    def candidate(index: int, default: bool, pixels: int, packets: int) -> Candidate:
        return Candidate(index, default, pixels, packets, first=0, late=100)

    small = candidate(0, True, 100, 50)
    large = candidate(1, False, 1000, 50)
    still = candidate(2, True, 9000, 1)
    preview = candidate(3, True, 50, 2)
    assert choose_stream([large, small]) == small
    assert choose_stream([still, large, preview]) == large
    assert choose_stream([still]) == still
    assert choose_stream([candidate(0, True, 100, 50), candidate(1, True, 900, 50)]).index == 1


# Stored pixels


ODD_FORMATS = {
    "yuv411p": "ffv1",
    "yuv410p": "ffv1",
    "yuv422p": "ffv1",
    "yuv440p": "ffv1",
    "yuva420p": "ffv1",
    "gray10le": "ffv1",
    "gray16le": "ffv1",
    "ya8": "ffv1",
    "gbrp14le": "ffv1",
    "gbrap12le": "ffv1",
    "yuv444p16le": "ffv1",
    "bgra": "ffv1",
    "rgb48le": "ffv1",
    "nv12": "rawvideo",
    "rgb565le": "rawvideo",
    "rgb555le": "rawvideo",
    "bgr24": "rawvideo",
    "uyvy422": "rawvideo",
    "yuyv422": "rawvideo",
    "monow": "rawvideo",
    "yuv422p10le": "prores_ks",
    "argb": "qtrle",
    "rgba": "png",
    "gray": "png",
}


@pytest.mark.parametrize(("pixel_format", "codec"), ODD_FORMATS.items(), ids=str)
def test_odd_pixel_formats(film, numbers, pixel_format, codec):
    """All give the right picture."""
    suffix = "mov" if codec in ("prores_ks", "qtrle", "png") else "nut"
    path = film(f"film.{suffix}", 3, codec=codec, pixel_format=pixel_format)
    info = verify(path)
    for size in (None, 24, (30, 70)):
        assert numbers(decode(info, fps=25, size=size).pixels) == [0, 1, 2]


@pytest.mark.parametrize("name", ["field.mpg", "field.ts", "field.mkv"])
def test_interlaced_frames_are_read(film, numbers, name):
    """They are not deinterlaced."""
    options = {"flags": "+ildct+ilme", "alternate_scan": "1"}
    path = film(name, 20, codec="mpeg2video", options=options)
    assert numbers(decode(verify(path), fps=25).pixels) == list(range(20))
