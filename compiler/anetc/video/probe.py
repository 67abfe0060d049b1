"""Examine a video file in one pass over its packets.

A header may be wrong. `examine` reads all packets once, which takes milliseconds for a short clip,
and decodes only the first frame. It compares the packets with the header (`damage`), and keeps the
display times of the frames (`timeline`), so that a clip can be located by time.

A recording may begin between two key frames, as broadcasts and security cameras write them. Frames
before the first key frame cannot be decoded: they are skipped, and time 0 is the first frame that
can be displayed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anetc.video.damage import Claims, structural_damage
from anetc.video.frame_numbers import H264, FrameNumbers
from anetc.video.source import (
    VideoError,
    check_frame_size,
    decode_packet,
    opened,
    packets,
    video_streams,
)
from anetc.video.stream_choice import (
    choose_stream,
    count_packets,
    follow_each_other,
    has_late_video,
)
from anetc.video.structure import CORRUPT, JOINED, MATROSKA, MP4, TRUNCATED, check_structure
from anetc.video.timeline import (
    AVI,
    PROGRAM_STREAM,
    SECOND,
    STREAMS,
    Stamp,
    Timeline,
    join,
    make_timeline,
)

# Containers with a reliable index. AVI has no presentation times and MPEG streams no index.
_SEEKABLE = frozenset({MP4, MATROSKA})
_NO_KEY = "it has no key frame, so no frame can be decoded"
# Packets of H.264 up to this size may hold parameters but no frame.
_ONLY_PARAMETERS = 256
# A pixel that is ten times as wide as high, or the reverse, is a damaged header.
_ODDEST_PIXEL = 10


@attrs.frozen
class Orientation:
    """The transform from stored to displayed pixels: first a transposition, then mirroring."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Return the orientation of a frame's display matrix, rounded to quarter turns."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if not isinstance(matrix, SideData):
            return cls()
        a, b, _, c, d = np.frombuffer(memoryview(matrix), np.int32)[:5].tolist()
        if abs(b) > abs(a):
            return cls(transpose=True, flip_x=c < 0, flip_y=b < 0)
        return cls(flip_x=a < 0, flip_y=d < 0)

    @property
    def degrees(self) -> int:
        """Counter-clockwise rotation, after a mirroring left to right if any: 0, 90, 180 or 270."""
        if self.transpose:
            return 270 if self.flip_x else 90
        return 180 if self.flip_y else 0

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Convert stored pixels (H, W, 3) to displayed ones; the result is a view."""
        turned = pixels.transpose(1, 0, 2) if self.transpose else pixels
        return turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


@attrs.frozen
class VideoInfo:
    """Properties of a video file, from its packets and its first frame.

    Width and height are as displayed: rotated, and the width of the stored frame is multiplied by
    the sample aspect ratio `pixel_aspect` (width / height of a stored pixel). `fps` is the average
    frame rate; `declared` is the frame count of the header, if it has one. `damage` is None, or
    "truncated", "corrupt" or "time stamps start anew", by the packets alone: decoding may find
    more. `expected` is about the number of frames that a damaged file should have. `stream` is the
    number of the video stream that is read.
    """

    path: str
    width: int
    height: int
    fps: float
    declared: int | None
    codec: str
    pixel_format: str
    orientation: Orientation
    damage: str | None
    expected: int | None
    timeline: Timeline = attrs.field(repr=False)
    pixel_aspect: Fraction = Fraction(1)
    stream: int = 0

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last frame."""
        return self.timeline.end / SECOND

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise by which the stored pixels are rotated for display."""
        return self.orientation.degrees


def examine(path: str | os.PathLike[str]) -> VideoInfo:
    """Read all packets of a file and decode its first frame.

    Damage that leaves readable frames is reported in `VideoInfo.damage`. Raises VideoError for a
    file that is not a video, and where no frame can be decoded.
    """
    index, joined = None, False
    with opened(path) as (container, stream):
        streams = video_streams(path, container)
        if len(streams) == 1 and (info := _examine(path, container, stream, True)):
            return info
        if len(streams) > 1 and (candidates := count_packets(container, streams)):
            index, joined = choose_stream(candidates).index, follow_each_other(candidates)
    for from_key in (True, False):
        with opened(path, index=index) as (container, stream):
            if info := _examine(path, container, stream, from_key):
                return attrs.evolve(info, damage=JOINED) if joined else info
    raise VideoError(path, _NO_KEY)


def _examine(
    path: str | os.PathLike[str], container: InputContainer, stream: VideoStream, from_key: bool
) -> VideoInfo | None:
    """Return the properties of a stream; None if `from_key` and no packet is a key frame.

    Some broadcasts do not mark their key frames, or refresh the picture gradually. Without
    `from_key`, decoding starts at the first packet. The first frame is one that the decoder takes
    for a key frame; decoders of H.264 and HEVC return no frame before the picture is complete.
    """
    name = container.format.name
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    indexed = sum(entry.size > 0 for entry in stream.index_entries)
    survey = _survey(container, stream, from_key)
    stamps, tick = survey.stamps, stream.time_base
    structure = check_structure(path, name)
    damage, expected = structural_damage(
        structure,
        Claims(
            container=name,
            rate=rate,
            indexed=indexed,
            declared=stream.frames,
            duration=(container.duration or 0) / av.time_base,
            packets=len(stamps),
            reached=_extent(stamp.dts for stamp in stamps if not stamp.corrupt),
            end=survey.end,
        ),
    )
    if damage is None and name in STREAMS and has_late_video(container):
        damage = JOINED
    if from_key and stamps and not any(stamp.key for stamp in stamps):
        return None
    first = survey.first
    if first is None or tick is None:
        reason = "no frame can be decoded" if stamps else "it has no frames"
        reason = reason if from_key else _NO_KEY
        raise VideoError(path, damage or reason, 0, expected or stream.frames or None)
    check_frame_size(path, first.width, first.height)
    joined, parts = join(
        stamps, name, tick, survey.key, survey.started, frozenset(structure.joints)
    )
    timeline = make_timeline(
        joined,
        parts,
        tick=tick,
        rate=rate,
        # AVI has no presentation times. FFmpeg generates them, in the wrong order with B frames.
        generated=name == AVI,
        reordered=stream.codec_context.has_b_frames,
        seekable=name in _SEEKABLE,
    )
    if not len(timeline.shown):
        raise VideoError(path, damage or "no frame can be decoded", 0, stream.frames or None)
    if damage is None and name == PROGRAM_STREAM and len(structure.joints) >= len(parts):
        # A part has no packets of its own, as its codec is another one.
        damage = JOINED
    if damage is None and (damage := _packet_damage(survey, joined, timeline, name)):
        expected = stream.frames or len(stamps)
    aspect = pixel_aspect(stream.sample_aspect_ratio)
    width, height = displayed_size(first, aspect)
    check_frame_size(path, width, height)
    orientation = Orientation.of(first)
    width, height = (height, width) if orientation.transpose else (width, height)
    shown = timeline.shown
    last = int(shown[-1])
    return VideoInfo(
        path=os.fspath(path),
        width=width,
        height=height,
        fps=(len(shown) - 1) * SECOND / last if last > 0 else rate,
        declared=stream.frames or None,
        codec=stream.codec_context.name,
        pixel_format=first.format.name,
        orientation=orientation,
        damage=damage,
        expected=expected,
        timeline=timeline,
        pixel_aspect=aspect,
        stream=stream.index,
    )


def pixel_aspect(stated: Fraction | None) -> Fraction:
    """Return width / height of a stored pixel: 1 if the file does not state it, or absurdly."""
    if not stated or not 1 <= max(stated, 1 / stated) <= _ODDEST_PIXEL:
        return Fraction(1)
    return stated


def displayed_size(frame: VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """Return the width and height of a frame with square pixels, before it is rotated."""
    return max(1, round(frame.width * aspect)), frame.height


@attrs.define
class _Survey:
    """Results of reading the packets of the video stream; `end` of all streams, in seconds.

    `first` is the first frame that can be displayed, and `started` its packet; decoding begins at
    the packet `key`.
    """

    stamps: list[Stamp] = attrs.field(factory=list)
    failed: bool = False
    end: float = 0.0
    first: VideoFrame | None = None
    key: int = 0
    started: int = 0


def _survey(container: InputContainer, stream: VideoStream, from_key: bool) -> _Survey:
    survey = _Survey()
    awaiting = from_key
    context = stream.codec_context
    slices = FrameNumbers.of(context.extradata) if context.name == H264 else None
    try:
        # Packets of all streams: the duration in the header is that of the longest stream.
        for packet in packets(container):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                end = float((stamp + (packet.duration or 0)) * packet.time_base)
                survey.end = max(survey.end, end)
            if packet.stream_index != stream.index or packet.size == 0:
                continue
            key, hidden = packet.is_keyframe, packet.is_discard
            if slices is not None:
                key = key and slices.is_intra(bytes(packet))
                if packet.size <= _ONLY_PARAMETERS:
                    hidden = hidden or not slices.has_frame(bytes(packet))
            survey.stamps.append(
                Stamp(
                    pts=packet.pts,
                    dts=packet.dts,
                    length=packet.duration or 0,
                    key=key,
                    corrupt=packet.is_corrupt,
                    hidden=hidden,
                    place=packet.pos,
                )
            )
            if awaiting and key:
                awaiting, survey.key = False, len(survey.stamps) - 1
            if survey.first is None and not awaiting:
                _find_first(stream, packet, survey, from_key)
        if survey.first is None and not awaiting:
            _find_first(stream, None, survey, from_key)
    except (av.FFmpegError, OSError):
        survey.failed = True
    return survey


def _find_first(
    stream: VideoStream, packet: Packet[Stream] | None, survey: _Survey, from_key: bool
) -> None:
    """Decode a packet, or the end (None), until the survey has its first frame."""
    number = len(survey.stamps) - 1
    complete = stream.codec_context.name in (H264, "hevc")
    try:
        frames = decode_packet(stream, packet, number)
    except (av.FFmpegError, OSError):
        return
    for frame in frames:
        if not frame.is_corrupt and (from_key or complete or frame.key_frame):
            survey.first = frame
            survey.started = number if frame.pts is None else frame.pts
            return


def _packet_damage(
    survey: _Survey, stamps: Sequence[Stamp], timeline: Timeline, container: str
) -> str | None:
    """Return the damage that FFmpeg marks in packets, or that the parts of a file show."""
    if len(timeline.parts) > 1 and container not in STREAMS:
        return JOINED
    if stamps[-1].corrupt:
        return TRUNCATED
    if survey.failed or any(stamp.corrupt for stamp in stamps):
        return CORRUPT
    return CORRUPT if any(part.key is None for part in timeline.parts) else None


def _extent(ticks: Iterable[int | None]) -> int:
    """Return the number of ticks from the first to the last, both included."""
    known = [tick for tick in ticks if tick is not None]
    return max(known) - min(known) + 1 if known else 0
