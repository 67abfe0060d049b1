"""Damage files in the ways that happen to them, and films that show it."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

KINDS = {
    "mp4": ("mp4", {"codec": "libx264"}),
    "fragmented": (
        "mp4",
        {"codec": "libx264", "container": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "mov": ("mov", {"codec": "mpeg4"}),
    "3gp": ("3gp", {"codec": "h263", "size": (176, 144)}),
    "mkv": ("mkv", {"codec": "libx264", "container": {"cluster_time_limit": "400"}}),
    "webm": (
        "webm",
        {
            "codec": "libvpx",
            "options": {"deadline": "realtime", "cpu-used": "8"},
            "container": {"cluster_time_limit": "400"},
        },
    ),
    "avi": ("avi", {"codec": "mpeg4"}),
    "mjpeg": ("avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "ts": ("ts", {"codec": "libx264"}),
    "mpg": ("mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "flv": ("flv", {"codec": "libx264"}),
    "gif": ("gif", {"codec": "gif", "pixel_format": "rgb8"}),
}
"""Suffix of the file, and how it is encoded."""

BITS = 8


def counted(number: int, width: int, height: int) -> np.ndarray:
    """Return a frame with a number as black and white blocks, and below them their opposites."""
    white = np.array([255 * (number >> bit & 1) for bit in range(BITS)], np.uint8)
    columns = white[np.arange(width) * BITS // width]
    half = height // 2
    rows = np.concatenate([np.tile(columns, (half, 1)), np.tile(255 - columns, (height - half, 1))])
    return np.repeat(rows[..., None], 3, -1)


def read_number(pixels: np.ndarray) -> int | None:
    """Return the number in a frame (H, W, 3); None if a block is not the opposite of the other."""
    height, width = pixels.shape[:2]
    columns = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]

    def level(row: int, column: int) -> float:
        return float(pixels[row - 1 : row + 2, column - 1 : column + 2].mean())

    above = [level(height // 4, column) for column in columns]
    below = [level(3 * height // 4, column) for column in columns]
    if any(abs(a - b) < 60 for a, b in zip(above, below, strict=True)):
        return None
    return sum((a > b) << bit for bit, (a, b) in enumerate(zip(above, below, strict=True)))


# Mutations


def flip_bit(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Change one bit."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def change_bytes(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Change a few bytes anywhere."""
    changed = bytearray(data)
    for _ in range(rng.randint(2, 12)):
        changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


def blank(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Overwrite a part with zeros, as a lost sector."""
    place, size = rng.randrange(len(data)), rng.randint(1, len(data) // 8)
    return data[:place] + bytes(len(data[place : place + size])) + data[place + size :]


def cut(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Leave only the start."""
    return data[: rng.randrange(len(data) // 10, len(data))]


def behead(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Leave only the end."""
    return data[rng.randrange(len(data)) :]


def remove(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Remove a part."""
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.randint(1, len(data) // 6) :]


def repeat(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Write a part twice."""
    place = rng.randrange(len(data))
    stop = place + rng.randint(1, len(data) // 6)
    return data[:stop] + data[place:]


def insert(data: bytes, rng: random.Random, _other: bytes, _kind: str) -> bytes:
    """Insert random bytes."""
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(rng.randint(1, 400)) + data[place:]


def join(data: bytes, rng: random.Random, other: bytes, _kind: str) -> bytes:
    """Append the same film, another one, or the end of another one."""
    return data + rng.choice([data, other, other[rng.randrange(len(other)) :]])


def drop_unit(data: bytes, rng: random.Random, _other: bytes, kind: str) -> bytes:
    """Remove a box, cluster, chunk, tag, packet or picture."""
    start, stop = rng.choice(units(data, kind))
    return data[:start] + data[stop:]


Mutation = Callable[[bytes, random.Random, bytes, str], bytes]
CONTENT: tuple[Mutation, ...] = (flip_bit, change_bytes, blank)
"""They change what is in a frame, but keep the structure."""
STRUCTURE: tuple[Mutation, ...] = (cut, behead, remove, repeat, insert, join, drop_unit)


def units(data: bytes, kind: str) -> list[tuple[int, int]]:
    """Return the first byte of each unit of a container, and the byte after it."""
    match kind:
        case "ts":
            return [(place, place + 188) for place in range(0, len(data), 188)]
        case "mpg":
            return _between(data, b"\0\0\1\xba", len(data))
        case "mkv" | "webm":
            return _between(data, bytes.fromhex("1f43b675"), data.rfind(bytes.fromhex("1c53bb6b")))
        case "gif":
            return _between(data, b"\x21\xf9\x04", len(data) - 1)
        case "avi" | "mjpeg":
            return _chain(
                data, data.index(b"movi") + 4, 4, "little", lambda size: 8 + size + size % 2
            )
        case "flv":
            return _chain(data, 13, 1, "big", lambda size: 15 + (size >> 8))
        case _:
            return _chain(data, 0, 0, "big", lambda size: size)


def _between(data: bytes, start: bytes, end: int) -> list[tuple[int, int]]:
    places = [k for k in range(len(data)) if data.startswith(start, k)]
    return list(zip(places, [*places[1:], max(end, places[-1] + 1)], strict=True))


def _chain(
    data: bytes, place: int, skip: int, order: str, length: Callable[[int], int]
) -> list[tuple[int, int]]:
    """Follow units whose size is in the four bytes after `skip` bytes."""
    found = []
    while place + 8 <= len(data) and data[place : place + 4] != b"idx1":
        size = int.from_bytes(data[place + skip : place + skip + 4], order)  # type: ignore[arg-type]
        found.append((place, place + length(size)))
        place = found[-1][1]
    return found
