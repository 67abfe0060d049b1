"""Decoding: the right frames by time, every odd file an error of one line, nothing silent."""

from __future__ import annotations

import copy
import os
import struct
from fractions import Fraction
from pathlib import Path

import attrs
import av
import numpy as np
import pytest

from anetc.video import decode as decode_module
from anetc.video.decode import VideoError, decode, grid_length, probe, verify
from anetc.video.source import packets

# Name, codec, options: B frames wherever the codec has them.
CONTAINERS = {
    "mp4": ("film.mp4", {"codec": "libx264"}),
    "mp4-mpeg4": ("film.mp4", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mp4-fragmented": ("film.mp4", {"container": {"movflags": "frag_keyframe+empty_moov"}}),
    "mkv": ("film.mkv", {"codec": "libx264"}),
    "mkv-ffv1": ("film.mkv", {"codec": "ffv1", "pixel_format": "yuv444p"}),
    "webm-vp8": (
        "film.webm",
        {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    ),
    "avi-mjpeg": ("film.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "avi-mpeg4": ("film.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "avi-h264": ("film.avi", {"codec": "libx264"}),
    "mpeg-ps": ("film.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg-ts": ("film.ts", {"codec": "libx264"}),
    "flv": ("film.flv", {"codec": "flv1"}),
    "wmv": ("film.wmv", {"codec": "wmv2"}),
    "gif": ("film.gif", {"codec": "gif", "pixel_format": "rgb8"}),
}
every_container = pytest.mark.parametrize(("name", "how"), CONTAINERS.values(), ids=CONTAINERS)


# Which frames


def test_city_gives_fifty_frames_at_the_papers_rate(city):
    """12.5 frames a second is the default, and every other frame of a film at 25."""
    found = decode(city)
    assert found.pixels.shape == (50, 144, 256, 3)
    assert found.pixels.dtype == np.uint8
    assert found.times.tolist() == [round(k * 0.08, 2) for k in range(50)]
    assert found.damage is None
    everything = decode(city, fps=25).pixels
    assert np.array_equal(everything[::2], found.pixels)


@every_container
def test_every_container_shows_the_frame_that_is_due(film, numbers, name, how):
    """Frame n of a film at 25 is on screen from n/25 s: at 12.5, 25, 50 and 10 frames a second."""
    path = film(name, 30, **how)
    assert numbers(decode(path).pixels) == list(range(0, 30, 2))
    assert numbers(decode(path, fps=25).pixels) == list(range(30))
    assert numbers(decode(path, fps=50).pixels) == [n // 2 for n in range(60)]
    assert numbers(decode(path, fps=10).pixels) == [5 * k // 2 for k in range(12)]


@every_container
def test_a_window_is_a_slice_of_the_whole(film, numbers, name, how):
    """Seeking, or decoding from the start: bit for bit the same frames."""
    info = probe(film(name, 60, gop=7, **how))
    whole = decode(info, fps=25)
    for start in (0, 1, 6, 7, 20, 41, 59):
        part = decode(info, fps=25, start=start / 25, frames=5)
        assert np.array_equal(part.pixels, whole.pixels[start : start + 5])
        assert np.array_equal(part.times, whole.times[start : start + 5])


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_varying_frame_rates_are_read_by_time_stamp(film, numbers, name):
    """A frame stays until the next one is due, however long; index / fps would be wrong."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.choice([7, 20, 33, 40, 160, 400], 40)).tolist()
    path = film(name, 40, times_ms=times)
    found = decode(path)
    since = [time - times[0] for time in times]
    expected = [max(n for n in range(40) if since[n] <= 80 * k) for k in range(len(found.times))]
    assert numbers(found.pixels) == expected
    assert len(found.times) >= since[-1] // 80 + 1
    assert np.allclose(found.times, [since[n] / 1000 for n in expected])
    for start in (3, 17, len(expected) - 2):
        part = decode(path, start=start * 0.08, frames=2)
        assert numbers(part.pixels) == expected[start : start + 2]


def test_stamps_rounded_to_milliseconds_do_not_repeat_or_skip_frames(film, numbers):
    """Matroska stores 67 ms for the frame of 66.7 ms: at its own rate each frame comes once."""
    path = film("film.mkv", 60, codec="mpeg4", fps=30)
    assert numbers(decode(path, fps=30).pixels) == list(range(60))
    ntsc = Fraction(30000, 1001)
    path = film("ntsc.mkv", 60, codec="mpeg4", fps=ntsc)
    assert numbers(decode(path, fps=float(ntsc)).pixels) == list(range(60))


def test_a_wrong_frame_rate_in_the_header_does_not_matter(film, numbers):
    """The header says 100 frames a second, the time stamps 25."""
    path = film("film.mp4", 50, fps=100, times_ms=[40 * n for n in range(50)])
    assert numbers(decode(path).pixels) == list(range(0, 50, 2))
    assert probe(path).fps == pytest.approx(25)


def test_a_film_that_starts_late_starts_at_zero(film, numbers):
    """Times count from the first frame, as a player's clock does."""
    path = film("film.mkv", 50, codec="mpeg4", times_ms=[7000 + 40 * n for n in range(50)])
    found = decode(path, start=0.4, frames=3)
    assert numbers(found.pixels) == [10, 12, 14]
    assert found.times.tolist() == [0.4, 0.48, 0.56]


def test_absurd_time_stamps_are_not_believed(film, numbers):
    """A stamp three thousand years later is damage: frames are then counted at the usual rate."""
    times = [0, 40, 80, 120, 160, 10**14]
    path = film("film.mkv", 6, codec="ffv1", pixel_format="yuv444p", times_ms=times)
    info = probe(path)
    assert info.timeline.by_rank
    assert numbers(decode(info, fps=25, strict=False).pixels) == list(range(6))


def test_frames_that_an_edit_list_hides_are_never_shown(film, numbers, tmp_path):
    """Trimming without encoding anew leaves hidden frames in a file; that is no damage."""
    whole = film("whole.mp4", 50, options={"bf": "0"})
    path = tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.pts -= 15 * 512
                packet.dts -= 15 * 512
                packet.stream = stream
                out.mux(packet)
    info = verify(path)
    assert info.declared == 50
    assert info.damage is None
    assert numbers(decode(info, fps=25).pixels) == list(range(15, 50))
    assert numbers(decode(info, fps=25, start=1, frames=2).pixels) == [40, 41]


def test_frames_dropped_on_purpose_in_an_avi_are_no_damage(film, numbers):
    """Capture programs write chunks of no length: the frame before stays, nothing is missing."""
    path = film("film.avi", 20, codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(_without_chunks(path.read_bytes(), {7, 8, 18}))
    found = decode(path, fps=25)
    shown = [n if n not in (7, 8, 18) else 6 if n < 10 else 17 for n in range(20)]
    assert numbers(found.pixels) == shown


def _without_chunks(avi: bytes, dropped: set[int]) -> bytes:
    """The same AVI file with the payload of some frames taken out, and an index that says so."""
    movi = avi.index(b"movi")
    head, index, place, number = bytearray(avi[: movi + 4]), bytearray(), movi + 4, 0
    while avi[place : place + 4] == b"00dc":
        (length,) = struct.unpack_from("<I", avi, place + 4)
        stop = place + 8 + length + length % 2
        kept = 0 if number in dropped else length
        index += b"00dc" + struct.pack("<III", 16, len(head) - movi, kept)
        head += avi[place:stop] if kept else b"00dc\0\0\0\0"
        place, number = stop, number + 1
    struct.pack_into("<I", head, movi - 4, len(head) - movi)
    head += b"idx1" + struct.pack("<I", len(index)) + index
    struct.pack_into("<I", head, 4, len(head) - 8)
    return bytes(head)


def test_a_film_of_one_frame(film, numbers):
    """It lasts as long as its rate says, and is shown for all of that."""
    for name, codec in (("one.mp4", "libx264"), ("one.avi", "mpeg4"), ("one.mkv", "mpeg4")):
        path = film(name, [np.full((48, 64, 3), 255, np.uint8)], codec=codec, fps=10)
        assert grid_length(probe(path), 25) == 3
        assert decode(path, fps=25, frames=99).pixels.shape == (3, 48, 64, 3)
        assert len(decode(path).pixels) == 2


def test_a_film_gives_what_it_has(city):
    """Asking for more frames than are left is no error; starting beyond the end is."""
    assert len(decode(city, start=3.5, frames=100).pixels) == grid_length(probe(city)) - 43
    with pytest.raises(VideoError, match=r"nothing to show at 4 s, the video ends at 4 s"):
        decode(city, start=4.0)


# Seeking


def test_a_late_window_is_sought(film, monkeypatch):
    """Only the frames since the key frame before are decoded, and a few that follow."""
    info = probe(film("film.mp4", 200, gop=10))
    counted = _count_decoded(monkeypatch)
    decode(info, fps=25, start=6.0, frames=5)
    assert len(counted) <= 20


@pytest.mark.parametrize("name", ["film.mpg", "film.ts", "film.avi"])
def test_no_seeking_where_it_cannot_be_trusted(film, monkeypatch, name):
    """MPEG streams and AVI are decoded from their start."""
    info = probe(film(name, 60, codec="mpeg2video" if name == "film.mpg" else "libx264", gop=10))
    counted = _count_decoded(monkeypatch)
    decode(info, fps=25, start=2.0, frames=5)
    assert len(counted) >= 54


def _count_decoded(monkeypatch) -> list[int]:
    counted: list[int] = []
    original = decode_module._decoded

    def spy(*arguments):
        for time, frame in original(*arguments):
            counted.append(time)
            yield time, frame

    monkeypatch.setattr(decode_module, "_decoded", spy)
    return counted


def test_a_seek_that_lands_wrong_is_noticed(film):
    """A table that points too far into the file costs time, never a wrong frame."""
    info = probe(film("film.mp4", 60, gop=10))
    table = info.timeline
    wrong = attrs.evolve(table, key_ticks=np.roll(table.key_ticks, -2))
    misled = attrs.evolve(info, timeline=wrong)
    expected = decode(info, fps=25, start=1.0, frames=5).pixels
    assert np.array_equal(decode(misled, fps=25, start=1.0, frames=5).pixels, expected)


# Pictures


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("grey.avi", "ffv1", "gray"),
        ("deep.mkv", "ffv1", "gray16le"),
        ("full.mkv", "ffv1", "yuv444p"),
        ("alpha.mkv", "ffv1", "bgra"),
        ("ten.mp4", "libx264", "yuv420p10le"),
        ("rgb.mov", "libx264rgb", "rgb24"),
        ("jpeg.avi", "mjpeg", "yuvj420p"),
        ("raw.avi", "rawvideo", "rgb24"),
        ("usual.mp4", "libx264", "yuv420p"),
    ],
)
@pytest.mark.parametrize("size", [None, (24, 32), (96, 128)], ids=["stored", "half", "double"])
def test_pixel_formats_keep_grey_levels(film, name, codec, pixel_format, size):
    """Black stays 0 and white 255 in every format, limited range or full, scaled or not."""
    levels = [0, 64, 128, 200, 255]
    frames = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    options = {"crf": "1"} if codec.startswith("libx264") else {}
    path = film(name, frames, codec=codec, pixel_format=pixel_format, options=options)
    pixels = decode(path, fps=25, size=size).pixels.astype(int)
    assert np.abs(pixels - np.array(levels)[:, None, None, None]).max() <= 3


def test_colours_are_red_green_blue(film):
    """In that order."""
    frames = [np.full((48, 64, 3), 255 * np.eye(3, dtype=int)[c], np.uint8) for c in range(3)]
    pixels = decode(film("film.mp4", frames, options={"crf": "1"}), fps=25).pixels
    assert pixels[:, 20, 20].argmax(-1).tolist() == [0, 1, 2]
    assert pixels[:, 20, 20].min(-1).max() < 20


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (47, 65)),
        (32, (32, 44)),
        (47, (47, 65)),
        (100, (100, 138)),
        ((20, 30), (20, 30)),
        ((200, 3), (200, 3)),
        (1, (1, 1)),
    ],
)
def test_sizes(film, size, expected):
    """None keeps an odd size, a number is the short side, a pair is exact."""
    path = film("odd.mkv", 2, codec="ffv1", pixel_format="yuv444p", size=(65, 47))
    assert decode(path, size=size).pixels.shape == (1, *expected, 3)


def test_shrinking_does_not_alias(film):
    """A fine checkerboard becomes grey, not black or white."""
    board = np.indices((96, 128)).sum(0) % 2 * np.uint8(255)
    frame = np.repeat(board[..., None], 3, -1).astype(np.uint8)
    path = film("board.mkv", [frame], codec="ffv1", pixel_format="yuv444p", size=(128, 96))
    assert np.abs(decode(path, size=24).pixels.astype(int) - 128).max() <= 8


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
def test_rotation_is_applied(film, degrees, flips):
    """Display matrices, as telephones write them, mirrored ones too; sizes are as displayed."""
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32] = 250, 160, 80
    path = film("turned.mp4", [corners] * 2, turn=(degrees, *flips), options={"crf": "1"})
    expected = np.rot90(corners, degrees // 90)
    expected = expected[:, ::-1] if flips[0] else expected
    expected = expected[::-1] if flips[1] else expected
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    assert np.abs(decode(info).pixels[0].astype(int) - expected).mean() < 4
    assert decode(info, size=(20, 30)).pixels.shape == (1, 20, 30, 3)
    if not any(flips):
        assert info.rotation == degrees % 360


def test_slice_threads_give_the_same_frames(city):
    """Threads share the slices of a frame and of its conversion."""
    assert np.array_equal(decode(city, threads=2).pixels, decode(city).pixels)


# What a file holds


def test_probe_tells_what_a_file_holds(city):
    """From packets and the first frame."""
    info = probe(city)
    assert (info.width, info.height) == (256, 144)
    assert (info.duration, info.fps) == (4.0, 25.0)
    assert (info.declared, info.codec, info.pixel_format) == (100, "h264", "yuv420p")
    assert (info.rotation, info.damage) == (0, None)
    assert grid_length(info) == 50
    assert grid_length(info, 30) == 120
    assert info == probe(str(city))


def test_a_probe_can_be_sent_to_a_worker(city):
    """Copied the way that pickle does it, it decodes as before."""
    info = copy.deepcopy(probe(city))
    assert info == probe(city)
    assert len(decode(info, frames=3).pixels) == 3


@every_container
def test_intact_files_verify(film, name, how):
    """No container's own habits are taken for damage, with noise that fills its packets."""
    info = verify(film(name, 40, noisy=True, **how))
    assert info.damage is None
    assert len(info.timeline.shown) == 40


def test_streams_that_turn_up_late():
    """PyAV fails on them once all packets are through; that is the end, and no damage."""

    class Container:
        def demux(self, *streams):
            yield "packet"
            raise IndexError("list index out of range")

    assert list(packets(Container())) == ["packet"]


# Damage

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


# What is not a video at all


def _text(folder: Path) -> Path:
    return _written(folder / "text.mp4", b"This is not a film.\n" * 100)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _loop(folder: Path) -> Path:
    (folder / "a.mp4").symlink_to(folder / "b.mp4")
    (folder / "b.mp4").symlink_to(folder / "a.mp4")
    return folder / "a.mp4"


def _dangling(folder: Path) -> Path:
    (folder / "link.mp4").symlink_to(folder / "gone.mp4")
    return folder / "link.mp4"


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


PLAY_LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nother.ts\n#EXT-X-ENDLIST\n"
NOT_VIDEOS = {
    "missing": (lambda folder: folder / "gone.mp4", "no such file"),
    "empty": (lambda folder: _written(folder / "empty.mp4", b""), "an empty file"),
    "text": (_text, "not a video file"),
    "play list": (lambda folder: _written(folder / "list.m3u8", PLAY_LIST), "not a video file"),
    "concat": (
        lambda folder: _written(folder / "c.mp4", b"ffconcat version 1.0\nfile x.mp4\n"),
        "not a video file",
    ),
    "directory": (lambda folder: folder, "a directory, not a file"),
    "link loop": (_loop, "cannot be opened"),
    "dangling link": (_dangling, "a link to nothing"),
    "pipe": (_fifo, "not a regular file"),
    "zero byte in the name": (lambda folder: folder / "a\0b.mp4", "cannot be opened"),
    "overlong name": (lambda folder: folder / ("x" * 5000), "cannot be opened"),
}


@pytest.mark.parametrize(("make", "reason"), NOT_VIDEOS.values(), ids=NOT_VIDEOS)
def test_what_is_not_a_video_gives_one_line(tmp_path, make, reason):
    """Never an exception of the decoder or the system; the pipe does not hang."""
    path = make(tmp_path)
    for attempt in (probe, decode, verify):
        with pytest.raises(VideoError) as caught:
            attempt(path)
        line = str(caught.value)
        assert f": {reason}" in line
        assert "0 frames readable; " in line
        assert line.isprintable()
        assert caught.value.path == str(path)


def test_sound_only(sound):
    """A file with sound and no picture."""
    with pytest.raises(VideoError, match=r"no video stream \(sound only\): 0 frames readable"):
        decode(sound)


@pytest.mark.parametrize("name", ["none.avi", "none.mkv", "none.mpg"])
def test_no_frames(film, name):
    """A header and nothing after it."""
    path = film(name, 0, codec="mpeg2video")
    with pytest.raises(VideoError, match="0 frames readable"):
        decode(path)


def test_frames_too_large_to_be_true(film):
    """A header's size above the limit, or above any sense, is refused before any allocation."""
    path = film("large.avi", 2, codec="rawvideo")
    data, size = path.read_bytes(), struct.pack("<II", 64, 48)
    path.write_bytes(data.replace(size, struct.pack("<II", 16000, 9000)))
    with pytest.raises(VideoError, match="frames of 16000x9000 pixels are too large"):
        decode(path)
    path.write_bytes(data.replace(size, struct.pack("<II", 65535, 65535)))
    with pytest.raises(VideoError, match="no frame can be decoded"):
        decode(path)


def test_results_too_large_to_hold(city):
    """Long films at full size, or in too many frames, are refused before any allocation."""
    with pytest.raises(VideoError, match="3998 frames of 3556x2000 pixels are too many"):
        decode(city, fps=1000, size=2000)
    with pytest.raises(VideoError, match="too large"):
        decode(city, size=10**6)
    long = attrs.evolve(probe(city), timeline=attrs.evolve(probe(city).timeline, end=10**13))
    with pytest.raises(VideoError, match="125000000 frames of 1x1 pixels are too many"):
        decode(long, size=(1, 1))


@pytest.mark.parametrize(
    "arguments",
    [
        {"fps": 0},
        {"fps": float("nan")},
        {"start": -1},
        {"start": float("inf")},
        {"frames": 0},
        {"size": 0},
        {"size": (10, -1)},
        {"threads": 0},
    ],
    ids=str,
)
def test_arguments_out_of_range(city, arguments):
    """Are the caller's mistake, told in one line."""
    with pytest.raises(ValueError, match=r"must be .*, not "):
        decode(city, **arguments)


# Names


@pytest.mark.parametrize(
    "name",
    ["héllo wörld 漢字.mp4", "a:b.mp4", "100%03d.mp4", "http:x.mp4", "-i.mp4", "two\nlines.mp4"],
)
def test_odd_names(film, tmp_path, numbers, name):
    """Unicode, spaces, and what FFmpeg would take for a protocol, a pattern or an option."""
    path = film(name, 4)
    assert numbers(decode(path).pixels) == [0, 2]
    path.write_bytes(b"")
    with pytest.raises(VideoError) as caught:
        decode(path)
    assert str(caught.value).isprintable()


def test_names_that_are_no_text(film, tmp_path):
    """Bytes that are no UTF-8 open, and print escaped."""
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    try:
        film("film.mp4", 4).rename(path)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert len(decode(path).pixels) == 2
    path.write_bytes(b"")
    with pytest.raises(VideoError, match=r"caf\\udce9\.mp4: an empty file"):
        decode(path)


def test_titles_that_are_no_text(film):
    """A title in Latin-1, as old AVI files have it, is no reason to fail."""
    path = film("film.avi", 4, codec="mpeg4", metadata={"title": "cafe noir"})
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    assert len(decode(path).pixels) == 2


def test_the_error_can_be_sent_between_processes():
    """Loader workers pickle what they raise; copying goes the same way."""
    error = VideoError("a.mp4", "truncated", 37, 100)
    again = copy.copy(error)
    line = "a.mp4: truncated: 37 of about 100 frames readable; re-encode or remove it"
    assert str(error) == str(again) == line
    assert (again.readable, again.expected, again.reason) == (37, 100, "truncated")
    assert "1 frame readable" in str(VideoError("a.mp4", "cut", 1))
