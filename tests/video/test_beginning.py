"""Recordings that begin between key frames, and frames that are missing on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from anetc.video.decode import VideoError, decode, probe, verify
from anetc.video.frame_numbers import FrameNumbers
from tests.video.containers import CONTAINERS

SIZE = (176, 144)
"""H.263 has few sizes, and small frames would all be key frames."""


def without(source: Path, target: Path, dropped: Callable[[int], bool]) -> Path:
    """Copy a film without some of its packets, as if they had never been received."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size and not dropped(number):
                packet.stream = stream
                out.mux(packet)
    return target


KINDS = {
    **{key: CONTAINERS[key] for key in ("mkv", "mp4", "mp4-mpeg4", "webm-vp8", "flv", "wmv")},
    "mpeg-ts": ("film.ts", {"codec": "libx264"}),
    "mpeg-ts-mpeg2": ("film.ts", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg-ps": ("film.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "avi": ("film.avi", {"codec": "mpeg4"}),
    "avi-b": ("film.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "flv-h264": ("film.flv", {"codec": "libx264"}),
    "mkv-hevc": ("film.mkv", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    "vp9": (
        "film.webm",
        {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    ),
}


@pytest.mark.parametrize(("name", "how"), KINDS.values(), ids=KINDS)
def test_a_recording_starts_at_its_first_key_frame(film, numbers, tmp_path, name, how):
    """No frame before it is displayed: no grey, frozen or smeared picture, and no such time."""
    whole = film(name, 50, gop=20, size=SIZE, **how)
    path = without(whole, tmp_path / f"late-{name}", lambda number: number < 6)
    info = probe(path)
    shown = numbers(decode(info, fps=25).pixels)
    assert shown == list(range(shown[0], 50))
    assert 6 <= shown[0] <= 23
    assert info.duration == pytest.approx(len(shown) / 25)
    assert verify(path) == info
    assert numbers(decode(info, fps=25, start=0.4, frames=2).pixels) == shown[10:12]


def test_a_recording_without_a_key_frame_is_refused(film, tmp_path):
    """Its frames would be changes of a grey picture."""
    never = {"sc_threshold": "1000000000"}
    whole = film("film.mkv", 20, gop=100, codec="mpeg4", size=SIZE, options=never)
    path = without(whole, tmp_path / "late.mkv", lambda number: number == 0)
    with pytest.raises(VideoError, match="it has no key frame, so no frame can be decoded: 0 fra"):
        probe(path)


def test_a_gradual_refresh_starts_where_the_picture_is_complete(film, numbers, tmp_path):
    """H.264 without key frames after the first: columns are renewed one after the other."""
    options = {"x264-params": "intra-refresh=1:keyint=15:bframes=0:scenecut=0", "preset": "fast"}
    whole = film("film.ts", 60, options=options)
    assert numbers(decode(whole, fps=25, start=1.6, frames=3).pixels) == [40, 41, 42]
    path = without(whole, tmp_path / "late.ts", lambda number: number < 3)
    shown = numbers(decode(path, fps=25).pixels)
    assert shown == list(range(shown[0], 60))
    assert 15 <= shown[0] <= 45


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
def test_lost_reference_frames_of_h264_are_damage(film, tmp_path, suffix):
    """Network cameras lose them. FFmpeg then decodes smeared frames and reports nothing."""
    options = {"bf": "0", "preset": "fast", "x264-params": "scenecut=0:ref=1"}
    whole = film(f"film.{suffix}", 40, gop=20, noisy=True, options=options)
    path = without(whole, tmp_path / f"lost.{suffix}", lambda number: number == 8)
    with pytest.raises(VideoError, match="corrupt"):
        verify(path)
    with pytest.raises(VideoError, match="corrupt"):
        decode(path, fps=25)
    # Before the loss, and after the next key frame, all is well.
    assert decode(path, fps=25, frames=5).damage is None
    if suffix != "flv":
        assert decode(path, fps=25, start=1.0, frames=5).damage is None


def test_lost_frames_that_no_other_depends_on_are_not_displayed(film, numbers, tmp_path):
    """The frame before one stays on screen, as in a player."""
    whole = film("film.mkv", 40, codec="mpeg2video", gop=40, options={"bf": "2"})
    dropped: list[int] = []
    with av.open(str(whole)) as container:
        latest = -1
        for number, packet in enumerate(container.demux(video=0)):
            # A frame that is displayed before an earlier one is a B frame.
            if packet.pts is not None and packet.pts < latest and number % 5 == 0:
                dropped.append(number)
            latest = max(latest, packet.pts or 0)
    assert len(dropped) >= 2
    path = without(whole, tmp_path / "lost.mkv", dropped.__contains__)
    shown = numbers(decode(path, fps=25).pixels)
    assert [shown[n] for n in range(40) if shown[n] == n] == sorted(set(shown))
    assert len(set(shown)) == 40 - len(dropped)


def test_numbers_of_frames_are_read_in_both_layouts(film):
    """With lengths (MP4) and with start codes (MPEG-TS), for several profiles."""
    for name in ("film.mp4", "film.ts"):
        for pixel_format in ("yuv420p", "yuv444p", "yuv420p10le"):
            path = film(name, 40, gop=15, pixel_format=pixel_format)
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                units = [bytes(packet) for packet in container.demux(stream) if packet.size]
                extradata = stream.codec_context.extradata
            numbers = FrameNumbers.of(extradata)
            assert not any(numbers.has_gap(unit) for unit in units)
            assert numbers.latest is not None
            numbers = FrameNumbers.of(extradata)
            kept = [unit for place, unit in enumerate(units) if place % 15 not in (1, 2, 3, 4)]
            assert any(numbers.has_gap(unit) for unit in kept)


@pytest.mark.parametrize("length_bytes", [0, 1, 2, 4])
def test_numbers_of_frames_survive_any_bytes(length_bytes):
    """Damaged headers give no error; the decoder reports them."""
    rng = np.random.default_rng(length_bytes)
    extra = b"\1" + bytes(rng.integers(0, 256, 40).tolist()) if length_bytes else None
    numbers = FrameNumbers.of(extra)
    for size in [0, 1, 2, 5, *rng.integers(3, 60, 300).tolist()]:
        packet = bytes(rng.integers(0, 256, size).tolist())
        for kind in (b"", b"\0\0\1\x67", b"\0\0\1\x68", b"\0\0\1\x65", b"\0\0\1\x41"):
            numbers.has_gap(kind + packet)
            numbers.is_intra(kind + packet)


def _uncoded(number: int) -> bytes:
    """Return an MPEG-4 frame without content (ISO/IEC 14496-2, 6.2.5), at 25 frames a second."""
    # P, no full second, marker, 5 bits of time, marker, not coded, and the end of the byte.
    bits = f"01{'0'}1{number % 25:05b}10".ljust(16, "1")
    return b"\0\0\1\xb6" + int(bits, 2).to_bytes(2)


@pytest.mark.parametrize("name", ["film.avi", "film.mkv", "film.mp4"])
def test_frames_without_content_are_not_damage(film, numbers, tmp_path, name):
    """MPEG-4 encoders write them where they drop a frame: the frame before stays on screen."""
    never = {"sc_threshold": "1000000000"}
    whole = film(f"whole-{name}", 30, codec="mpeg4", gop=10, size=SIZE, options=never)
    path = tmp_path / name
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size == 0:
                continue
            written = packet
            if number in (8, 9, 18):
                written = av.Packet(_uncoded(number))
                written.pts, written.dts = packet.pts, packet.dts
                written.time_base = packet.time_base
            written.stream = stream
            out.mux(written)
    shown = numbers(decode(verify(path), fps=25).pixels)
    # Frame 19 depends on 18.
    assert shown[:19] == [*range(8), 7, 7, *range(10, 18), 17]
    assert shown[20:] == list(range(20, 30))
    assert numbers(decode(path, fps=25, start=0.36, frames=3).pixels) == [7, 10, 11]
