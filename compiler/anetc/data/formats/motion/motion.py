"""The format `motion`: a generated data set, the same on every machine.

`levels` defines the classes and scenes, `clip_drawing` draws the clips. Clips and their TV-L1 flow,
quantised to eighths of a pixel, are generated once and kept in the user's cache folder. So are
object maps, with the option `objects=1`: class 0 is the background, 1 + d the digit d. If they
cannot be kept, they are generated again each time. docs/motion.md lists results of networks.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import random
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.arrays import ArrayDataset, check_size, maps_of_clips
from anetc.data.formats.motion.clip_drawing import draw, draw_objects
from anetc.data.formats.motion.levels import Level, MotionConfig, motion_config
from anetc.data.formats.quantised_flow import compute_flow8
from anetc.data.spec import spec_text
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe, generator
from anetc.video.object_maps import ObjectMaps
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.errors import CannotRun
from anetdsl.files import remove_unfinished, replacing
from anetdsl.locks import locked_if_possible

Drawing = Callable[[Level, Split, int, random.Random], NDArray[np.uint8]]

log = logging.getLogger("anetc.data")


def open_motion(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> ArrayDataset:
    """Open a split. It is generated if the cache does not hold it.

    Raises CannotRun for a wrong option, a size to which the clips cannot be cut, and, with
    `objects`, without the option for object maps or with too few channels.
    """
    config = motion_config(spec)
    if objects is not None and not config.objects:
        raise CannotRun(
            f"--data {spec_text(spec)}: the network has an object input, but motion has no object "
            "maps without the option objects=1, as in motion:level=2,objects=1"
        )
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
        objects=None if objects is None else _maps(spec, config, split, objects),
    )


def _maps(spec: DataSpec, config: MotionConfig, split: Split, channels: int) -> ObjectMaps:
    maps = _cached(config, split, "objects", functools.partial(generate_maps, config, split))
    return maps_of_clips(spec, maps, channels)


def generate_clips(config: MotionConfig, split: Split) -> NDArray[np.uint8]:
    """Generate the clips of a split: uint8 (N, T, H, W, 3)."""
    log.info("generating the %d %s clips of motion", config.length(split), split)
    return _drawn(config, split, draw, (3,))


def generate_maps(config: MotionConfig, split: Split) -> NDArray[np.uint8]:
    """Generate the object maps of the clips of a split: uint8 (N, T, H, W)."""
    log.info("generating the object maps of %d clips of motion", config.length(split))
    return _drawn(config, split, draw_objects, ())


def _drawn(
    config: MotionConfig, split: Split, drawing: Drawing, channels: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Draw all clips of a split: uint8 (N, T, H, W, *channels)."""
    level = config.level
    drawn = np.empty(
        (config.length(split), level.frames, level.size, level.size, *channels), np.uint8
    )
    for index in range(len(drawn)):
        rng = generator(config.seed, 0, f"motion {split} {index}")
        drawn[index] = drawing(level, split, index % len(level.classes), rng)
    return drawn


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
