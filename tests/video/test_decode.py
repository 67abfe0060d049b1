"""Decoding: the frames at the requested times, in every container."""

from __future__ import annotations

import copy
import struct
from fractions import Fraction

import attrs
import av
import numpy as np
import pytest

from anetc.video import playing
from anetc.video.decode import VideoError, decode, grid_length, probe, verify
from anetc.video.source import packets
from tests.video.conftest import picture
from tests.video.containers import every_container

# Frames


def test_city_gives_fifty_frames_at_the_papers_rate(city):
    """The default is 12.5 frames a second: every other frame of a film at 25."""
    found = decode(city)
    assert found.pixels.shape == (50, 144, 256, 3)
    assert found.pixels.dtype == np.uint8
    assert found.times.tolist() == [round(k * 0.08, 2) for k in range(50)]
    assert found.damage is None
    everything = decode(city, fps=25).pixels
    assert np.array_equal(everything[::2], found.pixels)


@every_container
def test_the_frame_on_screen_is_decoded_in_every_container(film, numbers, name, how):
    """Frame n of a film at 25 is on screen from n/25 s: at 12.5, 25, 50 and 10 frames a second."""
    path = film(name, 30, **how)
    assert numbers(decode(path).pixels) == list(range(0, 30, 2))
    assert numbers(decode(path, fps=25).pixels) == list(range(30))
    assert numbers(decode(path, fps=50).pixels) == [n // 2 for n in range(60)]
    assert numbers(decode(path, fps=10).pixels) == [5 * k // 2 for k in range(12)]


@every_container
def test_a_window_is_a_slice_of_the_whole(film, numbers, name, how):
    """With seeking or from the start, the frames are bit-identical."""
    info = probe(film(name, 60, gop=7, **how))
    whole = decode(info, fps=25)
    for start in (0, 1, 6, 7, 20, 41, 59):
        part = decode(info, fps=25, start=start / 25, frames=5)
        assert np.array_equal(part.pixels, whole.pixels[start : start + 5])
        assert np.array_equal(part.times, whole.times[start : start + 5])


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_varying_frame_rates_are_read_by_time_stamp(film, numbers, name):
    """A frame stays on screen until the next one; index / fps would be wrong."""
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
    """Matroska stores 67 ms for the frame at 66.7 ms; at this rate each frame occurs once."""
    path = film("film.mkv", 60, codec="mpeg4", fps=30)
    assert numbers(decode(path, fps=30).pixels) == list(range(60))
    ntsc = Fraction(30000, 1001)
    path = film("ntsc.mkv", 60, codec="mpeg4", fps=ntsc)
    assert numbers(decode(path, fps=float(ntsc)).pixels) == list(range(60))


def test_a_wrong_frame_rate_in_the_header_does_not_matter(film, numbers):
    """The header has 100 frames a second, the time stamps have 25."""
    path = film("film.mp4", 50, fps=100, times_ms=[40 * n for n in range(50)])
    assert numbers(decode(path).pixels) == list(range(0, 50, 2))
    assert probe(path).fps == pytest.approx(25)


def test_a_film_that_starts_late_starts_at_zero(film, numbers):
    """Times count from the first frame, as in a player."""
    path = film("film.mkv", 50, codec="mpeg4", times_ms=[7000 + 40 * n for n in range(50)])
    found = decode(path, start=0.4, frames=3)
    assert numbers(found.pixels) == [10, 12, 14]
    assert found.times.tolist() == [0.4, 0.48, 0.56]


def test_absurd_time_stamps_are_ignored(film, numbers):
    """A time stamp three thousand years later is damaged: then the frame rate gives the times."""
    times = [0, 40, 80, 120, 160, 10**14]
    path = film("film.mkv", 6, codec="ffv1", pixel_format="yuv444p", times_ms=times)
    info = probe(path)
    assert info.timeline.by_rank
    assert numbers(decode(info, fps=25, strict=False).pixels) == list(range(6))


def test_frames_that_an_edit_list_hides_are_not_decoded(film, numbers, tmp_path):
    """Trimming without re-encoding leaves hidden frames in a file; this is not damage."""
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


# The parts of a film of 50 frames that an edit list displays, as (first frame, last frame + 1).
EDITS = {
    "swapped": [(20, 30), (0, 10)],
    "repeated": [(10, 20), (10, 20)],
    "with a hole": [(10, 20), (30, 40)],
}


@pytest.mark.parametrize("parts", EDITS.values(), ids=EDITS)
def test_the_edits_of_an_mp4_are_displayed_one_after_the_other(film, numbers, parts):
    """As in a player: the timeline goes on from part to part."""
    path = film("film.mp4", 50, gop=10, options={"bf": "0"})
    path.write_bytes(_with_edits(path.read_bytes(), parts))
    info = verify(path)
    expected = [n for first, last in parts for n in range(first, last)]
    assert numbers(decode(info, fps=25).pixels) == expected
    for start in (0, 4, 9, 10, 14):
        found = decode(info, fps=25, start=start / 25, frames=3)
        assert numbers(found.pixels) == expected[start : start + 3]


def _with_edits(mp4: bytes, parts: list[tuple[int, int]]) -> bytes:
    """Replace the edit list of a file at 25 frames a second; its header is at the end."""
    place = mp4.index(b"elst") - 4
    old = int.from_bytes(mp4[place : place + 4])
    # The header counts in 1/1000 s, the track in 1/12800 s.
    edits = [
        struct.pack(">IiI", 40 * (last - first), 512 * first, 1 << 16) for first, last in parts
    ]
    content = b"elst" + struct.pack(">II", 0, len(edits)) + b"".join(edits)
    box = struct.pack(">I", len(content) + 4) + content
    data = bytearray(mp4[:place] + box + mp4[place + old :])
    for name in (b"moov", b"trak", b"edts"):
        start = data.index(name) - 4
        (size,) = struct.unpack_from(">I", data, start)
        struct.pack_into(">I", data, start, size + len(box) - old)
    return bytes(data)


def test_frames_dropped_on_purpose_in_an_avi_are_not_damage(film, numbers):
    """Capture programs write empty chunks: the frame before is displayed longer."""
    path = film("film.avi", 20, codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(_without_chunks(path.read_bytes(), {7, 8, 18}))
    found = decode(path, fps=25)
    shown = [n if n not in (7, 8, 18) else 6 if n < 10 else 17 for n in range(20)]
    assert numbers(found.pixels) == shown


def _without_chunks(avi: bytes, dropped: set[int]) -> bytes:
    """Return the AVI file without the payload of some frames, and with a matching index."""
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
    """Its frame rate gives its length; the frame is displayed for all of it."""
    for name, codec in (("one.mp4", "libx264"), ("one.avi", "mpeg4"), ("one.mkv", "mpeg4")):
        path = film(name, [np.full((48, 64, 3), 255, np.uint8)], codec=codec, fps=10)
        assert grid_length(probe(path), 25) == 3
        assert decode(path, fps=25, frames=99).pixels.shape == (3, 48, 64, 3)
        assert len(decode(path).pixels) == 2


def test_a_film_has_a_limited_number_of_frames(city):
    """Requesting more frames than are left is allowed; a start beyond the end is an error."""
    assert len(decode(city, start=3.5, frames=100).pixels) == grid_length(probe(city)) - 43
    with pytest.raises(VideoError, match=r"there is no frame at 4 s, the video ends at 4 s"):
        decode(city, start=4.0)


# Seeking


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("film.mp4", "libx264"),
        ("film.mkv", "libx264"),
        ("film.ts", "libx264"),
        ("film.mpg", "mpeg2video"),
        ("film.flv", "flv1"),
        ("film.avi", "mpeg4"),
    ],
)
def test_a_late_clip_of_a_long_film_is_not_decoded_from_the_start(
    film, numbers, monkeypatch, name, codec
):
    """A clip decodes at most about 250 of 3000 frames; every 250th is a key frame."""
    frames = [picture(n % 256, 32, 16, noisy=False) for n in range(3000)]
    fast = {"preset": "ultrafast"} if codec == "libx264" else {}
    info = probe(film(name, frames, codec=codec, size=(32, 16), gop=250, options=fast))
    decoded = _count_decoded(monkeypatch)
    for first in (30, 249, 250, 1499, 2999):
        decoded.clear()
        found = decode(info, fps=25, start=first / 25, frames=1)
        assert numbers(found.pixels) == [first % 256]
        assert 1 <= len(decoded) <= 260


def test_reordered_frames_without_time_stamps_are_decoded_from_the_start(film, monkeypatch):
    """AVI with B frames: only the count of frames gives their times."""
    info = probe(film("film.avi", 60, codec="mpeg4", gop=10, options={"bf": "2"}))
    decoded = _count_decoded(monkeypatch)
    decode(info, fps=25, start=2.0, frames=5)
    assert len(decoded) >= 54


def _count_decoded(monkeypatch) -> list[int]:
    """Return a list that gets the number of each packet that is decoded."""
    decoded: list[int] = []
    original = playing.decode_packet

    def spy(stream, packet, number):
        if packet is not None:
            decoded.append(number)
        return original(stream, packet, number)

    monkeypatch.setattr(playing, "decode_packet", spy)
    return decoded


def test_a_wrong_seek_is_detected(film):
    """A wrong seek table costs time, but gives the right frames."""
    info = probe(film("film.mp4", 60, gop=10))
    table = info.timeline
    wrong = attrs.evolve(table, key_ticks=table.key_ticks + 1)
    misled = attrs.evolve(info, timeline=wrong)
    expected = decode(info, fps=25, start=1.0, frames=5).pixels
    assert np.array_equal(decode(misled, fps=25, start=1.0, frames=5).pixels, expected)


# Pixels


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
    """Black is 0 and white 255 in every format, with limited or full range, scaled or not."""
    levels = [0, 64, 128, 200, 255]
    frames = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    options = {"crf": "1"} if codec.startswith("libx264") else {}
    path = film(name, frames, codec=codec, pixel_format=pixel_format, options=options)
    pixels = decode(path, fps=25, size=size).pixels.astype(int)
    assert np.abs(pixels - np.array(levels)[:, None, None, None]).max() <= 3


def test_colours_are_red_green_blue(film):
    """The channels have this order."""
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
    """None keeps an odd size, a number is the short side, a pair is the exact size."""
    path = film("odd.mkv", 2, codec="ffv1", pixel_format="yuv444p", size=(65, 47))
    assert decode(path, size=size).pixels.shape == (1, *expected, 3)


def test_shrinking_does_not_alias(film):
    """A fine checkerboard becomes grey."""
    board = np.indices((96, 128)).sum(0) % 2 * np.uint8(255)
    frame = np.repeat(board[..., None], 3, -1).astype(np.uint8)
    path = film("board.mkv", [frame], codec="ffv1", pixel_format="yuv444p", size=(128, 96))
    assert np.abs(decode(path, size=24).pixels.astype(int) - 128).max() <= 8


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
def test_rotation_is_applied(film, degrees, flips):
    """Display matrices of phones, also with mirroring; sizes are as displayed."""
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


# Probe and verify


def test_probe_returns_the_properties_of_a_file(city):
    """By the packets and the first frame."""
    info = probe(city)
    assert (info.width, info.height) == (256, 144)
    assert (info.duration, info.fps) == (4.0, 25.0)
    assert (info.declared, info.codec, info.pixel_format) == (100, "h264", "yuv420p")
    assert (info.rotation, info.damage) == (0, None)
    assert grid_length(info) == 50
    assert grid_length(info, 30) == 120
    assert info == probe(str(city))


def test_a_probe_can_be_sent_to_a_worker(city):
    """A copy, which is made as by pickle, decodes to the same frames."""
    info = copy.deepcopy(probe(city))
    assert info == probe(city)
    assert len(decode(info, frames=3).pixels) == 3


@every_container
def test_intact_files_verify(film, name, how):
    """No container's peculiarities count as damage, also with noise in large packets."""
    info = verify(film(name, 40, noisy=True, **how))
    assert info.damage is None
    assert len(info.timeline.shown) == 40


def test_streams_that_appear_late():
    """PyAV raises an error for them after all packets; this is the end of the file, not damage."""

    class Container:
        def demux(self, *streams):
            yield "packet"
            raise IndexError("list index out of range")

    assert list(packets(Container())) == ["packet"]
