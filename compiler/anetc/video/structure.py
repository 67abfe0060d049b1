"""Follow the structure of a file, to find missing parts and a second recording.

FFmpeg skips what it cannot parse, without a word. So the chain of boxes, elements, tags or packets
is followed here, which reads a few bytes of each.

Files that begin with a header for all of their content cannot be joined by `cat`: FFmpeg ignores
the second header, and its frames are lost or decoded with wrong parameters.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np

from anetc.video.timeline import AVI

TRUNCATED = "truncated"
CORRUPT = "corrupt"
JOINED = "time stamps start anew"

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"

_EBML = bytes.fromhex("1a45dfa3")
_SEGMENT = bytes.fromhex("18538067")
_CLUSTER = bytes.fromhex("1f43b675")
# RFC 9559, section 5.1: SeekHead, Info, Tracks, Chapters, Cues, Attachments, Tags, Void, CRC-32,
# Cluster.
_IN_SEGMENT = {
    bytes.fromhex("114d9b74"),
    bytes.fromhex("1549a966"),
    bytes.fromhex("1654ae6b"),
    bytes.fromhex("1043a770"),
    bytes.fromhex("1c53bb6b"),
    bytes.fromhex("1941a469"),
    bytes.fromhex("1254c367"),
    b"\xec",
    b"\xbf",
    _CLUSTER,
}
_BOX_NAME = re.compile(rb"[\x20-\x7e\xa9]{4}")
_AVI_FRAME = re.compile(rb"\d\dd[bc]")
# Audio, video and two kinds of script data; the bits above are flags.
_FLV_TAGS = frozenset({8, 9, 15, 18})
_FLV_HEADER = b"FLV\x01"
_TS_SIZES = (188, 192, 204)
_TS_SYNC = b"G"
_TS_NULL = 0x1FFF
_TS_TABLES = 0x20
_TS_CHUNK = 1 << 24
_PS_END, _PS_PACK = 0xB9, 0xBA
# 0.1 s and 10 s as in the timeline, and 33 bits.
_PS_BACK, _PS_AHEAD, _PS_WRAP = 9_000, 900_000, 1 << 33
# Headers of containers whose structure is not followed; a second one starts another recording.
_HEADERS = {
    "asf": re.compile(re.escape(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    "nut": re.compile(rb"nut/multimedia container\0"),
    "ivf": re.compile(rb"DKIF\0\0\x20\0"),
    "yuv4mpegpipe": re.compile(rb"YUV4MPEG2 W\d+ H\d+"),
}
_LONGEST_HEADER = 64


@attrs.frozen
class Structure:
    """Findings about a file's structure: `damage` is TRUNCATED, CORRUPT, JOINED or None.

    `joints` are the places of packets at which an MPEG stream starts anew.
    """

    damage: str | None = None
    joints: tuple[int, ...] = ()


def check_structure(path: str | os.PathLike[str], container: str) -> Structure:
    """Follow the structure of a file; formats that are not known have no findings.

    A file that cannot be read any more has none either: its packets have been read before.
    """
    try:
        with Path(path).open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            if container == "mpegts":
                return _check_transport_stream(file, length)
            if container == "mpeg":
                return _check_program_stream(file, length)
            if (walk := _WALKS.get(container)) is not None:
                return Structure(walk(file, length))
            if (header := _HEADERS.get(container)) is not None:
                return Structure(JOINED if _count(file, header) > 1 else None)
    except OSError:
        pass
    return Structure()


def _count(file: BinaryIO, header: re.Pattern[bytes]) -> int:
    """Return how often a header occurs."""
    found, kept = 0, b""
    while chunk := file.read(1 << 20):
        window = kept + chunk
        # A match that starts in the last bytes is counted with the next chunk.
        limit = len(window) - _LONGEST_HEADER
        found += sum(match.start() < limit for match in header.finditer(window))
        kept = window[max(limit, 0) :]
    return found + sum(1 for _ in header.finditer(kept))


def _check_mp4(file: BinaryIO, length: int) -> str | None:
    """Look for a second header and for lost fragments (ISO/IEC 14496-12).

    The frames of a file without fragments are in its index.
    """
    numbers: list[int] = []
    headers = place = size = 0
    while place + 8 <= length:
        file.seek(place)
        start = file.read(40)
        size, kind, header = int.from_bytes(start[:4]), start[4:8], 8
        if size == 1:
            size, header = int.from_bytes(start[8:16]), 16
        headers += kind == b"moov"
        if kind == b"moof" and start[header + 4 : header + 8] == b"mfhd":
            numbers.append(int.from_bytes(start[header + 12 : header + 16]))
        if size < header or not _BOX_NAME.fullmatch(kind):
            break
        place += size
    if headers > 1:
        return JOINED
    if numbers and size and place > length:
        return TRUNCATED
    broken = numbers and size and place + 8 <= length
    lost = any(later > sooner + 1 for sooner, later in pairwise(numbers) if sooner > 0)
    return CORRUPT if broken or lost else None


def _check_avi(file: BinaryIO, length: int) -> str | None:
    """Look for a second RIFF chunk of the form `AVI `, and for frames outside of RIFF chunks.

    The chunks of large files after the first are `AVIX`.
    """
    place = forms = 0
    while place + 12 <= length:
        file.seek(place)
        start = file.read(12)
        size = int.from_bytes(start[4:8], "little")
        if start[:4] != b"RIFF" or size < 4:
            break
        forms += start[8:12] == b"AVI "
        place += 8 + size + size % 2
    if forms > 1:
        return JOINED
    file.seek(place)
    return CORRUPT if forms and _AVI_FRAME.search(file.read(1 << 20)) else None


def _check_matroska(file: BinaryIO, length: int) -> str | None:
    """Follow the elements of the segment (RFC 8794, section 4)."""
    name, size, place = _element(file, 0)
    if name != _EBML or size is None:
        return None
    name, size, place = _element(file, place + size)
    if name != _SEGMENT:
        return None
    end = length if size is None else place + size
    while place < min(end, length):
        name, size, place = _element(file, place)
        if name not in _IN_SEGMENT:
            return JOINED if name == _EBML else CORRUPT
        if size is None:
            # A live recording: its clusters end where the next one starts.
            return None
        place += size
    if max(place, end) > length:
        return TRUNCATED
    file.seek(end)
    return JOINED if file.read(4) == _EBML else None


def _element(file: BinaryIO, place: int) -> tuple[bytes, int | None, int]:
    """Return the name of an EBML element, its size if known, and the place of its content."""
    file.seek(place)
    start = file.read(12)
    # The number of leading zero bits of the first byte is the number of bytes that follow.
    octets = 9 - start[0].bit_length() if start and start[0] else 1
    name, rest = start[:octets], start[octets:]
    octets = 9 - rest[0].bit_length() if rest and rest[0] else 1
    size = int.from_bytes(rest[:octets]) & ((1 << 7 * octets) - 1)
    unknown = size == (1 << 7 * octets) - 1
    return name, None if unknown else size, place + len(name) + octets


def _check_flv(file: BinaryIO, length: int) -> str | None:
    """Follow the tags; compare the size of the file with that in its script data."""
    start = file.read(2048)
    place = int.from_bytes(start[5:9]) + 4
    key = start.find(b"\x00\x08filesize\x00")
    if key >= 0 and len(stated := start[key + 11 : key + 19]) == 8:
        (size,) = struct.unpack(">d", stated)
        if size > length:
            return TRUNCATED
    while place + 11 <= length:
        file.seek(place)
        tag = file.read(11)
        if tag[:4] == _FLV_HEADER:
            return JOINED
        if tag[0] & 31 not in _FLV_TAGS or any(tag[8:11]):
            # Space that was reserved, but not used.
            return CORRUPT if any(tag) else None
        place += 11 + int.from_bytes(tag[1:4]) + 4
    # The size of the last tag, which follows it, may be missing.
    return TRUNCATED if place > length + 4 else None


def _check_gif(file: BinaryIO, length: int) -> str | None:
    """Follow the blocks to the trailer (GIF89a, appendix A).

    FFmpeg goes on with a second picture, but with the size and the colours of the first.
    """
    data, place = file.read(length), 0
    header = data[: 13 + _palette(data[10])] if length > 13 else data
    try:
        while True:
            if data[place : place + 4] != header[:4]:
                return None if place else CORRUPT
            if data[place : place + len(header)] != header:
                return JOINED
            place = _after_gif(data, place)
    except IndexError:
        return TRUNCATED
    except ValueError:
        return CORRUPT


def _after_gif(data: bytes, place: int) -> int:
    """Return the place after a picture's trailer. Raises IndexError at the end of the file."""
    place += 13 + _palette(data[place + 10])
    while data[place] != 0x3B:
        match data[place]:
            case 0x2C:
                place += 11 + _palette(data[place + 9])
            case 0x21:
                place += 2
            case 0:
                # Some programs write superfluous ends of blocks.
                place += 1
                continue
            case _:
                raise ValueError
        while data[place]:
            place += 1 + data[place]
        place += 1
    return place + 1


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _check_transport_stream(file: BinaryIO, length: int) -> Structure:
    """Check that packets follow each other without a gap, and the first ones without a loss.

    The joints are the first packets of a stream after the counters of tables start anew.
    """
    start = file.read(min(length, 6 * max(_TS_SIZES)))
    grids = ((size, first) for size in _TS_SIZES for first in range(size))
    for size, first in grids:
        if all(start[k : k + 1] == _TS_SYNC for k in range(first, first + 5 * size, size)):
            return _check_ts_packets(file, first, size)
    return Structure()


def _check_ts_packets(file: BinaryIO, first: int, size: int) -> Structure:
    file.seek(first)
    counters: dict[int, int] = {}
    joints: list[int] = []
    # Streams with a packet since the tables started anew; None before that.
    resumed: set[int] | None = None
    place = first
    while chunk := file.read(_TS_CHUNK // size * size):
        found = np.frombuffer(chunk, np.uint8, len(chunk) // size * size).reshape(-1, size)
        # In the variant with 192 bytes, four bytes of time are before the sync byte.
        if not (found[:, 0] == ord(_TS_SYNC)).all():
            return Structure(CORRUPT)
        if place == first and _loses_first_unit([bytes(packet) for packet in found[:4096, :6]]):
            return Structure(CORRUPT)
        streams = (found[:, 1].astype(np.int64) & 0x1F) << 8 | found[:, 2]
        begins = found[:, 1] & 0x40 > 0
        for number in np.flatnonzero((streams < _TS_TABLES) | begins).tolist():
            stream, counter = int(streams[number]), int(found[number, 3]) & 15
            if stream < _TS_TABLES:
                if (counter - counters.get(stream, counter)) % 16 > 1:
                    resumed = set()
                counters[stream] = counter
            elif resumed is not None and stream not in resumed:
                resumed.add(stream)
                joints.append(place + size * number)
        place += len(chunk)
    return Structure(joints=tuple(joints))


def _loses_first_unit(packets: list[bytes]) -> bool:
    """Return whether the first frame of a stream lacks a packet (ISO/IEC 13818-1, 2.4.3.3).

    FFmpeg marks a later frame with such a loss, but not the first one.
    """
    counters: dict[int, int] = {}
    units: dict[int, int] = {}
    for packet in packets:
        stream = int.from_bytes(packet[1:3]) & _TS_NULL
        content, counter = packet[3] & 0x30, packet[3] & 15
        if stream == _TS_NULL or not content & 0x10:
            continue
        begins, resets = packet[1] & 0x40, content & 0x20 and packet[4] and packet[5] & 0x80
        before = counters.get(stream)
        units[stream] = units.get(stream, 0) + bool(begins)
        lost = before is not None and not resets and (counter - before) % 16 > 1
        # The packet that starts the second unit shows a loss in the first one.
        if lost and (units[stream] == 1 or (units[stream] == 2 and begins)):
            return True
        counters[stream] = counter
    return False


def _check_program_stream(file: BinaryIO, length: int) -> Structure:
    """Follow the packets. The joints are packs after an end, or whose clock starts anew.

    The clock of a pack is in ticks of 1/90000 s (ISO/IEC 13818-1, 2.5.3.4).
    """
    resets, place, before, ended = [], 0, None, False
    while place + 14 <= length:
        file.seek(place)
        start = file.read(14)
        kind = start[3]
        if start[:3] != b"\0\0\1" or kind < _PS_END:
            # Some files do not start with a pack, or end with space that was not used.
            return Structure(CORRUPT if before is not None and any(start) else None)
        if kind == _PS_PACK:
            clock, size = _clock(start)
            step = 0 if before is None else clock - before
            jumps = not -_PS_BACK <= step <= _PS_AHEAD and abs(step) < _PS_WRAP // 2
            if ended or jumps:
                resets.append(place)
            before, ended = clock, False
        else:
            ended = kind == _PS_END
            size = 4 if kind == _PS_END else 6 + int.from_bytes(start[4:6])
        place += size
    return Structure(joints=tuple(resets))


def _clock(pack: bytes) -> tuple[int, int]:
    """Return the clock of a pack header and the size of the header."""
    if pack[4] & 0xC0 == 0x40:
        bits = int.from_bytes(pack[4:10])
        high, middle, low = bits >> 43 & 7, bits >> 27 & 0x7FFF, bits >> 11 & 0x7FFF
        return high << 30 | middle << 15 | low, 14 + (pack[13] & 7)
    # MPEG-1 has a shorter header (ISO/IEC 11172-1, 2.4.3.2).
    bits = int.from_bytes(pack[4:9])
    high, middle, low = bits >> 33 & 7, bits >> 17 & 0x7FFF, bits >> 1 & 0x7FFF
    return high << 30 | middle << 15 | low, 12


_WALKS: dict[str, Callable[[BinaryIO, int], str | None]] = {
    MP4: _check_mp4,
    AVI: _check_avi,
    MATROSKA: _check_matroska,
    "flv": _check_flv,
    "gif": _check_gif,
}
