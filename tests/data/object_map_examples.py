"""Write the videos with object maps that docs/data.md describes to the current folder."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.data.index_pictures import write_pictures

VIDEOS = ("train/run/1.mp4", "train/walk/2.mp4", "validation/walk/3.mp4", "validation/run/4.mp4")
FRAMES, RATE = 24, 25
WIDTH, HEIGHT = 32, 24


def write_people(folder: Path) -> None:
    """Write four videos; one has maps of a large class, and one has no maps."""
    for seed, name in enumerate(VIDEOS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for _ in range(FRAMES):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            file.mux(stream.encode())
    maps = np.arange(FRAMES * 6 * 8).reshape(FRAMES, 6, 8) % 4
    np.savez_compressed(folder / "train/run/1.objects.npz", maps=maps.astype(np.uint8))
    maps[3, 2, 1] = 20
    np.savez_compressed(folder / "train/walk/2.objects.npz", maps=maps.astype(np.uint8))
    write_pictures(folder / "validation/walk/3.objects", maps[: FRAMES // 2] % 16)


if __name__ == "__main__":
    write_people(Path("people"))
