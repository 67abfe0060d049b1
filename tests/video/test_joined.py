"""Several recordings in one file, as `cat a.ts b.ts` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from anetc.video.decode import VideoError, decode, probe, verify
from tests.video.containers import CONTAINERS

STREAMS = {
    "mpeg-ts": ("ts", {"codec": "libx264"}),
    "mpeg-ts-b0": ("ts", {"codec": "libx264", "options": {"bf": "0"}}),
    "mpeg-ts-mpeg2": ("ts", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg-ps": ("mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "vob": ("vob", {"codec": "mpeg2video"}),
}
every_stream = pytest.mark.parametrize(("suffix", "how"), STREAMS.values(), ids=STREAMS)
ONE_HEADER = [
    key for key in CONTAINERS if key not in ("mpeg-ps", "mpeg-ts", "gif") and key[:2] != "ts"
]


def cat(path: Path, parts: Sequence[Path]) -> Path:
    """Write the parts one after the other."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def shifted(source: Path, target: Path, ticks: int) -> Path:
    """Copy an MPEG stream with later time stamps, which wrap at 2**33."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.pts += ticks
                packet.dts += ticks
                packet.stream = stream
                out.mux(packet)
    return target


def mixed(parts: Sequence[tuple[int, int]]) -> list[int]:
    """Return the frame numbers of parts with these first frames and lengths."""
    return [first + n for first, length in parts for n in range(length)]


@every_stream
def test_the_timeline_goes_on_in_the_next_part(film, numbers, tmp_path, suffix, how):
    """Three parts: no frame is lost, repeated, mixed up or displayed for another time."""
    parts = [
        film(f"{k}.{suffix}", count, first=first, **how)
        for k, (first, count) in enumerate([(0, 20), (50, 30), (100, 10)])
    ]
    info = verify(cat(tmp_path / f"all.{suffix}", parts))
    expected = mixed([(0, 20), (50, 30), (100, 10)])
    found = decode(info, fps=25)
    assert numbers(found.pixels) == expected
    assert np.allclose(found.times, np.arange(60) / 25, atol=1e-3)
    assert info.duration == pytest.approx(2.4)
    assert not info.timeline.by_rank
    for start in (0, 15, 19, 20, 21, 33, 48, 50, 55):
        part = decode(info, fps=25, start=start / 25, frames=5)
        assert numbers(part.pixels) == expected[start : start + 5]


@pytest.mark.parametrize("ticks", [45_000, 9_000_000, -45_000, 1 << 32, (1 << 33) - 2_000_000])
@pytest.mark.parametrize("turned", [False, True], ids=["ahead", "back"])
def test_time_stamps_of_any_part_may_be_anything(film, numbers, tmp_path, ticks, turned):
    """The second part overlaps the first one, is far ahead or behind, or wraps at 2**33."""
    first = film("a.ts", 20, codec="libx264")
    second = shifted(film("b.ts", 20, first=50, codec="libx264"), tmp_path / "later.ts", ticks)
    parts = [(0, 20), (50, 20)]
    path = cat(tmp_path / "all.ts", [second, first] if turned else [first, second])
    found = decode(path, fps=25)
    assert found.damage is None
    assert numbers(found.pixels) == mixed(parts[::-1] if turned else parts)


def test_time_stamps_that_wrap_within_a_part_are_not_a_new_part(film, numbers, tmp_path):
    """A recording from 0.4 s before 2**33 ticks, alone and as the second part."""
    source = film("a.ts", 30, codec="libx264", gop=100)
    wrapping = shifted(source, tmp_path / "wrap.ts", (1 << 33) - 36_000 - 126_000)
    for count, path in enumerate([wrapping, cat(tmp_path / "c.ts", [source, wrapping])], 1):
        info = verify(path)
        assert len(info.timeline.parts) == count
        assert numbers(decode(info, fps=25).pixels) == mixed([(0, 30)] * count)


def test_a_short_pause_is_displayed_as_a_player_does(film, numbers, tmp_path):
    """Two seconds without a frame: the last frame stays on screen."""
    first = film("a.ts", 20, codec="libx264")
    second = shifted(film("b.ts", 20, first=50, codec="libx264"), tmp_path / "b2.ts", 252_000)
    found = decode(cat(tmp_path / "all.ts", [first, second]), fps=25)
    assert numbers(found.pixels) == [*range(20), *[19] * 50, *range(50, 70)]


@every_stream
def test_a_part_that_begins_between_key_frames_starts_at_its_first_one(
    film, numbers, tmp_path, suffix, how
):
    """The frames before it depend on frames that are not in the file."""
    first = film(f"a.{suffix}", 20, gop=10, **how)
    second = film(f"b.{suffix}", 30, first=50, gop=10, **how)
    late = without_first_packets(second, tmp_path / f"late.{suffix}", 4)
    found = decode(cat(tmp_path / f"all.{suffix}", [first, late]), fps=25, strict=False)
    frames = numbers(found.pixels)
    # With B frames, the second key frame is displayed two frames later.
    assert frames == [*range(20), *range(60, 80)] or frames == [*range(20), *range(62, 80)]


def without_first_packets(source: Path, target: Path, count: int) -> Path:
    """Copy a film without its first packets, as if the recording had begun later."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size and number >= count:
                packet.stream = stream
                out.mux(packet)
    return target


def test_parts_of_another_size_are_scaled(film, numbers, tmp_path):
    """The proportions are the same."""
    parts = [
        film("a.ts", 20, size=(64, 48), codec="libx264"),
        film("b.ts", 20, first=50, size=(128, 96), codec="libx264"),
    ]
    found = decode(cat(tmp_path / "all.ts", parts), fps=25)
    assert found.pixels.shape == (40, 48, 64, 3)
    assert numbers(found.pixels) == mixed([(0, 20), (50, 20)])


@pytest.mark.parametrize(
    "other",
    [
        {"size": (128, 48), "codec": "libx264"},
        {"size": (64, 48), "codec": "libx264", "aspect": Fraction(2)},
    ],
    ids=["size", "pixel aspect"],
)
def test_parts_of_other_proportions_are_refused(film, tmp_path, other):
    """They would be distorted."""
    parts = [film("a.ts", 20, codec="libx264"), film("b.ts", 20, first=50, **other)]
    path = cat(tmp_path / "all.ts", parts)
    message = r"the picture changes from 64x48 to 128x48 pixels: .*; cut it where the picture"
    with pytest.raises(VideoError, match=message):
        decode(path)
    with pytest.raises(VideoError, match=message):
        verify(path)


@pytest.mark.parametrize(
    ("suffix", "codecs"),
    [
        ("ts", ("libx264", "mpeg2video")),
        ("ts", ("mpeg2video", "libx264")),
        ("mpg", ("mpeg2video", "libx264")),
        ("mpg", ("libx264", "mpeg2video")),
        ("ts", ("libx264", "libx265")),
        ("ts", ("mpeg2video", "mpeg1video")),
    ],
)
def test_parts_of_another_codec_are_not_lost(film, numbers, tmp_path, suffix, codecs):
    """They are displayed or reported."""
    quiet = {"libx265": {"options": {"x265-params": "log-level=none"}}}
    parts = [
        film(f"{k}.{suffix}", 30, first=50 * k, codec=codec, **quiet.get(codec, {}))
        for k, codec in enumerate(codecs)
    ]
    path = cat(tmp_path / f"all.{suffix}", parts)
    try:
        found = numbers(decode(path, fps=25).pixels)
    except VideoError:
        return
    assert found == mixed([(0, 30), (50, 30)])


@pytest.mark.parametrize("key", ONE_HEADER)
def test_containers_with_one_header_are_refused(film, tmp_path, key):
    """A player would ignore the second header, and lose or garble its frames."""
    name, how = CONTAINERS[key]
    suffix = Path(name).suffix
    parts = [film(f"{k}{suffix}", 30, first=50 * k, **how) for k in (0, 1)]
    path = cat(tmp_path / f"all{suffix}", parts)
    for attempt in (decode, verify):
        with pytest.raises(VideoError, match=r"time stamps start anew: .* readable; remux it$"):
            attempt(path)
    assert probe(path).damage == "time stamps start anew"


def test_pictures_of_two_gifs(film, numbers, tmp_path):
    """FFmpeg goes on with the second one, but takes its size from the first one."""
    how = {"codec": "gif", "pixel_format": "rgb8"}
    sizes = [(64, 48), (64, 48), (128, 96)]
    first, same, other = (
        film(f"{k}.gif", 20, first=50 * k, size=size, **how) for k, size in enumerate(sizes)
    )
    found = decode(cat(tmp_path / "all.gif", [first, same]), fps=25)
    assert numbers(found.pixels) == mixed([(0, 20), (50, 20)])
    with pytest.raises(VideoError, match="time stamps start anew"):
        decode(cat(tmp_path / "all.gif", [first, other]))
