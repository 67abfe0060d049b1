"""Films that are cut or spoilt: how much is readable, and nothing silent."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from anetc.video.decode import VideoError, decode, verify
from tests.video.containers import CONTAINERS

TELLING = [key for key in CONTAINERS if key not in ("mpeg-ps", "mpeg-ts", "wmv", "gif")]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("key", TELLING)
def test_truncated_files_say_how_much_is_left(film, key, share):
    """Cut at 10, 50 and 90%: an error with the file's name and the number of readable frames."""
    name, how = CONTAINERS[key]
    path = _cut(film(name, 50, noisy=True, **how), share)
    for attempt in (decode, verify):
        with pytest.raises(VideoError) as caught:
            attempt(path)
        assert str(path) in str(caught.value)
        assert caught.value.readable <= 50 * share + 2
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("key", ["mpeg-ps", "mpeg-ts", "wmv", "gif"])
def test_streams_without_a_length_end_where_they_are_cut(film, key, share):
    """These do not say how long they are: a cut shows at most as a spoilt last frame."""
    name, how = CONTAINERS[key]
    path = _cut(film(name, 50, noisy=True, **how), share)
    assert _readable(path) <= 50 * share + 12


def _readable(path: Path) -> int:
    try:
        return len(decode(path, fps=25, strict=False).pixels)
    except VideoError as error:
        return error.readable


def test_the_count_of_readable_frames_is_exact(film, numbers):
    """A film cut in its 31st frame has 30, strict or not; its index still promises 50."""
    fast = {"container": {"movflags": "faststart"}, "options": {"bf": "0"}}
    path = film("clip.mp4", 50, noisy=True, **fast)
    intact = decode(path, fps=25).pixels
    _cut_at_packet(path, 30, into=5)
    with pytest.raises(VideoError, match=r"clip\.mp4: truncated: 30 of about 50 frames readable; "):
        decode(path)
    found = decode(path, fps=25, strict=False)
    assert found.damage == "truncated"
    assert np.array_equal(found.pixels, intact[:30])


def test_a_cut_between_two_frames_is_noticed(film):
    """No packet is broken then: only the count tells."""
    for name in ("film.mp4", "film.avi"):
        path = film(name, 50, codec="mpeg4", container={"movflags": "faststart"})
        _cut_at_packet(path, 30, into=0 if name == "film.mp4" else -8)
        with pytest.raises(VideoError, match="truncated: 30 of about 50 frames"):
            decode(path, frames=1)


def test_damage_in_the_middle(film, numbers):
    """Strict: an error. Otherwise the last good frame stands in, and the rest is as it was."""
    path = film("film.mkv", 50, codec="ffv1", pixel_format="yuv444p", noisy=True, gop=1)
    intact = decode(path, fps=25).pixels
    _spoil_packets(path, range(20, 23))
    with pytest.raises(VideoError, match="corrupt: 47 of about 50 frames readable"):
        decode(path)
    found = decode(path, fps=25, strict=False)
    assert found.damage == "corrupt"
    assert numbers(found.pixels) == [*range(20), 19, 19, 19, *range(23, 50)]
    assert np.array_equal(found.pixels[23:], intact[23:])


def test_damage_is_found_where_it_is_decoded(film):
    """A window before the damage decodes; `verify` reads everything."""
    path = film("film.mkv", 50, codec="ffv1", pixel_format="yuv444p", noisy=True, gop=1)
    _spoil_packets(path, [40])
    assert decode(path, frames=5).damage is None
    with pytest.raises(VideoError, match="corrupt: 49 of about 50"):
        verify(path)
    with pytest.raises(VideoError, match="corrupt: 49 of about 50"):
        decode(path, start=1.6, frames=5)


def test_spoilt_bits_that_ffmpeg_conceals_are_noticed(film):
    """H.264 conceals errors and only marks the frame; the mark counts."""
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
def test_spoilt_files_never_raise_anything_else(film, key):
    """Bytes changed, taken out or put in, anywhere: frames, or a VideoError of one line."""
    name, how = CONTAINERS[key]
    path = film(name, 12, noisy=True, **how)
    intact, rng = path.read_bytes(), np.random.default_rng(len(key))
    for trial in range(12):
        data = bytearray(intact)
        # The header, the frames and the tail in turn.
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
