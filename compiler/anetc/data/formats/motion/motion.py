"""The format `motion`: a generated data set, the same on every machine.

`levels` defines the classes and scenes, `clip_drawing` draws the clips. Clips and their TV-L1 flow,
quantised to eighths of a pixel, are generated once and kept in the user's cache folder. If they
cannot be kept, they are generated again each time. docs/motion.md lists results of networks.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.arrays import ArrayDataset, check_size
from anetc.data.formats.motion.clip_drawing import draw
from anetc.data.formats.motion.levels import MotionConfig, motion_config
from anetc.data.formats.quantised_flow import compute_flow8
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe, generator
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.errors import CannotRun
from anetdsl.files import remove_unfinished, replacing
from anetdsl.locks import locked_if_possible

log = logging.getLogger("anetc.data")


def open_motion(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> ArrayDataset:
    """Open a split. It is generated if the cache does not hold it.

    Raises CannotRun for a wrong option and a size to which the clips cannot be cut.
    """
    config = motion_config(spec)
    rgb = _cached(config, split, "rgb", functools.partial(generate_clips, config, split))
    check_size(spec, rgb, recipe)
    return ArrayDataset(
        spec=spec,
        split=split,
        classes=config.level.class_names,
        recipe=recipe,
        with_flow=flow,
        rows=np.arange(len(rgb)),
        x=rgb,
        flow8=_cached(config, split, "flow8", functools.partial(clips_flow8, rgb))
        if flow
        else None,
        y=np.arange(len(rgb)) % len(config.level.classes),
        names=None,
    )


def generate_clips(config: MotionConfig, split: Split) -> NDArray[np.uint8]:
    """Generate the clips of a split: uint8 (N, T, H, W, 3)."""
    level = config.level
    shape = (config.length(split), level.frames, level.size, level.size, 3)
    log.info("generating the %d %s clips of motion", shape[0], split)
    clips = np.empty(shape, np.uint8)
    for index in range(len(clips)):
        rng = generator(config.seed, 0, f"motion {split} {index}")
        clips[index] = draw(level, split, index % len(level.classes), rng)
    return clips


def clips_flow8(clips: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the TV-L1 flow of clips (N, T, H, W, 3), in eighths of a px: int8 (N, T, 2, H, W)."""
    from anetc.video.flow.tvl1 import TVL1

    log.info("computing the optical flow of %d clips of motion", len(clips))
    # A sixth of the default's time; the error is smaller than that of the quantisation.
    return compute_flow8(clips, TVL1(warps=3, iterations=10))


def _cached(
    config: MotionConfig, split: Split, name: str, generate: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """Return an array of a split, mapped from its file in the cache; generate it if missing.

    Of several processes that need the same set, one generates it and the others wait.
    """
    part: str = split
    if split == "validation" and config.validation is not None:
        part = f"{split}-{config.validation}"
    path = Path(cache_folder()) / "motion" / f"{_key(config)}-{part}-{name}.npy"
    found = _read(path, config, split)
    if found is not None:
        return found
    with contextlib.suppress(OSError):
        remove_unfinished(Path(make_cache_folder("motion")))
    with locked_if_possible(path.with_suffix(".lock"), _report_wait):
        found = _read(path, config, split)
        return _generate(path, config, split, generate) if found is None else found


def _report_wait(holder: str) -> None:
    log.info("waiting for %s, which prepares the same data", holder)


def _generate(
    path: Path, config: MotionConfig, split: Split, generate: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """Generate an array and keep it in the cache, if that is possible."""
    generated = generate()
    try:
        make_cache_folder("motion")
        with replacing(path) as part, part.open("wb") as file:
            np.save(file, generated)
    except (OSError, CannotRun) as error:
        log.warning("motion is generated again each time: %s", error)
        return generated
    found = _read(path, config, split)
    return generated if found is None else found


def _read(path: Path, config: MotionConfig, split: Split) -> NDArray[Any] | None:
    """Map the array of a file into memory; return None if it is missing or has another size."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape[:2] == (config.length(split), config.level.frames) else None


@functools.cache
def _key(config: MotionConfig) -> str:
    """Return a hash of all that the clips depend on: level, seed, code and images."""
    digest = hashlib.sha256(repr(config).encode())
    package = resources.files("anetc")
    for folder, name in _SOURCES:
        digest.update((package / folder / name).read_bytes())
    return digest.hexdigest()[:32]


_SOURCES = (
    *(
        ("data/formats/motion", name)
        for name in ("motion.py", "clip_drawing.py", "levels.py", "motion_assets.npz")
    ),
    ("data/formats", "quantised_flow.py"),
    *(("video/flow", f"{part}.py") for part in ("clip_flow", "tvl1", "median")),
)
