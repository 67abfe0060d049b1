"""The format `motion`: a data set that is generated on the spot, the same on every machine.

What is in it: `motion_levels`; how it is drawn: `motion_clips`. Clips, and their TV-L1 flow in
eighths of a pixel, are generated once and kept in the user's cache folder; without it the same
numbers are made again. docs/motion.md says what networks reach on it.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.arrays import Arrays, check_size
from anetc.data.formats.motion.clip_drawing import draw
from anetc.data.formats.motion.levels import MotionSet, motion_set
from anetc.data.formats.quantised_flow import flow_in_eighths
from anetc.data.values import DataSpec, Split
from anetc.video.clips import Recipe, generator
from anetdsl.errors import CannotRun
from anetdsl.files import replacing
from anetdsl.syntax.grammar import cache_folder

log = logging.getLogger("anetc.data")


def open_motion(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> Arrays:
    """Open a split, generating it where no cache holds it.

    The data depend on the spec's own seed: `seed`, which is that of a run, changes nothing.
    Raises CannotRun for an option that is wrong and a size that the clips cannot be cut to.
    """
    which = motion_set(spec)
    rgb = _kept(which, split, "rgb", functools.partial(clips_of, which, split))
    check_size(spec, rgb, recipe)
    return Arrays(
        spec=spec,
        split=split,
        classes=which.level.class_names,
        recipe=recipe,
        with_flow=flow,
        rows=np.arange(len(rgb)),
        x=rgb,
        flow8=_kept(which, split, "flow8", functools.partial(flow_of, rgb)) if flow else None,
        y=np.arange(len(rgb)) % len(which.level.classes),
        names=None,
    )


def clips_of(which: MotionSet, split: Split) -> NDArray[np.uint8]:
    """A split's clips: uint8 (N, T, H, W, 3)."""
    level = which.level
    shape = (which.length(split), level.frames, level.size, level.size, 3)
    log.info("generating the %d %s clips of motion", shape[0], split)
    clips = np.empty(shape, np.uint8)
    for index in range(len(clips)):
        rng = generator(which.seed, 0, f"motion {split} {index}")
        clips[index] = draw(level, split, index % len(level.classes), rng)
    return clips


def flow_of(clips: NDArray[np.uint8]) -> NDArray[np.int8]:
    """TV-L1 flow of clips (N, T, H, W, 3), in eighths of a px: int8 (N, T, 2, H, W)."""
    from anetc.video.flow.tvl1 import TVL1

    log.info("computing the optical flow of %d clips of motion", len(clips))
    # A sixth of the default's work, and closer to it than what is kept of it.
    return flow_in_eighths(clips, TVL1(warps=3, iterations=10))


def _kept(
    which: MotionSet, split: Split, what: str, make: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """An array of a split: that of the cache, mapped from its file, or made and put there.

    Processes that generate the same set at once each put the same file there.
    """
    path = Path(cache_folder()) / "motion" / f"{_key(which)}-{split}-{what}.npy"
    found = _read(path, which, split)
    if found is not None:
        return found
    made = make()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path) as part, part.open("wb") as file:
            np.save(file, made)
    except (OSError, CannotRun) as error:
        log.warning("motion is generated anew each time: %s", error)
        return made
    found = _read(path, which, split)
    return made if found is None else found


def _read(path: Path, which: MotionSet, split: Split) -> NDArray[Any] | None:
    """The array of a file, not read but mapped; None where there is none that fits."""
    try:
        kept: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape[:2] == (which.length(split), which.level.frames) else None


@functools.cache
def _key(which: MotionSet) -> str:
    """Of all that the clips depend on: the level, the seed, this code and its material."""
    digest = hashlib.sha256(repr(which).encode())
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
