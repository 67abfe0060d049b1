"""Write 48 short videos for docs/own_videos.md: a square that moves to one of four sides.

python -m tests.data.own_videos FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np

MOTIONS = {"down": (0, 2), "left": (-2, 0), "right": (2, 0), "up": (0, -2)}
COLOURS = {"down": (0, 0, 255), "left": (255, 255, 0), "right": (255, 0, 0), "up": (0, 255, 0)}
PER_CLASS, FRAMES, RATE = 12, 24, 15
WIDTH, HEIGHT, SIDE = 64, 48, 20


def write_videos(folder: Path) -> None:
    """Write the videos of each class into a folder of its name."""
    rng = np.random.default_rng(0)
    for label, (dx, dy) in MOTIONS.items():
        (folder / label).mkdir(parents=True)
        for number in range(1, PER_CLASS + 1):
            x, y = rng.integers(WIDTH), rng.integers(HEIGHT)
            background = rng.integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
            with av.open(str(folder / label / f"clip {number:02d}.mp4"), "w") as file:
                stream = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
                for step in range(FRAMES):
                    pixels = background.copy()
                    columns = (x + dx * step + np.arange(SIDE)) % WIDTH
                    rows = (y + dy * step + np.arange(SIDE)) % HEIGHT
                    pixels[np.ix_(rows, columns)] = COLOURS[label]
                    file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
                file.mux(stream.encode())


if __name__ == "__main__":
    write_videos(Path(sys.argv[1]))
