"""Measure how fast clips are read from H.264, beside PyAV used directly and other readers.

    python -m pytest benchmarks/bench_video.py -o python_files='bench_*.py' -o addopts=

A clip has 32 frames at 12.5 frames a second, with a short side of 256 px, at a random place of a
film of ten seconds (25 frames a second, key frames each 250, B frames: the defaults of x264). All
readers use one thread and read the same clips in turns. Times are CPU time, so the load of the
machine has little influence. `clips/s` is therefore the number for one core.

- `first epoch`: `decode` with a new `examine`, as in the first epoch of training
- `later epochs`: the same with the properties of the file kept (`probe_cache`)
- `PyAV`: open, seek, decode and scale; no check of damage, and time stamps are believed
- `decord` and `torchcodec`, if they are installed; the latter with the resize of torch

`long film` is a film of two minutes, in MP4 and in MPEG-TS, which has no index.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from anetc.video import playing
from anetc.video.decode import BASE_FPS, decode
from anetc.video.probe import examine
from anetc.video.source import opened
from benchmarks.tables import print_table, replay

FILM = Path(__file__).resolve().parent.parent / "tests" / "media" / "city_cc0.mp4"
FPS, SECONDS, FRAMES, SHORT, CLIPS = 25, 10, 32, 256, 12
SIZES = {"340x256": (340, 256), "1280x720": (1280, 720)}

Reader = Callable[[Path, float], Any]
_table: list[tuple[str, ...]] = [("film", "reader", "ms a clip", "clips/s", "ratio to PyAV")]
_stages: list[tuple[str, ...]] = [("film", "stage", "ms a clip", "share")]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for table in (_table, _stages):
        if len(table) > 1:
            print_table(request, table)


def write_film(path: Path, size: tuple[int, int], seconds: int) -> Path:
    """Write the film of tests/media forwards and backwards, at another size."""
    with av.open(str(FILM)) as source:
        pictures = [
            frame.reformat(*size, "yuv420p")
            for frame in source.decode(video=0)
            if isinstance(frame, av.VideoFrame)
        ]
    pictures += pictures[-2:0:-1]
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(FPS * seconds):
            frame = pictures[number % len(pictures)]
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def first_epoch(path: Path, start: float) -> np.ndarray:
    return decode(examine(path), start=start, frames=FRAMES, size=SHORT).pixels


def make_later_epochs(path: Path) -> Reader:
    info = examine(path)
    return lambda _, start: decode(info, start=start, frames=FRAMES, size=SHORT).pixels


def pyav(path: Path, start: float) -> np.ndarray:
    """Return the frames on screen, as a short script would read them."""
    due = [start + k / BASE_FPS for k in range(FRAMES)]
    pixels: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        assert stream.time_base is not None
        width, height = _shrunk(stream.width, stream.height)
        container.seek(int(start / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            while shown is not None and len(pixels) < FRAMES and due[len(pixels)] < frame.time:
                pixels.append(shown.reformat(width, height, "rgb24").to_ndarray())
            if len(pixels) == FRAMES:
                break
            shown = frame
    return np.stack(pixels)


def decord(path: Path, start: float) -> np.ndarray:
    import decord

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        width, height = _shrunk(stream.width, stream.height)
    reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
    return reader.get_batch([int(start * FPS + 0.5) + 2 * k for k in range(FRAMES)]).asnumpy()


def torchcodec(path: Path, start: float) -> torch.Tensor:
    from torchcodec.decoders import VideoDecoder

    reader = VideoDecoder(str(path), num_ffmpeg_threads=1, seek_mode="approximate")
    found = reader.get_frames_at([int(start * FPS + 0.5) + 2 * k for k in range(FRAMES)]).data
    height, width = found.shape[-2:]
    width, height = _shrunk(width, height)
    if found.shape[-2:] == (height, width):
        return found
    return torch.nn.functional.interpolate(
        found, (height, width), mode="bilinear", antialias=True, align_corners=False
    )


def _shrunk(width: int, height: int) -> tuple[int, int]:
    scale = SHORT / min(width, height)
    return round(width * scale), round(height * scale)


def readers(path: Path) -> dict[str, Reader]:
    """Return the readers that are installed and can read a clip."""
    found: dict[str, Reader] = {
        "PyAV": pyav,
        "first epoch": first_epoch,
        "later epochs": make_later_epochs(path),
    }
    for name, reader in (("decord", decord), ("torchcodec", torchcodec)):
        try:
            reader(path, 0.0)
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name}: {type(error).__name__}")
        else:
            found[name] = reader
    return found


def cpu_seconds(read: Callable[[], object]) -> float:
    start = time.process_time()
    read()
    return time.process_time() - start


@pytest.mark.parametrize("film", SIZES)
def test_clips(benchmark: BenchmarkFixture, tmp_path: Path, film: str) -> None:
    path = write_film(tmp_path / "film.mp4", SIZES[film], SECONDS)
    rng = random.Random(0)
    starts = [rng.randrange(int((SECONDS - FRAMES / BASE_FPS) * FPS)) / FPS for _ in range(CLIPS)]
    found = readers(path)
    times: dict[str, list[float]] = {name: [] for name in found}
    for start in starts:
        for name, reader in found.items():
            times[name].append(cpu_seconds(lambda r=reader, s=start: r(path, s)))
    replay(benchmark, times["first epoch"])
    means = {name: statistics.mean(seconds) for name, seconds in times.items()}
    for name, mean in means.items():
        ratio = mean / means["PyAV"]
        _table.append((film, name, f"{1000 * mean:.1f}", f"{1 / mean:.1f}", f"{ratio:.2f}"))
    benchmark.extra_info.update({name: round(mean, 4) for name, mean in means.items()})
    _add_stages(film, path, starts)


def _add_stages(film: str, path: Path, starts: list[float]) -> None:
    """Measure where the time of a clip goes in the first epoch."""
    info = examine(path)
    spent = dict.fromkeys(("decode", "scale"), 0.0)

    def counting(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[stage] += time.process_time() - started

        return call

    def open_only() -> None:
        with opened(path):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "decode_packet", counting("decode", playing.decode_packet))
        patch.setattr(playing.Played, "put", counting("scale", playing.Played.put))
        total = sum(
            cpu_seconds(lambda s=s: decode(info, start=s, frames=FRAMES, size=SHORT))
            for s in starts
        )
    count = len(starts)
    stages = {
        "examine": sum(cpu_seconds(lambda: examine(path)) for _ in starts),
        "open, seek": sum(cpu_seconds(open_only) for _ in starts),
        **spent,
    }
    stages["rest"] = total - sum(stages.values()) + stages["examine"]
    whole = total + stages["examine"]
    for stage, seconds in stages.items():
        share = f"{100 * seconds / whole:.0f} %"
        _stages.append((film, stage, f"{1000 * seconds / count:.1f}", share))


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_long_film(benchmark: BenchmarkFixture, tmp_path: Path, suffix: str) -> None:
    path = write_film(tmp_path / f"film.{suffix}", (340, 256), 120)
    later = make_later_epochs(path)
    starts = (3.0, 61.0, 115.0)
    seconds = [cpu_seconds(lambda s=s: first_epoch(path, s)) for s in starts]
    kept = [cpu_seconds(lambda s=s: later(path, s)) for s in starts]
    replay(benchmark, seconds)
    for name, times in (("first epoch", seconds), ("later epochs", kept)):
        mean = statistics.mean(times)
        _table.append((f"long film, {suffix}", name, f"{1000 * mean:.1f}", f"{1 / mean:.1f}", ""))
