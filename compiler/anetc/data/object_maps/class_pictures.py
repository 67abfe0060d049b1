"""Read PNG pictures whose grey values, or indices into a palette, are classes of objects."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_GREY, _PALETTE = 0, 3
"""Colour types of PNG (ISO/IEC 15948, 11.2.2)."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 26
"""Number of bytes up to the colour type."""


def read_class_picture(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the class of each pixel of a PNG picture, (H, W).

    Grey pictures of 1 to 16 bits, and pictures with a palette, hold classes. Raises ValueError with
    the reason for another file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror or error}") from error
    if len(data) < _HEADER or not data.startswith(_SIGNATURE):
        raise ValueError(f"{path.name} is not a PNG picture")
    bits, colours = data[_HEADER - 2], data[_HEADER - 1]
    if colours not in (_GREY, _PALETTE):
        raise ValueError(
            f"{path.name} is a picture in colours; write the number of a pixel's class as its grey "
            "value or palette index"
        )
    try:
        codec = av.CodecContext.create("png", "r")
        assert isinstance(codec, av.VideoCodecContext)
        frame = [*codec.decode(av.Packet(data)), *codec.decode(None)][0]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height]
    match frame.format.name:
        case "gray16be":
            return rows[:, : 2 * frame.width].copy().view(">u2").astype(np.uint16)
        case "monob":
            return np.unpackbits(rows, axis=1)[:, : frame.width]
        case "gray" | "pal8":
            classes = rows[:, : frame.width].copy()
            # The decoder spreads grey values of 2 and 4 bits over those of 8.
            return classes // (255 // (2**bits - 1)) if colours == _GREY and bits < 8 else classes
    raise ValueError(f"{path.name} cannot be read as classes ({frame.format.name})")
