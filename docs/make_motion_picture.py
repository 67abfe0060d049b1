"""Write docs/pictures/motion.png: frames of some clips of the data set `motion`, a row per clip."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.motion.clip_drawing import draw
from anetc.data.formats.motion.levels import LEVELS
from anetc.video.clips import generator
from anetdsl.files import write_atomically

DISPLAYED = {1: (0, 7, 10), 2: (1, 8, 16), 3: (0, 13, 31)}
"""Displayed classes of each level."""
ENLARGED = 2
FRAMES = 16


def main() -> None:
    """Draw the rows and write the picture."""
    rows = [
        np.concatenate([np.pad(frame, ((1, 1), (1, 1), (0, 0))) for frame in clip], axis=1)
        for level, classes in DISPLAYED.items()
        for label in classes
        for clip in [draw(LEVELS[level], "test", label, generator(1, 0, label))[:FRAMES]]
    ]
    picture = np.concatenate(rows).repeat(ENLARGED, 0).repeat(ENLARGED, 1)
    target = Path(__file__).parent / "pictures" / "motion.png"
    write_atomically(target, png(picture))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the PNG file of an image, uint8 RGB (H, W, 3)."""
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


if __name__ == "__main__":
    main()
