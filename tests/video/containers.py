"""Container formats, with a codec for each."""

from __future__ import annotations

import pytest

# Name, codec and options, with B frames if the codec has them.
CONTAINERS = {
    "mp4": ("film.mp4", {"codec": "libx264"}),
    "mp4-mpeg4": ("film.mp4", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mp4-fragmented": ("film.mp4", {"container": {"movflags": "frag_keyframe+empty_moov"}}),
    "mkv": ("film.mkv", {"codec": "libx264"}),
    "mkv-ffv1": ("film.mkv", {"codec": "ffv1", "pixel_format": "yuv444p"}),
    "webm-vp8": (
        "film.webm",
        {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    ),
    "avi-mjpeg": ("film.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "avi-mpeg4": ("film.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "avi-h264": ("film.avi", {"codec": "libx264"}),
    "mpeg-ps": ("film.mpg", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg-ts": ("film.ts", {"codec": "libx264"}),
    "flv": ("film.flv", {"codec": "flv1"}),
    "wmv": ("film.wmv", {"codec": "wmv2"}),
    "gif": ("film.gif", {"codec": "gif", "pixel_format": "rgb8"}),
}
every_container = pytest.mark.parametrize(("name", "how"), CONTAINERS.values(), ids=CONTAINERS)
