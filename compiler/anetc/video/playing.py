"""Decode the packets of a video into the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from fractions import Fraction
from typing import Any

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anetc.video.damage import advice_for
from anetc.video.frame_numbers import H264, FrameNumbers
from anetc.video.probe import Orientation, VideoInfo, displayed_size, pixel_aspect
from anetc.video.source import (
    VideoError,
    check_frame_size,
    decode_packet,
    opened,
    packets,
)
from anetc.video.timeline import NOT_SHOWN, STREAMS

TOLERANCE = 750
"""Tolerance of display times in microseconds.

Matroska and FLV round time stamps to milliseconds: without a tolerance a frame at 66.7 ms with the
stamp 67 would be missed. It is not a multiple of 1 ms, so no such stamp is exactly at the limit.
"""

# Decoders that return a frame for every packet, or report damage. Others return none where the
# picture does not change, as for the frames that a program dropped from an AVI file on purpose.
_COMPLETE = frozenset(
    {"h264", "hevc", "mpeg1video", "mpeg2video", "mjpeg", "ffv1", "vp9", "libdav1d", "av1"}
)
# Largest difference of proportions that is a matter of rounding or of a cropped border.
_SAME_SHAPE = 0.05

# Measured on a 4:2:0 frame against the BT.601 formula: the mean error is -0.01 grey levels, and
# white is 255. The default of swscale is 1 level too dark on average; without full chroma
# interpolation white is 253.
_FILTER = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


@attrs.define
class Health:
    """Counts of decoded frames, and of packets and frames that failed or are lost.

    `awaited` holds the display times of packets whose frames the decoder has not returned yet. With
    `complete` every packet should give a frame. It is off for interlaced films, where two packets
    may hold the two fields of a frame.
    """

    frames: int = 0
    failures: int = 0
    complete: bool = True
    awaited: set[int] = attrs.field(factory=set)

    def count_lost(self) -> None:
        """Count the packets that gave no frame, after the decoder was drained."""
        if self.complete:
            self.failures += len(self.awaited)
        self.awaited.clear()


@attrs.define
class Played:
    """A clip that is being decoded: the first `filled` frames are complete."""

    pixels: NDArray[np.uint8]
    times: NDArray[np.int64]
    orientation: Orientation
    threads: int
    filled: int = 0
    health: Health = attrs.field(factory=Health)
    latest: VideoFrame | None = None
    scaler: VideoReformatter = attrs.field(factory=VideoReformatter)

    def put(self, time: int, frame: VideoFrame) -> None:
        """Add a frame; a repeated frame is copied from the place before."""
        place, self.filled = self.filled, self.filled + 1
        self.times[place] = time
        if frame is self.latest:
            self.pixels[place] = self.pixels[place - 1]
            return
        self.latest = frame
        height, width = self.pixels.shape[1:3]
        if self.orientation.transpose:
            height, width = width, height
        rgb = self.scaler.reformat(
            frame, width, height, "rgb24", interpolation=_FILTER, threads=self.threads
        )
        plane = rgb.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        stored = lines[:height, : 3 * width].reshape(height, width, 3)
        self.pixels[place] = self.orientation.apply(stored)

    def matches(self, times: NDArray[np.int64]) -> bool:
        """Return whether nothing failed and no frame is displayed in place of a lost one."""
        if self.health.failures or self.filled < len(times):
            return False
        return not self.health.complete or bool((self.times >= times).all())


def play(
    info: VideoInfo,
    wanted: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    threads: int,
    key: int | None = None,
    seek: bool = False,
) -> Played:
    """Decode the frames on screen at the wanted times, with at most two frames in memory.

    Decoding begins at the key frame `key` of the timeline, by default at the first one. The packets
    before it are skipped by the container's index with `seek`, else they are read.
    """
    clip = Played(
        np.empty(shape, np.uint8), np.zeros(len(wanted), np.int64), info.orientation, threads
    )
    due = (wanted + TOLERANCE).tolist()
    shown: tuple[int, VideoFrame] | None = None
    with opened(info.path, threads, info.stream) as (container, stream):
        shapes = _Shape.of(info, container)
        needed = set(info.timeline.on_screen(wanted + TOLERANCE).tolist())
        for time, frame in _decoded(info, container, stream, clip.health, needed, key, seek):
            # A frame stays on screen until the next one; the first also covers the time before it.
            while shown and clip.filled < len(due) and due[clip.filled] < time:
                _put(info, clip, *shown)
            if clip.filled == len(due):
                return clip
            shapes.check(stream, frame)
            shown = time, frame
        if shown:
            # The last frame stays on screen to the end, but does not replace lost frames.
            lost = info.damage or clip.health.failures
            until = info.timeline.end_of(shown[0]) if lost else info.timeline.end
            while clip.filled < len(due) and wanted[clip.filled] < until:
                _put(info, clip, *shown)
    return clip


def play_through(info: VideoInfo, threads: int) -> Health:
    """Decode all frames without keeping them."""
    health = Health()
    with opened(info.path, threads, info.stream) as (container, stream):
        shapes = _Shape.of(info, container)
        for _, frame in _decoded(info, container, stream, health):
            shapes.check(stream, frame)
    return health


def damage_error(info: VideoInfo, reason: str, health: Health) -> VideoError:
    """Return the error of a damaged file with this number of readable frames."""
    expected = info.expected or info.declared or len(info.timeline.shown)
    return VideoError(info.path, reason, health.frames, expected, advice_for(reason))


def _put(info: VideoInfo, clip: Played, time: int, frame: VideoFrame) -> None:
    check_frame_size(info.path, frame.width, frame.height)
    try:
        clip.put(time, frame)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = f"{frame.format.name} frames cannot be converted to RGB"
        raise damage_error(info, reason, clip.health) from error


@attrs.define
class _Shape:
    """The proportions that all frames must have: others would be distorted."""

    info: VideoInfo
    changing: bool
    """True if the stream, not the container, states the shape of pixels."""
    latest: tuple[int, int, Fraction | None] | None = None

    @classmethod
    def of(cls, info: VideoInfo, container: InputContainer) -> _Shape:
        return cls(info, container.format.name in STREAMS)

    def check(self, stream: VideoStream, frame: VideoFrame) -> None:
        """Raise VideoError for a frame of other proportions than the first one."""
        aspect = stream.codec_context.sample_aspect_ratio if self.changing else None
        if (stored := (frame.width, frame.height, aspect)) == self.latest:
            return
        self.latest, info = stored, self.info
        shape = pixel_aspect(aspect) if self.changing else info.pixel_aspect
        width, height = displayed_size(frame, shape)
        first = (info.width, info.height)
        if info.orientation.transpose:
            first = first[::-1]
        if abs(width * first[1] / (height * first[0]) - 1) > _SAME_SHAPE:
            reason = f"the picture changes from {first[0]}x{first[1]} to {width}x{height} pixels"
            readable = len(info.timeline.shown)
            raise VideoError(info.path, reason, readable, advice="cut it where the picture changes")


def _decoded(
    info: VideoInfo,
    container: InputContainer,
    stream: VideoStream,
    health: Health,
    wanted: Set[int] | None = None,
    key: int | None = None,
    seek: bool = False,
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield good frames with ascending times in microseconds; count the bad ones.

    Frames at other times than `wanted` (None: all) may be missing.
    """
    timeline = info.timeline
    health.complete = stream.codec_context.name in _COMPLETE
    number, begin = 0, timeline.parts[0].key or 0
    found: Iterable[Packet[Any]] = packets(container, stream)
    if key is not None:
        begin = int(timeline.keys[key])
        if seek:
            number = begin
            found = _packets_from(container, stream, int(timeline.key_ticks[key]))
    rank, latest = 0, 0
    for frames in _decoded_packets(info, found, stream, health, number, begin, wanted):
        for frame in frames:
            time = timeline.time_of(frame.pts, rank)
            rank += 1
            health.awaited.discard(time)
            health.complete &= not frame.interlaced_frame
            if time == NOT_SHOWN:
                continue
            if frame.is_corrupt:
                health.failures += 1
            else:
                health.frames += 1
                latest = max(latest, time)
                yield latest, frame


def _decoded_packets(
    info: VideoInfo,
    found: Iterable[Packet[Any]],
    stream: VideoStream,
    health: Health,
    number: int,
    begin: int,
    wanted: Set[int] | None,
) -> Iterator[list[VideoFrame]]:
    """Yield the frames that each packet gives; `number` is that of the next packet.

    Packets before `begin`, and those before the first key frame of a part, are not decoded, nor
    those of frames that are neither wanted nor used by others. The decoder is drained at the end of
    a part: frames of one part never depend on another.
    """
    timeline = info.timeline
    wanted = None if timeline.by_rank else wanted
    parts = {part.begin: part for part in timeline.parts[1:]}
    gaps = _gap_detector(stream)
    earliest = max(int(timeline.times[begin]), 0)
    try:
        for packet in found:
            if packet.size == 0:
                continue
            if number > begin and (part := parts.get(number)) is not None:
                yield _attempt(stream, None, number, health)
                health.count_lost()
                stream.codec_context.flush_buffers()
                begin = part.end if part.key is None else part.key
                earliest = max(int(timeline.times[min(begin, number)]), 0)
                gaps = _gap_detector(stream)
            if number >= begin:
                time = int(timeline.times[number]) if number < len(timeline.times) else earliest
                # Frames that are displayed before the first key frame may depend on missing ones.
                needed = time >= earliest
                used = True
                if gaps is not None:
                    content = bytes(packet)
                    health.failures += gaps.has_gap(content) and needed
                    used = wanted is None or time in wanted or gaps.is_reference(content)
                if needed and used:
                    health.awaited.add(time)
                if used:
                    yield _attempt(stream, packet, number, health, needed)
            number += 1
        yield _attempt(stream, None, number, health)
        health.count_lost()
    except (av.FFmpegError, OSError):
        health.failures += 1


def _gap_detector(stream: VideoStream) -> FrameNumbers | None:
    context = stream.codec_context
    return FrameNumbers.of(context.extradata) if context.name == H264 else None


def _packets_from(
    container: InputContainer, stream: VideoStream, tick: int
) -> Iterator[Packet[Any]]:
    """Yield the packets from the key frame at `tick`; none if the index leads to another packet."""
    container.seek(tick, stream=stream)
    for place, packet in enumerate(packets(container, stream)):
        if place == 0 and packet.pts != tick:
            return
        yield packet


def _attempt(
    stream: VideoStream,
    packet: Packet[Any] | None,
    number: int,
    health: Health,
    needed: bool = True,
) -> list[VideoFrame]:
    """Decode a packet, or drain the decoder (None); count the failure of a needed packet."""
    try:
        return decode_packet(stream, packet, number)
    except (av.FFmpegError, OSError):
        health.failures += needed
        return []
