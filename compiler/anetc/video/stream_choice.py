"""Choose the video stream of a file: the default one, else the best by size and length.

A file may also hold a preview of one picture, a smaller copy for editing, or other views.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from anetc.video.source import packets

# A stream with fewer frames than this fraction of another stream's is a preview.
_PREVIEW = 0.1


@attrs.frozen
class Candidate:
    """A video stream: its number, size in pixels, and the packets that it has in the file.

    `first` and `late` are places among all packets of the file: that of its first packet, and of
    one near its end. FFmpeg returns the last packets of a stream only at the end of the file.
    """

    index: int
    default: bool
    pixels: int
    packets: int
    first: int
    late: int


def count_packets(container: InputContainer, streams: Sequence[VideoStream]) -> list[Candidate]:
    """Read the file and return its video streams that have packets, in the order of the file."""
    places: dict[int, list[int]] = {stream.index: [] for stream in streams}
    try:
        for place, packet in enumerate(packets(container)):
            if packet.size and packet.stream_index in places:
                places[packet.stream_index].append(place)
    except (av.FFmpegError, OSError):
        pass  # the survey of the chosen stream reports it
    return [
        Candidate(
            index=stream.index,
            default=bool(stream.disposition & Disposition.default),
            pixels=stream.codec_context.width * stream.codec_context.height,
            packets=len(found),
            first=found[0],
            late=found[max(len(found) - 3, len(found) // 2)],
        )
        for stream in streams
        if (found := places[stream.index])
    ]


def choose_stream(candidates: Sequence[Candidate]) -> Candidate:
    """Return the default stream, or of several the one with the most pixels in all of its frames.

    Previews are not chosen: they have few frames, also where they are the default stream.
    """
    most = max(candidate.packets for candidate in candidates)
    films = [c for c in candidates if c.packets > 1 or most == 1]
    films = [c for c in films if c.packets >= _PREVIEW * most or c.pixels >= _largest(films)]
    films = [c for c in films if c.default] or films
    # `max` returns the first of equal ones.
    return max(films, key=lambda c: c.pixels * c.packets)


def _largest(candidates: Sequence[Candidate]) -> int:
    return max(candidate.pixels for candidate in candidates)


def follow_each_other(candidates: Sequence[Candidate]) -> bool:
    """Return whether a stream begins where another one has ended, as in joined recordings."""
    films = sorted((c for c in candidates if c.packets > 1), key=lambda c: c.first)
    return any(
        later.first > sooner.late for number, later in enumerate(films) for sooner in films[:number]
    )


def has_late_video(container: InputContainer) -> bool:
    """Return whether a video stream has appeared that PyAV did not see when it opened the file.

    PyAV drops its packets. FFmpeg's description of the file, after it has been read, names it.
    """
    # The type annotations of PyAV 18 lack this method.
    text: str = container.dumps_format()  # type: ignore[attr-defined]
    described = re.findall(r"Stream #\d+:(\d+)[^\n]*?: Video: ", text)
    return any(int(index) >= len(container.streams) for index in described)
