"""Open a video file safely, or raise a `VideoError` with a reason in one line.

Only regular files with a container of `CONTAINERS` are opened, and only by the file protocol. A
playlist, a subtitle or a picture named `.mp4` is an error, and no file can open another file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

CONTAINERS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,h264,hevc,flv,asf,ogg,gif,ivf,nut,yuv4mpegpipe,mxf,dv"
)
MAX_FRAME_PIXELS = 8192 * 8192

# Decoders that conceal damage without a mark, unless they are told to fail. Those of H.264 and
# others mark it, and would then also fail for side information that no frame needs.
_REPORTS_NOTHING = frozenset({"mjpeg"})


class VideoError(Exception):
    """A video that cannot be used. `str()` is one line: the file, the reason and an advice.

    `readable` is the number of frames that can be decoded. `expected` is about the number of frames
    that there should be, if the file contains it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reason: str,
        readable: int = 0,
        expected: int | None = None,
        advice: str = "re-encode or remove it",
    ) -> None:
        # All arguments are passed on, so that a loader worker can pickle the error.
        super().__init__(os.fspath(path), reason, readable, expected, advice)
        self.path = os.fspath(path)
        self.reason = reason
        self.readable = readable
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        # A file name may contain line breaks and bytes that are not UTF-8.
        name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in self.path)
        total = "" if self.expected is None else f" of about {self.expected}"
        noun = "frame" if self.readable == 1 and not total else "frames"
        return f"{name}: {self.reason}: {self.readable}{total} {noun} readable; {self.advice}"


@contextmanager
def opened(
    path: str | os.PathLike[str], threads: int = 1, index: int | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream `index`, by default the first one of `video_streams`.

    Loader workers should use one thread. More threads share the slices of a frame, as frame threads
    can deadlock with Python's global lock. Raises VideoError.
    """
    _check_readable(path)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        # Without "file:" a name such as "a:b.mp4" would be parsed as a protocol.
        container = av.open(
            f"file:{os.fspath(path)}", mode="r", options=options, metadata_errors="replace"
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = "not a video file, or its header is damaged or cut off"
        raise VideoError(path, reason) from error
    with container:
        streams = video_streams(path, container)
        stream = next((s for s in streams if index is None or s.index == index), None)
        if stream is None:
            raise VideoError(path, "the file has changed while it was read")
        check_frame_size(path, stream.codec_context.width, stream.codec_context.height)
        options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        if stream.codec_context.name in _REPORTS_NOTHING:
            options["err_detect"] = "explode"
        stream.codec_context.options = options
        stream.thread_type = "NONE" if threads == 1 else "SLICE"
        stream.codec_context.thread_count = threads
        yield container, stream


def video_streams(path: str | os.PathLike[str], container: InputContainer) -> list[VideoStream]:
    """Return the video streams that can be decoded, without cover pictures. Raises VideoError."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        held = "sound only" if container.streams.audio else "no known stream"
        raise VideoError(path, f"no video stream ({held})")
    # The type annotation forbids None, but without a decoder the context is None.
    known = [stream for stream in streams if getattr(stream, "codec_context", None) is not None]
    if not known:
        raise VideoError(path, "no decoder for its video stream")
    return known


def _check_readable(path: str | os.PathLike[str]) -> None:
    """Raise VideoError for a path that cannot be read, is not a regular file or is empty."""
    file = Path(path)
    try:
        status = file.stat()
        # Reading from a pipe could block forever.
        if stat.S_ISREG(status.st_mode):
            with file.open("rb") as opened_file:
                opened_file.read(1)
    except FileNotFoundError as error:
        reason = "a link to nothing" if file.is_symlink() else "no such file"
        raise VideoError(path, reason, advice="check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(path, f"cannot be opened ({reason})", advice="check the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoError(path, "a directory, not a file", advice="give a file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(path, "not a regular file", advice="check the path")
    if status.st_size == 0:
        raise VideoError(path, "an empty file", advice="fetch it again or remove it")


def packets(container: InputContainer, stream: VideoStream | None = None) -> Iterator[Packet[Any]]:
    """Yield all packets, or those of one stream; the last, empty packets flush the decoders."""
    try:
        yield from container.demux() if stream is None else container.demux(stream)
    except IndexError:
        # PyAV 18.1 raises it for streams that appear after the header (MPEG, FLV): after all
        # packets, when it flushes the decoder that such a stream does not have.
        return


def decode_packet(stream: VideoStream, packet: Packet[Any] | None, number: int) -> list[VideoFrame]:
    """Decode a packet, or drain the decoder (None); the `pts` of a frame is its packet's `number`.

    A number is clear where time stamps repeat or are missing. Raises av.FFmpegError.
    """
    if packet is not None:
        packet.pts = packet.dts = number
    return stream.codec_context.decode(packet)


def check_frame_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    """Raise VideoError for frames of more than MAX_FRAME_PIXELS pixels."""
    if width * height > MAX_FRAME_PIXELS:
        limit = f"the limit is {MAX_FRAME_PIXELS / 1e6:.0f} megapixels"
        reason = f"frames of {width}x{height} pixels are too large ({limit})"
        raise VideoError(path, reason, advice="scale it down")
