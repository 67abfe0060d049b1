"""Decode a video at a chosen frame rate: `decode`, and `verify` for a whole file.

Frames are chosen by time, never by index, so that a clip means the same at 12.5 frames a second
whether the file has 25, 30 or a varying number of them: grid time k/fps shows **the frame that a
player would have on screen**, the latest one at or before it. Times count from the first frame.
Where a file runs slower than the grid a frame is repeated; nothing is blended, nothing
deinterlaced.

A file is decoded from the key frame before the clip where its container can be trusted with that
(MP4, Matroska and kin, undamaged), from its start otherwise; the frames are the same either way.

Pixels are scaled and turned into RGB in one step by swscale's bilinear filter, which widens with
the ratio when it shrinks (no aliasing), with full chroma interpolation, accurate rounding and
in its bit-exact mode, which does not depend on the processor. Colours follow the file's tags, and
are BT.601 where it has none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anetc.video.probe import SECOND, Orientation, Timeline, VideoInfo, probe
from anetc.video.source import VideoError, check_frame_size, opened, packets

__all__ = ["Frames", "VideoError", "VideoInfo", "decode", "grid_length", "probe", "verify"]

BASE_FPS = 12.5
"""The paper's frame rate, for both data sets (appendix; semantics 11)."""

MAX_CLIP_BYTES = 4 << 30
MAX_CLIP_FRAMES = 1_000_000

# Matroska and FLV round time stamps to milliseconds, up or down; without this a frame due at 66.7
# ms but stamped 67 would be missed. No multiple of 1 ms, so that no such stamp is a close call.
_TOLERANCE = 750
# The end is the sum of two such numbers.
_END_TOLERANCE = 3 * _TOLERANCE

# Measured on a 4:2:0 frame against the BT.601 formula: mean error -0.01 grey levels, and white is
# 255; swscale's default is 1 level too dark on average, and without full chroma white is 253.
_FILTER = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)

Size = int | tuple[int, int] | None


@attrs.frozen(eq=False)
class Frames:
    """Decoded frames: `pixels` uint8 RGB (T, H, W, 3), `times` (T,) in seconds.

    A time is that at which the frame went on screen, so it is at or before its grid time. `damage`
    is None, "truncated" or "corrupt" (only without `strict`); then T may be less than asked for,
    and frames that could not be read are replaced by the last one that could.
    """

    pixels: NDArray[np.uint8]
    times: NDArray[np.float64]
    damage: str | None


def decode(
    video: str | os.PathLike[str] | VideoInfo,
    *,
    fps: float = BASE_FPS,
    start: float = 0.0,
    frames: int | None = None,
    size: Size = None,
    threads: int = 1,
    strict: bool = True,
) -> Frames:
    """Decode `frames` frames (None: all) at times start + k/fps, in seconds after the first frame.

    A video that ends earlier gives fewer frames: `grid_length(info, fps)` tells how many it has.
    `size` is None (as stored), the length of the short side in pixels, or (height, width), all as
    displayed. Giving a `VideoInfo` from `probe` saves reading the file twice.

    Raises VideoError for a file that cannot be read, for a start beyond the end, for results above
    4 GiB or a million frames, and, if `strict`, for damage in the file's structure or in the part
    that is decoded; not strict, what is readable is returned and marked. ValueError for arguments
    out of range.
    """
    _check_arguments(fps, start, frames, size, threads)
    info = video if isinstance(video, VideoInfo) else probe(video)
    if strict and info.damage:
        raise _damaged(info, info.damage, threads)
    count = _count(info, fps, start, frames)
    shape = _result_shape(info, count, size)
    wanted = np.round((start + np.arange(count) / fps) * SECOND).astype(np.int64)
    played = None
    if (key := _key_before(info.timeline, wanted)) is not None:
        played = _play(info, wanted, shape, threads, key)
        if not played.matches(_on_screen(info.timeline, wanted)):
            played = None
    if played is None:
        played = _play(info, wanted, shape, threads)
    damage = info.damage or ("corrupt" if played.health.failures else None)
    if (strict and damage) or played.filled == 0:
        raise _damaged(info, damage or "no frame can be decoded", threads)
    filled = played.filled
    return Frames(played.pixels[:filled], played.times[:filled] / SECOND, damage)


def verify(path: str | os.PathLike[str], *, threads: int = 1) -> VideoInfo:
    """Decode every frame of a file, keeping none; VideoError if any of it is damaged."""
    info = probe(path)
    health = _play_through(info, threads)
    if info.damage or health.failures:
        raise _error(info, info.damage or "corrupt", health)
    return info


def grid_length(info: VideoInfo, fps: float = BASE_FPS) -> int:
    """How many grid times k/fps a video has: at least 1; 50 for 4 s at 12.5."""
    return max(1, _grid_left(info, fps, 0.0))


def _grid_left(info: VideoInfo, fps: float, start: float) -> int:
    left = info.timeline.end - _END_TOLERANCE - round(start * SECOND)
    return math.ceil(left * fps / SECOND)


def _check_arguments(
    fps: float, start: float, frames: int | None, size: Size, threads: int
) -> None:
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f"fps must be above 0 and at most 1000, not {fps}")
    if not (math.isfinite(start) and start >= 0):
        raise ValueError(f"start must be 0 s or later, not {start}")
    if frames is not None and frames < 1:
        raise ValueError(f"frames must be at least 1, not {frames}")
    if size is not None and min(size if isinstance(size, tuple) else (size,)) < 1:
        raise ValueError(f"size must be at least 1 pixel, not {size}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")


def _count(info: VideoInfo, fps: float, start: float, frames: int | None) -> int:
    left = grid_length(info, fps) if start == 0 else _grid_left(info, fps, start)
    if left < 1:
        reason = f"nothing to show at {start:g} s, the video ends at {info.duration:g} s"
        readable = len(info.timeline.shown)
        raise VideoError(info.path, reason, readable, advice="ask for an earlier start")
    return left if frames is None else min(left, frames)


def _result_shape(info: VideoInfo, count: int, size: Size) -> tuple[int, int, int, int]:
    height, width = info.height, info.width
    if isinstance(size, tuple):
        height, width = size
    elif size is not None:
        scale = size / min(height, width)
        height, width = (max(size, math.floor(side * scale + 0.5)) for side in (height, width))
    check_frame_size(info.path, width, height)
    if count > MAX_CLIP_FRAMES or count * height * width * 3 > MAX_CLIP_BYTES:
        reason = f"{count} frames of {width}x{height} pixels are too many to hold at once"
        readable = len(info.timeline.shown)
        raise VideoError(info.path, reason, readable, advice="ask for fewer or smaller frames")
    return count, height, width, 3


def _on_screen(timeline: Timeline, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """When the frames that are on screen at these times came there, by the packets."""
    places = np.searchsorted(timeline.shown, times + _TOLERANCE, "right") - 1
    shown: NDArray[np.int64] = timeline.shown[np.maximum(places, 0)]
    return shown


def _key_before(timeline: Timeline, wanted: NDArray[np.int64]) -> int | None:
    """The tick to seek to for these frames; None where the start of the file is as good."""
    if not timeline.seekable:
        return None
    place = int(np.searchsorted(timeline.keys, _on_screen(timeline, wanted[:1])[0], "right")) - 1
    return int(timeline.key_ticks[place]) if place > 0 else None


@attrs.define
class _Health:
    """Counts of decoding: good frames, and packets and frames that failed."""

    frames: int = 0
    failures: int = 0


@attrs.define
class _Played:
    """A clip under construction: the first `filled` of its frames are there."""

    pixels: NDArray[np.uint8]
    times: NDArray[np.int64]
    orientation: Orientation
    threads: int
    filled: int = 0
    health: _Health = attrs.field(factory=_Health)
    latest: VideoFrame | None = None
    scaler: VideoReformatter = attrs.field(factory=VideoReformatter)

    def put(self, time: int, frame: VideoFrame) -> None:
        """Fill the next place, by a copy where the frame is that of the place before."""
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
        """Whether all went well and every frame is the one that the packets promise."""
        return self.health.failures == 0 and np.array_equal(self.times[: self.filled], times)


def _play(
    info: VideoInfo,
    wanted: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    threads: int,
    seek_to: int | None = None,
) -> _Played:
    """Decode the frames on screen at the wanted times, holding two frames of the file at most."""
    clip = _Played(
        np.empty(shape, np.uint8), np.zeros(len(wanted), np.int64), info.orientation, threads
    )
    due = (wanted + _TOLERANCE).tolist()
    shown: tuple[int, VideoFrame] | None = None
    with opened(info.path, threads) as (container, stream):
        if seek_to is not None:
            try:
                container.seek(seek_to, stream=stream)
            except (av.FFmpegError, OSError):
                return clip
        for time, frame in _decoded(info, container, stream, clip.health):
            # A frame stays until the next one is due; the first also stands for what is before it.
            while shown and clip.filled < len(due) and due[clip.filled] < time:
                _put(info, clip, *shown)
            if clip.filled == len(due):
                return clip
            shown = time, frame
        if shown:
            # The last frame stays to the end, but does not stand in for a lost tail.
            lost = info.damage or clip.health.failures
            until = _end_of(info.timeline, shown[0]) if lost else info.timeline.end
            while clip.filled < len(due) and wanted[clip.filled] < until:
                _put(info, clip, *shown)
    return clip


def _put(info: VideoInfo, clip: _Played, time: int, frame: VideoFrame) -> None:
    check_frame_size(info.path, frame.width, frame.height)
    try:
        clip.put(time, frame)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = f"{frame.format.name} frames cannot be converted to RGB"
        raise _error(info, reason, clip.health) from error


def _decoded(
    info: VideoInfo, container: InputContainer, stream: VideoStream, health: _Health
) -> Iterator[tuple[int, VideoFrame]]:
    """Good frames with their times in microseconds, never descending; bad ones are counted."""
    rank, latest = 0, 0
    try:
        for packet in packets(container, stream):
            try:
                frames = packet.decode()
            except (av.FFmpegError, OSError):
                health.failures += 1
                continue
            for frame in frames:
                assert isinstance(frame, VideoFrame)
                latest = max(latest, info.timeline.time_of(frame.pts, rank))
                rank += 1
                if frame.is_corrupt:
                    health.failures += 1
                else:
                    health.frames += 1
                    yield latest, frame
    except (av.FFmpegError, OSError):
        health.failures += 1


def _end_of(timeline: Timeline, time: int) -> int:
    """When the frame shown at `time` leaves the screen, by the packets."""
    place = int(np.searchsorted(timeline.shown, time, "right"))
    return int(timeline.shown[place]) if place < len(timeline.shown) else timeline.end


def _play_through(info: VideoInfo, threads: int) -> _Health:
    health = _Health()
    with opened(info.path, threads) as (container, stream):
        for _ in _decoded(info, container, stream, health):
            pass
    return health


def _damaged(info: VideoInfo, reason: str, threads: int) -> VideoError:
    return _error(info, reason, _play_through(info, threads))


def _error(info: VideoInfo, reason: str, health: _Health) -> VideoError:
    expected = info.expected or info.declared or len(info.timeline.shown)
    return VideoError(info.path, reason, health.frames, expected)
