"""Decode a video at a chosen frame rate (`decode`), or check a whole file (`verify`).

Frames are chosen by time, never by index, so that a clip at 12.5 frames a second is the same for
files with 25, 30 or a varying number of frames a second: grid time k/fps has **the frame that a
player would display**, the latest one at or before that time. Times count from the first frame. If
the rate of a file is lower than that of the grid, frames are repeated. Frames are neither blended
nor deinterlaced.

Decoding begins at the key frame before the clip if the container is reliable for that (undamaged
MP4, Matroska and related formats), else at the start of the file. The frames are the same.

One step scales the pixels and converts them to RGB: swscale's bilinear filter, which widens with
the ratio when it shrinks (no aliasing), with full chroma interpolation, accurate rounding and in
its bit-exact mode, which does not depend on the processor. Colours follow the file's tags; without
tags they are BT.601.
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

# Tolerance in microseconds. Matroska and FLV round time stamps to milliseconds: without a tolerance
# a frame at 66.7 ms with the stamp 67 would be missed. It is not a multiple of 1 ms, so no such
# stamp is exactly at the limit.
_TOLERANCE = 750
# The end is the sum of two rounded numbers.
_END_TOLERANCE = 3 * _TOLERANCE

# Measured on a 4:2:0 frame against the BT.601 formula: the mean error is -0.01 grey levels, and
# white is 255. The default of swscale is 1 level too dark on average; without full chroma
# interpolation white is 253.
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

    A time is the display time of the frame, at or before its grid time. `damage` is None, or
    without `strict` "truncated" or "corrupt". With damage, T may be less than requested, and frames
    that cannot be read are replaced by the last readable frame.
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

    A video that ends earlier has fewer frames: `grid_length(info, fps)` is their number. `size` is
    None (as stored), the length of the short side in pixels, or (height, width), all as displayed.
    A `VideoInfo` from `probe` saves a second pass over the packets.

    Raises VideoError for a file that cannot be read, a start beyond the end, results above 4 GiB or
    a million frames, and, if `strict`, for damage in the file's structure or in the decoded part;
    if not `strict`, the readable frames are returned with `damage`. Raises ValueError for arguments
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
    """Decode all frames of a file without keeping them. Raises VideoError for any damage."""
    info = probe(path)
    health = _play_through(info, threads)
    if info.damage or health.failures:
        raise _error(info, info.damage or "corrupt", health)
    return info


def grid_length(info: VideoInfo, fps: float = BASE_FPS) -> int:
    """Return the number of grid times k/fps of a video: at least 1; 50 for 4 s at 12.5."""
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
        reason = f"there is no frame at {start:g} s, the video ends at {info.duration:g} s"
        readable = len(info.timeline.shown)
        raise VideoError(info.path, reason, readable, advice="choose an earlier start")
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
        reason = f"{count} frames of {width}x{height} pixels are too many to decode at once"
        readable = len(info.timeline.shown)
        raise VideoError(info.path, reason, readable, advice="decode fewer or smaller frames")
    return count, height, width, 3


def _on_screen(timeline: Timeline, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the display times of the frames on screen at these times, by the packets."""
    places = np.searchsorted(timeline.shown, times + _TOLERANCE, "right") - 1
    shown: NDArray[np.int64] = timeline.shown[np.maximum(places, 0)]
    return shown


def _key_before(timeline: Timeline, wanted: NDArray[np.int64]) -> int | None:
    """Return the tick to seek to for these frames; None to decode from the start of the file."""
    if not timeline.seekable:
        return None
    place = int(np.searchsorted(timeline.keys, _on_screen(timeline, wanted[:1])[0], "right")) - 1
    return int(timeline.key_ticks[place]) if place > 0 else None


@attrs.define
class _Health:
    """Counts of decoded frames, and of packets and frames that failed."""

    frames: int = 0
    failures: int = 0


@attrs.define
class _Played:
    """A clip that is being decoded: the first `filled` frames are complete."""

    pixels: NDArray[np.uint8]
    times: NDArray[np.int64]
    orientation: Orientation
    threads: int
    filled: int = 0
    health: _Health = attrs.field(factory=_Health)
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
        """Return whether nothing failed and all times are those of the packets."""
        return self.health.failures == 0 and np.array_equal(self.times[: self.filled], times)


def _play(
    info: VideoInfo,
    wanted: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    threads: int,
    seek_to: int | None = None,
) -> _Played:
    """Decode the frames on screen at the wanted times, with at most two frames in memory."""
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
            # A frame stays on screen until the next one; the first also covers the time before it.
            while shown and clip.filled < len(due) and due[clip.filled] < time:
                _put(info, clip, *shown)
            if clip.filled == len(due):
                return clip
            shown = time, frame
        if shown:
            # The last frame stays on screen to the end, but does not replace lost frames.
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
    """Yield good frames with ascending times in microseconds; count the bad ones."""
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
    """Return the time at which the frame displayed at `time` is replaced, by the packets."""
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
