"""Truncated and corrupt films: the number of readable frames, and no undetected damage."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from anetc.video.decode import VideoError, decode, verify
from tests.video.containers import CONTAINERS

TELLING = [key for key in CONTAINERS if key not in ("mpeg-ps", "mpeg-ts", "wmv")]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("key", TELLING)
def test_errors_of_truncated_files_count_the_readable_frames(film, key, share):
    """Cut at 10, 50 and 90%: the error has the file's name and the number of readable frames."""
    name, how = CONTAINERS[key]
    path = _cut(film(name, 50, noisy=True, **how), share)
    for attempt in (decode, verify):
        with pytest.raises(VideoError) as caught:
            attempt(path)
        assert str(path) in str(caught.value)
        assert caught.value.readable <= 50 * share + 2
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("key", ["mpeg-ps", "mpeg-ts", "wmv"])
def test_streams_without_a_length_end_where_they_are_cut(film, key, share):
    """Their length is unknown: a cut can only be detected in a damaged last frame."""
    name, how = CONTAINERS[key]
    path = _cut(film(name, 50, noisy=True, **how), share)
    assert _readable(path) <= 50 * share + 12


def _readable(path: Path) -> int:
    try:
        return len(decode(path, fps=25, strict=False).pixels)
    except VideoError as error:
        return error.readable


def test_the_count_of_readable_frames_is_exact(film, numbers):
    """A film cut in its 31st frame has 30 readable frames; its index has 50."""
    fast = {"container": {"movflags": "faststart"}, "options": {"bf": "0"}}
    path = film("clip.mp4", 50, noisy=True, **fast)
    intact = decode(path, fps=25).pixels
    _cut_at_packet(path, 30, into=5)
    with pytest.raises(VideoError, match=r"clip\.mp4: truncated: 30 of about 50 frames readable; "):
        decode(path)
    found = decode(path, fps=25, strict=False)
    assert found.damage == "truncated"
    assert np.array_equal(found.pixels, intact[:30])


def test_a_cut_between_two_frames_is_detected(film):
    """No packet is damaged: only the count differs."""
    for name in ("film.mp4", "film.avi"):
        path = film(name, 50, codec="mpeg4", container={"movflags": "faststart"})
        _cut_at_packet(path, 30, into=0 if name == "film.mp4" else -8)
        with pytest.raises(VideoError, match="truncated: 30 of about 50 frames"):
            decode(path, frames=1)


def test_damage_in_the_middle(film, numbers):
    """An error if strict; else the last good frame is repeated and the others are unchanged."""
    path = film("film.mkv", 50, codec="ffv1", pixel_format="yuv444p", noisy=True, gop=1)
    intact = decode(path, fps=25).pixels
    _spoil_packets(path, range(20, 23))
    with pytest.raises(VideoError, match="corrupt: 47 of about 50 frames readable"):
        decode(path)
    found = decode(path, fps=25, strict=False)
    assert found.damage == "corrupt"
    assert numbers(found.pixels) == [*range(20), 19, 19, 19, *range(23, 50)]
    assert np.array_equal(found.pixels[23:], intact[23:])


def test_damage_is_detected_where_it_is_decoded(film):
    """A clip before the damage can be decoded; `verify` reads all frames."""
    path = film("film.mkv", 50, codec="ffv1", pixel_format="yuv444p", noisy=True, gop=1)
    _spoil_packets(path, [40])
    assert decode(path, frames=5).damage is None
    with pytest.raises(VideoError, match="corrupt: 49 of about 50"):
        verify(path)
    with pytest.raises(VideoError, match="corrupt: 49 of about 50"):
        decode(path, start=1.6, frames=5)


def test_damage_that_ffmpeg_conceals_is_detected(film):
    """H.264 conceals errors and marks the frame."""
    path = film("film.mp4", 50, noisy=True)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, 2 * len(data) // 3, 97):
        data[place] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"corrupt: \d+ of about 50 frames readable"):
        verify(path)


def _cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def _packets(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as source:
        return [(p.pos, p.size) for p in source.demux(video=0) if p.size]


def _cut_at_packet(path: Path, number: int, into: int) -> None:
    path.write_bytes(path.read_bytes()[: _packets(path)[number][0] + into])


def _spoil_packets(path: Path, which) -> None:
    data, packets = bytearray(path.read_bytes()), _packets(path)
    for number in which:
        place, size = packets[number]
        data[place + 40 : place + size] = b"\xff" * (size - 40)
    path.write_bytes(data)


@pytest.mark.parametrize("key", CONTAINERS)
def test_damaged_files_raise_no_other_errors(film, key):
    """Bytes are changed, removed or inserted anywhere: the result is frames or a VideoError."""
    name, how = CONTAINERS[key]
    path = film(name, 12, noisy=True, **how)
    intact, rng = path.read_bytes(), np.random.default_rng(len(key))
    for trial in range(12):
        data = bytearray(intact)
        # The header, the frames and the end in turn.
        low, high = [(0, 600), (0, len(data)), (len(data) - 600, len(data))][trial % 3]
        for place in rng.integers(max(low, 0), min(high, len(data)), 6).tolist():
            data[place] = int(rng.integers(256))
        if trial >= 6:
            del data[place : place + int(rng.integers(1, 300))]
        if trial >= 9:
            data[place:place] = rng.bytes(200)
        path.write_bytes(data)
        try:
            found = decode(path, size=16, frames=20, strict=trial % 2 == 0)
        except VideoError as error:
            line = str(error)
        else:
            line = str(found.damage)
            assert found.pixels.shape[2] >= 16
        assert line.isprintable()
