"""Decode a video at a chosen frame rate (`decode`), or check a whole file (`verify`).

Frames are chosen by time, never by index, so that a clip at 12.5 frames a second is the same for
files with 25, 30 or a varying number of frames a second: grid time k/fps has **the frame that a
player would display**, the latest one at or before that time. Times count from the first frame. If
the rate of a file is lower than that of the grid, frames are repeated. Frames are neither blended
nor deinterlaced.

Decoding begins at the key frame before the clip, also in containers without an index: there the
packets before it are read, but not decoded. The frames are the same as from the start of the file.

One step scales the pixels and converts them to RGB: swscale's bilinear filter, which widens with
the ratio when it shrinks (no aliasing), with full chroma interpolation, accurate rounding and in
its bit-exact mode, which does not depend on the processor. Colours follow the file's tags; without
tags they are BT.601. Where pixels are not square, frames are scaled to square ones.
"""

from __future__ import annotations

import math
import os

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.video.playing import TOLERANCE, Played, damage_error, play, play_through
from anetc.video.probe import VideoInfo
from anetc.video.probe_cache import probe
from anetc.video.source import VideoError, check_frame_size
from anetc.video.structure import CORRUPT
from anetc.video.timeline import SECOND

__all__ = ["Frames", "VideoError", "VideoInfo", "decode", "grid_length", "probe", "verify"]

BASE_FPS = 12.5
"""The paper's frame rate, for both data sets (appendix; semantics 11)."""

MAX_CLIP_BYTES = 4 << 30
MAX_CLIP_FRAMES = 1_000_000
# A clip that repeats its frames more often than this has a lower limit.
_MOST_REPEATS = 100

# The end is the sum of two rounded numbers.
_END_TOLERANCE = 3 * TOLERANCE

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
    None (the size of the video), the length of the short side in pixels, or (height, width), all as
    displayed.
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
    screen = info.timeline.on_screen(wanted + TOLERANCE)
    played = _play_from_key(info, wanted, screen, shape, threads)
    if played is None:
        played = play(info, wanted, shape, threads)
    damage = info.damage or (None if played.matches(screen) else CORRUPT)
    if (strict and damage) or played.filled == 0:
        raise _damaged(info, damage or "no frame can be decoded", threads)
    filled = played.filled
    return Frames(played.pixels[:filled], played.times[:filled] / SECOND, damage)


def verify(path: str | os.PathLike[str], *, threads: int = 1) -> VideoInfo:
    """Decode all frames of a file without keeping them. Raises VideoError for any damage."""
    info = probe(path)
    health = play_through(info, threads)
    if info.damage or health.failures:
        raise damage_error(info, info.damage or CORRUPT, health)
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


def frame_size(info: VideoInfo, size: Size) -> tuple[int, int]:
    """Return the height and width of the frames that `decode` returns for a `size`."""
    height, width = info.height, info.width
    if isinstance(size, tuple):
        return size
    if size is not None:
        scale = size / min(height, width)
        height, width = (max(size, math.floor(side * scale + 0.5)) for side in (height, width))
    return height, width


def _result_shape(info: VideoInfo, count: int, size: Size) -> tuple[int, int, int, int]:
    height, width = frame_size(info, size)
    check_frame_size(info.path, width, height)
    # Damaged time stamps can keep a few frames on screen for hours.
    repeated = count > _MOST_REPEATS * len(info.timeline.shown)
    limit = MAX_CLIP_BYTES // 4 if repeated else MAX_CLIP_BYTES
    if count > MAX_CLIP_FRAMES or count * height * width * 3 > limit:
        reason = f"{count} frames of {width}x{height} pixels are too many to decode at once"
        readable = len(info.timeline.shown)
        raise VideoError(info.path, reason, readable, advice="decode fewer or smaller frames")
    return count, height, width, 3


def _play_from_key(
    info: VideoInfo,
    wanted: NDArray[np.int64],
    screen: NDArray[np.int64],
    shape: tuple[int, int, int, int],
    threads: int,
) -> Played | None:
    """Decode from the key frame before the clip; None if that does not give the right frames."""
    key = info.timeline.key_before(int(screen[0]))
    if not key or info.damage:
        return None
    for seek in (True, False) if info.timeline.seekable else (False,):
        played = play(info, wanted, shape, threads, key, seek)
        if played.matches(screen):
            return played
    return None


def _damaged(info: VideoInfo, reason: str, threads: int) -> VideoError:
    return damage_error(info, reason, play_through(info, threads))
