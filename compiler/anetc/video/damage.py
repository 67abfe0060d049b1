"""Find damage in a file's structure: truncation, lost packets, and a second recording.

MP4 and AVI have an index or a count, Matroska and FLV a duration, and FFmpeg marks a truncated
packet. MPEG streams, ASF and GIF do not contain their length: if such a file is cut between two
frames, the damage cannot be detected.

Files that begin with a header for all of their content cannot be joined by `cat`: FFmpeg ignores
the second header, and its frames are lost or decoded by the wrong parameters.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

import attrs

from anetc.video.timeline import AVI

TRUNCATED = "truncated"
CORRUPT = "corrupt"
JOINED = "time stamps start anew"

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
# The headers of containers that are searched for a second one.
_HEADERS = {
    "flv": re.compile(rb"FLV\x01[\0-\x05]\0\0\0\x09\0\0\0\0", re.DOTALL),
    "asf": re.compile(re.escape(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    "nut": re.compile(rb"nut/multimedia container\0"),
    "ivf": re.compile(rb"DKIF\0\0\x20\0"),
    "yuv4mpegpipe": re.compile(rb"YUV4MPEG2 W\d+ H\d+"),
}


def advice_for(damage: str) -> str:
    """Return what a user can do about a damaged file."""
    return "remux it" if damage == JOINED else "re-encode or remove it"


@attrs.frozen
class Claims:
    """Contents that a file states, and the contents that were found.

    `indexed` is the number of packets in the index, `declared` the number of frames in the header,
    `duration` in seconds, or 0. `packets` were found, the last one ends at `end` seconds; `reached`
    is the number of the last time step of an AVI file, plus 1.
    """

    container: str
    rate: float
    indexed: int
    declared: int
    duration: float
    packets: int
    reached: int
    end: float


def structural_damage(
    path: str | os.PathLike[str], claims: Claims
) -> tuple[str | None, int | None]:
    """Compare the packets with the header: return the damage and the expected number of frames."""
    if has_second_recording(path, claims.container):
        return JOINED, None
    if claims.container == MP4:
        # The count of the header does not serve: an edit list may exclude samples.
        if claims.indexed > claims.packets:
            return TRUNCATED, claims.indexed
        if _fragments_are_lost(path):
            return CORRUPT, claims.packets
    if claims.container == AVI and claims.declared:
        # FFmpeg reports no error here. With an index, missing frames were dropped on purpose. A
        # truncated file has lost its index; then the header's count, in ticks, is compared.
        complete = claims.indexed == claims.packets > 1
        if claims.indexed > claims.packets or (claims.reached < claims.declared and not complete):
            return TRUNCATED, claims.declared
    if claims.container in (MATROSKA, "flv") and claims.duration:
        expected = round(claims.duration * claims.rate)
        # Headers are rounded up a little.
        if claims.end < claims.duration - 2 / claims.rate - 0.1:
            return TRUNCATED, expected
        if claims.container == MATROSKA and _segment_is_cut(path):
            return TRUNCATED, expected
    return None, None


def has_second_recording(path: str | os.PathLike[str], container: str) -> bool:
    """Return whether another recording with a header of its own follows the first one."""
    with Path(path).open("rb") as file:
        if container == MP4:
            return sum(kind == b"moov" for kind, _ in _boxes(file)) > 1
        if container == AVI:
            return sum(kind == b"AVI " for kind in _riff_forms(file)) > 1
        if container == MATROSKA:
            end = _segment_end(file)
            file.seek(end or 0)
            return end is not None and file.read(4) == _EBML
        if (header := _HEADERS.get(container)) is None or not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return sum(1 for _ in islice(header.finditer(content), 2)) > 1


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type of each top-level box of an MP4 file, and the 24 bytes after its header."""
    place, length = 0, os.fstat(file.fileno()).st_size
    while place + 8 <= length:
        file.seek(place)
        start = file.read(40)
        size, kind, header = int.from_bytes(start[:4]), start[4:8], 8
        if size == 1:
            size, header = int.from_bytes(start[8:16]), 16
        yield kind, start[header : header + 24]
        if size < header:
            return
        place += size


def _fragments_are_lost(path: str | os.PathLike[str]) -> bool:
    """Return whether the numbers of an MP4 file's fragments have a gap (ISO 14496-12, 8.8.5)."""
    with Path(path).open("rb") as file:
        numbers = [
            int.from_bytes(content[12:16])
            for kind, content in _boxes(file)
            if kind == b"moof" and content[4:8] == b"mfhd"
        ]
    return any(later > sooner + 1 for sooner, later in pairwise(numbers) if sooner > 0)


def _riff_forms(file: BinaryIO) -> Iterator[bytes]:
    """Yield the form of each RIFF chunk of an AVI file: one `AVI `, then `AVIX` in large files."""
    place = 0
    while True:
        file.seek(place)
        start = file.read(12)
        if len(start) < 12 or start[:4] != b"RIFF":
            return
        yield start[8:12]
        size = int.from_bytes(start[4:8], "little")
        if size < 4:
            return
        place += 8 + size + size % 2


def _segment_end(file: BinaryIO) -> int | None:
    """Return where a Matroska segment ends by its header (RFC 8794, sections 4 to 6), if known."""
    start = file.read(64 * 1024)
    place = start.find(_SEGMENT) + 4
    if place < 4 or place >= len(start) or start[place] == 0:
        return None
    # The number of leading zero bits of the first byte is the number of bytes that follow.
    octets = 9 - start[place].bit_length()
    size = int.from_bytes(start[place : place + octets]) & ((1 << 7 * octets) - 1)
    unknown = size == (1 << 7 * octets) - 1
    return None if unknown else place + octets + size


def _segment_is_cut(path: str | os.PathLike[str]) -> bool:
    """Return whether a Matroska file is shorter than its segment."""
    with Path(path).open("rb") as file:
        end = _segment_end(file)
        return end is not None and end > os.fstat(file.fileno()).st_size
