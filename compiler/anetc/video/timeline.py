"""Display times of the frames of a video, from the time stamps of its packets.

A file may hold several recordings, one after the other, as `cat a.ts b.ts` makes them. Their time
stamps start anew, jump far ahead, or wrap. Each such part continues the timeline where the part
before it ends, as players do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000
"""Microseconds per second. Times are integers, as sums of floats would make ties random."""

NOT_SHOWN = -1
"""Time of a packet without a displayed frame."""

# Containers without a header for the whole file; a later part can have its own time stamps.
AVI = "avi"
PROGRAM_STREAM = "mpeg"
STREAMS = frozenset({"mpegts", PROGRAM_STREAM})
# Their time stamps have 33 bits (ISO/IEC 13818-1, 2.4.3.7).
_WRAP = 1 << 33
# As in FFmpeg: a jump ahead of 10 s, or a step back of 0.1 s, is the start of another recording.
_AHEAD, _BACK = 10 * SECOND, SECOND // 10
# A pause after which frames do not depend on those before it.
_PAUSE = SECOND // 2
# Time stamps more than four months apart are damaged, and would overflow sums.
_LONGEST = 10_000_000 * SECOND
# So many packets with one time stamp are not the fields of a frame: the time stamps are useless.
_STUCK = 4
_SAME_ARRAY = attrs.cmp_using(eq=np.array_equal)


@attrs.frozen
class Stamp:
    """Properties of a packet: presentation time, decoding time and duration, in ticks.

    `place` is its first byte in the file, if FFmpeg knows it. A `hidden` packet has no displayed
    frame: an edit list excludes it. A `corrupt` one is incomplete.
    """

    pts: int | None
    dts: int | None
    length: int
    key: bool
    corrupt: bool = False
    hidden: bool = False
    place: int | None = None


@attrs.frozen
class Part:
    """A recording within a file: its packets are those from `begin` to before `end`.

    Decoding starts at the packet `key`. Packets before it cannot be decoded, as they depend on
    frames that the file does not contain. `key` is None if there is no key frame. The packet
    `first` has the first displayed frame. `pause` is the time in microseconds between the part
    before and this one, by their time stamps.
    """

    begin: int
    end: int
    key: int | None
    first: int
    pause: int = 0


@attrs.frozen
class Timeline:
    """Display times of the frames, in microseconds after the first displayed frame.

    `shown` (frames,) ascends from 0; the last frame is displayed until `end`. `times` (packets,)
    holds the time of each packet's frame in the order of decoding, or NOT_SHOWN. `keys` holds the
    packets of key frames at which decoding may begin, `key_ticks` their time stamps in the unit of
    the stream. With `by_rank` the packets have no presentation times (AVI, raw streams); if their
    frames are also `reordered`, the n-th decoded frame is displayed at the n-th time. `seekable`
    containers have a reliable index.
    """

    shown: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    end: int
    times: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    keys: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    key_ticks: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    parts: tuple[Part, ...]
    by_rank: bool
    reordered: bool
    seekable: bool

    def time_of(self, packet: int | None, rank: int) -> int:
        """Return the display time of a packet's frame, the `rank`-th decoded one; or NOT_SHOWN."""
        if packet is None or (self.by_rank and self.reordered):
            return int(self.shown[min(rank, len(self.shown) - 1)])
        return int(self.times[packet]) if 0 <= packet < len(self.times) else NOT_SHOWN

    def on_screen(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the display times of the frames on screen at `times`."""
        places = np.searchsorted(self.shown, times, "right") - 1
        found: NDArray[np.int64] = self.shown[np.maximum(places, 0)]
        return found

    def end_of(self, time: int) -> int:
        """Return the time at which the frame displayed at `time` is replaced."""
        place = int(np.searchsorted(self.shown, time, "right"))
        return int(self.shown[place]) if place < len(self.shown) else self.end

    def key_before(self, time: int) -> int | None:
        """Return the place in `keys` of the last key frame at or before `time`, if there is one."""
        if not len(self.keys):
            return None
        places = np.flatnonzero(self.times[self.keys] <= time)
        return int(places[-1]) if len(places) else None


def make_timeline(
    stamps: Sequence[Stamp],
    parts: Sequence[Part],
    *,
    tick: Fraction,
    rate: float,
    generated: bool,
    reordered: bool,
    seekable: bool,
) -> Timeline:
    """Return the timeline of a file's packets, after `join`.

    `rate` is the frame rate where time stamps are missing. `generated` presentation times come from
    FFmpeg instead of the file, and are in the wrong order with B frames.
    """
    used = [stamp for stamp in stamps if not (stamp.hidden or stamp.corrupt)]
    pts = [stamp.pts for stamp in used if stamp.pts is not None]
    dts = [stamp.dts for stamp in used if stamp.dts is not None]
    known = next((k for k in (pts, dts) if len(k) == len(used) and _plausible(k, tick)), None)
    by_rank = generated or known is not pts
    usual = round(SECOND / rate)
    if known is None:
        ticks: list[int | None] = list(range(len(stamps)))
        tick = Fraction(1 / rate).limit_denominator(1_000_000)
        stamps = [attrs.evolve(stamp, length=1) for stamp in stamps]
    else:
        ticks = [stamp.pts if known is pts else stamp.dts for stamp in stamps]
    times = np.full(len(stamps), NOT_SHOWN, np.int64)
    end = 0
    for part in parts:
        if part.key is None or (origin := ticks[part.first]) is None:
            continue
        start, latest, after = end + part.pause, -1, usual
        for place in range(part.key, part.end):
            stamp, at = stamps[place], ticks[place]
            if at is None or at < origin or stamp.hidden:
                continue
            time = microseconds(at - origin, tick)
            # Only the stamps of corrupt packets can be absurd here.
            times[place] = start + time if time < _LONGEST else NOT_SHOWN
            if not stamp.corrupt and times[place] >= latest:
                latest, after = int(times[place]), microseconds(stamp.length, tick)
        end = max(latest, start) + _last_length(times[part.begin : part.end], after, usual)
    good = np.array([not stamp.corrupt for stamp in stamps], bool)
    shown = np.sort(times[(times != NOT_SHOWN) & good])
    keys = [
        place
        for place, stamp in enumerate(stamps)
        if stamp.key and stamp.pts is not None and good[place] and times[place] != NOT_SHOWN
    ]
    if by_rank and reordered:
        keys = []
    return Timeline(
        shown=shown,
        end=end,
        times=times,
        keys=np.array(keys, np.int64),
        key_ticks=np.array([0 if known is None else stamps[key].pts for key in keys], np.int64),
        parts=tuple(parts),
        by_rank=by_rank,
        reordered=reordered,
        seekable=seekable and not by_rank and len(parts) == 1,
    )


def join(
    stamps: Sequence[Stamp],
    container: str,
    tick: Fraction,
    key: int,
    first: int,
    joints: Collection[int] = (),
) -> tuple[list[Stamp], tuple[Part, ...]]:
    """Find the recordings in a file; return the stamps without wraps, and the parts.

    `key` and `first` are those of the first part; `joints` are places in the file where a part
    begins by the container's structure. The decoding times of MPEG streams step back or far ahead.
    In other containers these times may be guesses of FFmpeg; there a key frame is displayed before
    an earlier one.

    Packets next to the start of another part are not `corrupt`: the counters of MPEG-TS start anew,
    too, which FFmpeg takes for a lost packet. The decoder still reports real damage.
    """
    joined: list[Stamp] = list(stamps)
    begins: dict[int, int] = {}
    if container in STREAMS:
        joined, begins = _join_stream(stamps, tick, joints)
    elif container != AVI:
        begins = dict.fromkeys(_repeated_keys(stamps), 0)
    parts = [Part(0, min(begins, default=len(stamps)), key, first)]
    for begin, end in pairwise([*begins, len(stamps)]):
        start = next((k for k in range(begin, end) if stamps[k].key and not stamps[k].hidden), None)
        parts.append(Part(begin, end, start, begin if start is None else start, begins[begin]))
    if container == PROGRAM_STREAM:
        for part in parts:
            for place, pts in _spaced(joined, part).items():
                joined[place] = attrs.evolve(joined[place], pts=pts)
    return joined, tuple(parts)


def _join_stream(
    stamps: Sequence[Stamp], tick: Fraction, joints: Collection[int]
) -> tuple[list[Stamp], dict[int, int]]:
    """Return the stamps without wraps; of the later parts the first packet and the pause."""
    joined: list[Stamp] = list(stamps)
    begins: dict[int, int] = {}
    starts: list[int] = []
    offset, expected = 0, None
    for place, stamp in enumerate(stamps):
        if stamp.dts is None:
            continue
        if expected is not None:
            offset -= round((stamp.dts + offset - expected) / _WRAP) * _WRAP
            ahead = microseconds(stamp.dts + offset - expected, tick)
            follows = -_BACK <= ahead <= _AHEAD
            joint = stamp.key and stamp.place in joints
            if joint or not follows:
                starts.append(place)
            # Segments of one recording follow each other at once, and may depend on each other.
            if not follows:
                begins[place] = 0
            elif joint and ahead > _PAUSE:
                begins[place] = ahead
        dts, pts = stamp.dts + offset, stamp.pts
        if pts is not None:
            pts -= round((pts - dts) / _WRAP) * _WRAP
        joined[place] = attrs.evolve(stamp, pts=pts, dts=dts)
        expected = dts + max(stamp.length, 0)
    for start in starts:
        for place in range(max(start - 3, 0), min(start + 2, len(joined))):
            joined[place] = attrs.evolve(joined[place], corrupt=False)
    return joined, begins


def _repeated_keys(stamps: Sequence[Stamp]) -> list[int]:
    """Return the key frames that are displayed before, or with, an earlier key frame."""
    found, latest, before = [], None, 0
    for place, stamp in enumerate(stamps):
        if not stamp.key or stamp.pts is None:
            continue
        # The two fields of a frame are packets side by side with one time.
        if latest is not None and stamp.pts <= latest and place > before + 1:
            found.append(place)
        latest, before = stamp.pts, place
    return found


def _spaced(stamps: Sequence[Stamp], part: Part) -> dict[int, int]:
    """Return the presentation times of packets that FFmpeg guessed, and that leave a gap.

    MPEG program streams need not hold the times of every frame, and FFmpeg's guess for the last
    reference frames of a part is too late. Regular decoding times have regular presentation times.
    """
    places = range(part.begin, part.end)
    pts = [stamp.pts for stamp in stamps[part.begin : part.end] if stamp.pts is not None]
    dts = [stamp.dts for stamp in stamps[part.begin : part.end] if stamp.dts is not None]
    if not len(pts) == len(dts) == len(places) > 2:
        return {}
    step = dts[1] - dts[0]
    if step <= 0 or any(later - sooner != step for sooner, later in pairwise(dts)):
        return {}
    ranks = np.argsort(np.argsort(pts, kind="stable")).tolist()
    return {place: min(pts) + rank * step for place, rank in zip(places, ranks, strict=True)}


def _last_length(times: NDArray[np.int64], stated: int, usual: int) -> int:
    """Return the duration of the last frame: as stated, else that of most frames before it."""
    if 0 < stated < _LONGEST:
        return stated
    steps = np.diff(np.sort(times[times != NOT_SHOWN]))
    typical = int(np.median(steps)) if len(steps) else 0
    return typical if typical > 0 else usual


def _plausible(ticks: list[int], tick: Fraction) -> bool:
    """Return whether time stamps are not absurdly far apart and not all alike."""
    if not ticks or microseconds(max(ticks) - min(ticks), tick) >= _LONGEST:
        return False
    return int(np.unique(ticks, return_counts=True)[1].max()) < _STUCK


def microseconds(ticks: int, tick: Fraction) -> int:
    """Round ticks to whole microseconds, in integers: half a million calls a second."""
    return (2 * ticks * tick.numerator * SECOND + tick.denominator) // (2 * tick.denominator)
