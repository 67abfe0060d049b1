"""Write PNG pictures of classes: grey or with a palette, of any number of bits."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

GREY, COLOURS, PALETTE = 0, 2, 3


def png(classes: NDArray[np.integer], bits: int = 8, kind: int = GREY) -> bytes:
    """Return a picture whose pixels (H, W), or (H, W, 3) for colours, are these numbers."""
    height, width = classes.shape[:2]
    values = classes.reshape(height, -1)
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        shifts = np.arange(bits)[::-1]
        bit_rows = (values[..., None] >> shifts & 1).reshape(height, -1).astype(np.uint8)
        rows = [np.packbits(row).tobytes() for row in bit_rows]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    # Colours say nothing: here all classes look alike.
    palette = _chunk(b"PLTE", bytes(3 * 2**bits)) if kind == PALETTE else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + palette
        + _chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + _chunk(b"IEND", b"")
    )


def write_pictures(folder: Path, maps: NDArray[np.integer], first: int = 0) -> None:
    """Write maps (T, H, W) as pictures with ascending numbers."""
    folder.mkdir(parents=True)
    for number, classes in enumerate(maps, first):
        (folder / f"{number:06d}.png").write_bytes(png(classes))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
