"""Generated films whose frames contain their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

BARS = 8


def picture(number: int, width: int, height: int, noisy: bool) -> np.ndarray:
    """Return a frame with eight vertical black or white bars, the number in binary; noise below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for bit in range(BARS):
        white = 255 if number >> bit & 1 else 0
        pixels[:, bit * width // BARS : (bit + 1) * width // BARS] = white
    if noisy:
        rng = np.random.default_rng(number)
        pixels[height // 2 :] = rng.integers(0, 256, (height - height // 2, width, 3), np.uint8)
    return pixels


def number(pixels: np.ndarray) -> int:
    """Return the number that `picture` wrote into a frame (H, W, 3), at any size."""
    height, width = pixels.shape[:2]
    row = pixels[height // 4].mean(-1)
    bars = [row[(2 * bit + 1) * width // (2 * BARS)] for bit in range(BARS)]
    return sum(int(bar > 127) << bit for bit, bar in enumerate(bars))


@pytest.fixture
def numbers() -> Callable[[np.ndarray], list[int]]:
    """A function that returns the frame numbers of a clip (T, H, W, 3)."""
    return lambda pixels: [number(frame) for frame in pixels]


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """A function that encodes a film and returns its path."""

    def make(
        name: str = "film.mp4",
        frames: int | Sequence[np.ndarray] = 50,
        *,
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        size: tuple[int, int] = (64, 48),
        fps: int | Fraction = 25,
        times_ms: Sequence[int] | None = None,
        first: int = 0,
        aspect: Fraction | None = None,
        gop: int = 12,
        noisy: bool = False,
        turn: tuple[int, bool, bool] | None = None,
        container: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(frames, int):
            frames = [picture(first + n, *size, noisy) for n in range(frames)]
        with av.open(f"file:{path}", "w", options=container or {}) as out:
            out.metadata.update(metadata or {})
            stream: Any = out.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height, stream.pix_fmt = *size, pixel_format
            stream.codec_context.gop_size = gop
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            if times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if turn is not None:
                stream.set_display_rotation(*turn)
            for n, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                if times_ms is not None:
                    frame.pts, frame.time_base = times_ms[n], Fraction(1, 1000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        return path

    return make


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A file with a second of silence and no video stream."""
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=16000)
        samples = np.zeros((1, 16000), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture
def city() -> Path:
    """Four seconds of a street: 100 frames of 256x144 (tests/media/README.md)."""
    return Path(__file__).resolve().parents[1] / "media" / "city_cc0.mp4"
