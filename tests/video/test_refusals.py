"""Other files, and requests that are too large, raise an error of one line."""

from __future__ import annotations

import copy
import os
import struct
from pathlib import Path

import attrs
import pytest

from anetc.video.decode import VideoError, decode, probe, verify


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
def test_other_files_raise_an_error_of_one_line(tmp_path, make, reason):
    """It is never an exception of the decoder or the system; a pipe does not block."""
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
    """A file with sound and without video."""
    with pytest.raises(VideoError, match=r"no video stream \(sound only\): 0 frames readable"):
        decode(sound)


@pytest.mark.parametrize("name", ["none.avi", "none.mkv", "none.mpg"])
def test_no_frames(film, name):
    """A file that ends after its header."""
    path = film(name, 0, codec="mpeg2video")
    with pytest.raises(VideoError, match="0 frames readable"):
        decode(path)


def test_huge_frame_sizes_are_refused(film):
    """A frame size above the limit is refused before memory is allocated."""
    path = film("large.avi", 2, codec="rawvideo")
    data, size = path.read_bytes(), struct.pack("<II", 64, 48)
    path.write_bytes(data.replace(size, struct.pack("<II", 16000, 9000)))
    with pytest.raises(VideoError, match="frames of 16000x9000 pixels are too large"):
        decode(path)
    path.write_bytes(data.replace(size, struct.pack("<II", 65535, 65535)))
    with pytest.raises(VideoError, match="no frame can be decoded"):
        decode(path)


def test_huge_results_are_refused(city):
    """Long films at full size, or with too many frames, are refused before memory is allocated."""
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
    """They raise ValueError with a message of one line."""
    with pytest.raises(ValueError, match=r"must be .*, not "):
        decode(city, **arguments)


# Names


@pytest.mark.parametrize(
    "name",
    ["héllo wörld 漢字.mp4", "a:b.mp4", "100%03d.mp4", "http:x.mp4", "-i.mp4", "two\nlines.mp4"],
)
def test_odd_names(film, tmp_path, numbers, name):
    """Unicode, spaces, and names that FFmpeg could parse as a protocol, a pattern or an option."""
    path = film(name, 4)
    assert numbers(decode(path).pixels) == [0, 2]
    path.write_bytes(b"")
    with pytest.raises(VideoError) as caught:
        decode(path)
    assert str(caught.value).isprintable()


def test_names_that_are_not_utf8(film, tmp_path):
    """Such files can be opened, and messages escape the bytes."""
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    try:
        film("film.mp4", 4).rename(path)
    except OSError:
        pytest.skip("this file system accepts UTF-8 names only")
    assert len(decode(path).pixels) == 2
    path.write_bytes(b"")
    with pytest.raises(VideoError, match=r"caf\\udce9\.mp4: an empty file"):
        decode(path)


def test_titles_that_are_not_utf8(film):
    """A title in Latin-1, as in old AVI files, is not an error."""
    path = film("film.avi", 4, codec="mpeg4", metadata={"title": "cafe noir"})
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    assert len(decode(path).pixels) == 2


def test_the_error_can_be_sent_between_processes():
    """Loader workers pickle their exceptions; copying uses the same mechanism."""
    error = VideoError("a.mp4", "truncated", 37, 100)
    again = copy.copy(error)
    line = "a.mp4: truncated: 37 of about 100 frames readable; re-encode or remove it"
    assert str(error) == str(again) == line
    assert (again.readable, again.expected, again.reason) == (37, 100, "truncated")
    assert "1 frame readable" in str(VideoError("a.mp4", "cut", 1))
