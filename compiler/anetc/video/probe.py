"""Examine a video file in one pass over its packets.

A header may be wrong. `probe` reads all packets once, which takes milliseconds for a short clip,
and decodes only the first frame. It compares the packets with the header, and keeps the display
times of the frames, so that a clip can be located by time.

Damage is detected as follows. MP4 and AVI have an index or a count, Matroska and FLV a duration,
and FFmpeg marks a truncated packet. MPEG streams, ASF and GIF do not contain their length: if such
a file is cut between two frames, the damage cannot be detected.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

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

from anetc.video.source import VideoError, check_frame_size, opened, packets

SECOND = 1_000_000
"""Microseconds per second. Times are integers, as sums of floats would make ties random."""

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_MATROSKA = "matroska,webm"
_AVI = "avi"
# AVI has no presentation times and MPEG streams no index: both are decoded from the start.
_SEEKABLE = frozenset({_MP4, _MATROSKA})
# Containers with a duration in the header. For others FFmpeg estimates it from the packets.
_STATES_DURATION = frozenset({_MATROSKA, "flv"})
# Time stamps more than four months apart are damaged, and would overflow sums.
_LONGEST = 10_000_000 * SECOND
_SAME_ARRAY = attrs.cmp_using(eq=np.array_equal)


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
class Timeline:
    """Display times of the frames, from the packets, in microseconds after the first frame.

    `shown` (frames,) ascends from 0; the last frame is displayed until `end`. `keys` holds the
    times of key frames, `key_ticks` the same in the unit of the stream. With `by_rank` the n-th
    decoded frame is displayed at the n-th time (AVI, and streams without usable time stamps); else
    the time stamp of a frame decides.
    """

    shown: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    end: int
    keys: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    key_ticks: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    origin: int
    tick: Fraction
    by_rank: bool
    seekable: bool

    def time_of(self, stamp: int | None, rank: int) -> int:
        """Return the display time of the `rank`-th decoded frame, with the time stamp `stamp`."""
        if self.by_rank or stamp is None:
            return int(self.shown[min(rank, len(self.shown) - 1)])
        return min(_microseconds(stamp - self.origin, self.tick), self.end)


@attrs.frozen
class VideoInfo:
    """Properties of a video file, from its packets and its first frame.

    Width and height are as displayed: rotated, with pixels taken as square. `fps` is the average
    frame rate; `declared` is the frame count of the header, if it has one. `damage` is None,
    "truncated" or "corrupt", by the packets alone: decoding may find more. `expected` is about the
    number of frames that a damaged file should have.
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

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last frame."""
        return self.timeline.end / SECOND

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise by which the stored pixels are rotated for display."""
        return self.orientation.degrees


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read all packets of a file and decode its first frame.

    Damage that leaves readable frames is reported in `VideoInfo.damage`. Raises VideoError for a
    file that is not a video, and where no frame can be decoded.
    """
    with opened(path) as (container, stream):
        indexed = sum(entry.size > 0 for entry in stream.index_entries)
        survey = _survey(container, stream)
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        damage, expected = _damage(path, container, stream, survey, indexed, rate)
        first = survey.first
        if first is None or stream.time_base is None or not survey.stamps:
            reason = "no frame can be decoded" if survey.packets else "it has no frames"
            raise VideoError(path, damage or reason, 0, expected or stream.frames or None)
        check_frame_size(path, first.width, first.height)
        timeline = _timeline(container.format.name, stream.time_base, survey, rate, damage is None)
        orientation = Orientation.of(first)
        size = (first.width, first.height)
        width, height = size[::-1] if orientation.transpose else size
        last = int(timeline.shown[-1])
        return VideoInfo(
            path=os.fspath(path),
            width=width,
            height=height,
            fps=(len(timeline.shown) - 1) * SECOND / last if last > 0 else rate,
            declared=stream.frames or None,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            orientation=orientation,
            damage=damage,
            expected=expected,
            timeline=timeline,
        )


@attrs.frozen
class _Stamp:
    """A packet's presentation time, decoding time and duration, in ticks."""

    pts: int | None
    dts: int | None
    length: int


@attrs.define
class _Survey:
    """Results of reading the packets of the video stream; `end` of all streams, in seconds."""

    packets: int = 0
    corrupt: int = 0
    ends_corrupt: bool = False
    failed: bool = False
    end: float = 0.0
    first: VideoFrame | None = None
    stamps: list[_Stamp] = attrs.field(factory=list)
    keys: list[int] = attrs.field(factory=list)


def _survey(container: InputContainer, stream: VideoStream) -> _Survey:
    survey = _Survey()
    try:
        # Packets of all streams: the duration in the header is that of the longest stream.
        for packet in packets(container):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                end = float((stamp + (packet.duration or 0)) * packet.time_base)
                survey.end = max(survey.end, end)
            if packet.stream_index != stream.index:
                continue
            if survey.first is None:
                survey.first = _first_frame(packet)
            if packet.size == 0:
                continue
            survey.packets += 1
            survey.ends_corrupt = packet.is_corrupt
            if packet.is_corrupt:
                survey.corrupt += 1
            elif not packet.is_discard:
                survey.stamps.append(_Stamp(packet.pts, packet.dts, packet.duration or 0))
                if packet.is_keyframe and packet.pts is not None:
                    survey.keys.append(packet.pts)
    except (av.FFmpegError, OSError):
        survey.failed = True
    return survey


def _first_frame(packet: Packet[Stream]) -> VideoFrame | None:
    try:
        frames = packet.decode()
    except (av.FFmpegError, OSError):
        return None
    return next((f for f in frames if isinstance(f, VideoFrame) and not f.is_corrupt), None)


def _timeline(
    container: str, tick: Fraction, survey: _Survey, rate: float, intact: bool
) -> Timeline:
    stamps = survey.stamps
    pts = [stamp.pts for stamp in stamps if stamp.pts is not None]
    dts = [stamp.dts for stamp in stamps if stamp.dts is not None]
    known = next((k for k in (pts, dts) if len(k) == len(stamps) and _plausible(k, tick)), None)
    # AVI has no presentation times. FFmpeg generates them, in the wrong order with B frames.
    by_rank = container == _AVI or known is not pts or len(set(pts)) < len(stamps)
    usual = round(SECOND / rate)
    if known is None:
        origin, last = 0, usual
        shown = np.round(np.arange(len(stamps)) * (SECOND / rate)).astype(np.int64)
    else:
        origin = min(known)
        shown = np.array(sorted(_microseconds(k - origin, tick) for k in known), np.int64)
        last = _microseconds(stamps[known.index(max(known))].length, tick)
        if not 0 < last < _LONGEST:
            last = int(np.median(np.diff(shown))) if len(shown) > 1 else usual
    keys = [] if by_rank else sorted(survey.keys)
    return Timeline(
        shown=shown,
        end=int(shown[-1]) + (last if last > 0 else usual),
        keys=np.array([_microseconds(key - origin, tick) for key in keys], np.int64),
        key_ticks=np.array(keys, np.int64),
        origin=origin,
        tick=tick,
        by_rank=by_rank,
        seekable=intact and not by_rank and container in _SEEKABLE,
    )


def _plausible(ticks: list[int], tick: Fraction) -> bool:
    return _microseconds(max(ticks) - min(ticks), tick) < _LONGEST


def _damage(
    path: str | os.PathLike[str],
    container: InputContainer,
    stream: VideoStream,
    survey: _Survey,
    indexed: int,
    rate: float,
) -> tuple[str | None, int | None]:
    """Compare the packets with the header: return the damage and the expected number of frames."""
    name = container.format.name
    if name == _MP4 and indexed > survey.packets:
        # The count of the header does not serve: an edit list may exclude samples.
        return "truncated", indexed
    if name == _AVI and stream.frames:
        # FFmpeg reports no error here. With an index, missing frames were dropped on purpose. A
        # truncated file has lost its index; then the header's count, in ticks, is compared.
        ticks = [stamp.dts for stamp in survey.stamps if stamp.dts is not None]
        reached = max(ticks) - min(ticks) + 1 if ticks else 0
        complete = indexed == survey.packets > 1
        if indexed > survey.packets or (reached < stream.frames and not complete):
            return "truncated", stream.frames
    if name in _STATES_DURATION and container.duration:
        claimed = container.duration / av.time_base
        # Headers are rounded up a little; for a file that is known to be cut, less is tolerated.
        slack = 0.5 / rate if _segment_is_cut(path) else 2 / rate + 0.1
        if survey.end < claimed - slack:
            return "truncated", round(claimed * rate)
    if survey.ends_corrupt:
        return "truncated", stream.frames or survey.packets
    if survey.corrupt or survey.failed:
        return "corrupt", stream.frames or survey.packets
    return None, None


def _segment_is_cut(path: str | os.PathLike[str]) -> bool:
    """Return whether a Matroska file is shorter than its segment (RFC 8794, sections 4 to 6)."""
    with Path(path).open("rb") as file:
        start = file.read(64 * 1024)
        length = os.fstat(file.fileno()).st_size
    place = start.find(b"\x18\x53\x80\x67") + 4
    if place < 4 or place >= len(start) or start[place] == 0:
        return False
    # The number of leading zero bits of the first byte is the number of bytes that follow.
    octets = 9 - start[place].bit_length()
    size = int.from_bytes(start[place : place + octets]) & ((1 << 7 * octets) - 1)
    unknown = size == (1 << 7 * octets) - 1
    return not unknown and place + octets + size > length


def _microseconds(ticks: int, tick: Fraction) -> int:
    """Round ticks to whole microseconds, in integers: half a million calls a second."""
    return (2 * ticks * tick.numerator * SECOND + tick.denominator) // (2 * tick.denominator)
