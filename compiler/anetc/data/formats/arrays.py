"""The format `arrays`: clips in one NumPy archive.

The archive holds `x` uint8, (N, T, H, W) grey or (N, T, H, W, 3) RGB, and the classes `y` (N,),
whole numbers from 0. It may hold `flow8` int8 (N, T, 2, H, W), optical flow in eighths of a pixel,
which is computed if missing; `objects`, object maps of any size, classes (N, T, h, w) or scores
uint8 (N, T, h, w, K); and the texts `names` (N,) and `classes`. The splits are given by
`split` (N,), the texts train, validation and test; or by `subj` (N,), numbers, with the options
`train=1,3,5&validation=7&test=2,4,6,8`, or `folds=1,3,5,7&test=2,4,6,8` (`anetc.data.folds`).
Without either, every split is the whole archive, with a
warning.

Clips are cut as from videos, at the frame rate of the archive. The frames are shrunk by the mean of
whole blocks of pixels if their size is a multiple of the recipe's `short_side`, or of its `size` if
`short_side` is None.
"""

from __future__ import annotations

import logging
import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.folds import OPTIONS as FOLD_OPTIONS
from anetc.data.folds import check_groups, rotated
from anetc.data.spec import checked_options, existing_path, spec_text
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Recipe, cut_flow, cut_maps, cut_pixels, draw_cuts, fill, generator
from anetc.video.flow.fields import dequantise, fill_flow, whole_flow
from anetc.video.object_maps import ObjectMaps, maps_for_network
from anetc.weights.trained_on import numbered_classes
from anetdsl.errors import CannotRun

_SPLITS = ("train", "validation", "test")
_STEPS_PER_UNIT = 8 * 20
"""Steps of `flow8` in 20 px, the flow that becomes 1."""

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False)
class Archive:
    """The arrays of an archive by name, which cannot be changed."""

    arrays: dict[str, NDArray[Any]]


@attrs.frozen(eq=False, slots=False)
class ArrayDataset:
    """One split of an archive: the clips `rows` of x and flow8."""

    spec: DataSpec
    split: Split
    classes: tuple[str, ...]
    recipe: Recipe
    with_flow: bool
    rows: NDArray[np.int64]
    x: NDArray[np.uint8] = attrs.field(repr=False)
    flow8: NDArray[np.int8] | None = attrs.field(repr=False)
    y: NDArray[np.int64] = attrs.field(repr=False)
    names: tuple[str, ...] | None
    multi_label: bool = False
    groups: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    """Group of each clip of the archive (`subj`); None if there are none."""
    objects: ObjectMaps | None = attrs.field(default=None, repr=False)
    """Object maps (N, T, h, w) or (N, T, h, w, K); None if the data were opened without."""
    archive: Archive | None = attrs.field(default=None, repr=False)
    """The archive, if the clips are from one. Splits that are open at a time share it."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which needs no arrays but those of the fields."""
        return {**self.__dict__, "archive": None}

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.rows)

    def name(self, index: int) -> str:
        """Return the name of a clip in the archive, or its number."""
        row = int(self.rows[index])
        return self.names[row] if self.names else f"{row:0{self._digits}d}"

    def target(self, index: int) -> int:
        """Return the class of a clip."""
        return int(self.y[self.rows[index]])

    def group(self, index: int) -> str | None:
        """Return the group of a clip (`subj`), or None if the archive has none."""
        return None if self.groups is None else self.groups[int(self.rows[index])]

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Return the parts of a clip, cut by (seed, epoch, name)."""
        row = int(self.rows[index])
        name = self.name(index)
        stored = self.x[row]
        by = _blocks(stored.shape[1:3], self.recipe)
        colours = stored[..., None] if stored.ndim == 3 else stored
        pixels = _mean_of_blocks(colours, by).round().astype(np.uint8)
        if stored.ndim == 3:
            pixels = np.repeat(pixels, 3, -1)
        flow = self._flow(row, pixels, by) if self.with_flow else None
        cuts = draw_cuts(self.recipe, len(pixels), generator(seed, epoch, name))
        r = self.recipe
        rgb = [cut_pixels(fill(pixels, r.frames, cut.start, r.fill), r, cut)[0] for cut in cuts]
        if flow is not None:
            filled = [fill_flow(flow, r.frames, cut.start, r.fill) for cut in cuts]
            flow = np.stack([cut_flow(part, r, cut) for part, cut in zip(filled, cuts)])
        maps = None
        if self.objects is not None:
            frame = pixels.shape[1:3]
            # The frame lacks the rows and columns that make no whole block.
            extent = stored.shape[1] / by, stored.shape[2] / by
            whole = [fill(self.objects[row], r.frames, cut.start, r.fill) for cut in cuts]
            maps = np.stack([cut_maps(m, frame, r, cut, extent) for m, cut in zip(whole, cuts)])
        flipped = tuple(cut.flipped for cut in cuts)
        return Sample(name, np.stack(rgb), flow, self.target(index), flipped, maps)

    def _flow(self, row: int, pixels: NDArray[np.uint8], by: int) -> NDArray[np.float32]:
        """Return the flow float32 (T, H, W, 2) in [-1, 1] of the resized frames."""
        if self.flow8 is None:
            return dequantise(whole_flow(pixels))
        steps = self.flow8[row].transpose(0, 2, 3, 1)
        flow = _mean_of_blocks(steps, by) / np.float32(by * _STEPS_PER_UNIT)
        return flow.clip(-1, 1)

    @cached_property
    def _digits(self) -> int:
        return len(str(len(self.x) - 1))


def open_arrays(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> ArrayDataset:
    """Open a split of an archive.

    Raises CannotRun for an archive of another form, a size to which its clips cannot be cut, an
    empty split, and object maps that are missing or do not fit an input with `objects` channels.
    """
    options = checked_options(spec, (*_SPLITS, *FOLD_OPTIONS))
    archive = _read(spec, ("objects",) if objects is not None else ())
    arrays = archive.arrays
    x, y = _clips(spec, arrays), _targets(spec, arrays)
    rows = np.flatnonzero(_in_split(spec, split, options, arrays))
    if len(rows) == 0:
        raise CannotRun(f"--data {spec_text(spec)}: the {split} split is empty")
    check_size(spec, x, recipe)
    flow8 = arrays.get("flow8") if flow else None
    if flow8 is not None and flow8.shape != (*x.shape[:2], 2, *x.shape[2:4]):
        raise CannotRun(f"{spec.path}: flow8 is {flow8.shape}, which does not fit x, {x.shape}")
    return ArrayDataset(
        spec=spec,
        split=split,
        classes=_classes(spec, arrays, y),
        recipe=recipe,
        with_flow=flow,
        rows=rows,
        x=x,
        flow8=None if flow8 is None else flow8.astype(np.int8, copy=False),
        y=y,
        names=_names(spec, arrays, len(y)),
        groups=_groups(spec, arrays),
        objects=None if objects is None else _objects(spec, arrays, objects),
        archive=archive,
    )


_opened: WeakValueDictionary[tuple[object, ...], Archive] = WeakValueDictionary()


def _read(spec: DataSpec, others: tuple[str, ...]) -> Archive:
    """Return the archive of a spec, which is read once for the splits that are open at a time."""
    path = existing_path(spec)
    try:
        state = path.stat()
        key = (path.absolute(), state.st_mtime_ns, state.st_size, state.st_ino, others)
        archive = _opened.get(key)
        if archive is None:
            archive = _opened[key] = Archive(_arrays_of(path, others))
        return archive
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, TypeError) as error:
        raise CannotRun(f"{spec.path}: not a NumPy archive (.npz) of plain arrays") from error


def _arrays_of(path: Path, others: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    # Unpickling objects would execute code of the file.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        known = ("x", "y", "flow8", "subj", "split", "names", "classes", *others)
        arrays = {name: archive[name] for name in known if name in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _clips(spec: DataSpec, arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    x = arrays.get("x")
    if x is None or x.dtype != np.uint8 or not (x.ndim == 4 or (x.ndim == 5 and x.shape[4] == 3)):
        found = "there is none" if x is None else f"it is {x.dtype} {x.shape}"
        raise CannotRun(
            f"{spec.path}: x must be uint8 (N, T, H, W) or (N, T, H, W, 3), but {found}"
        )
    if 0 in x.shape:
        raise CannotRun(f"{spec.path}: x is empty: {x.shape}")
    return x


def _targets(spec: DataSpec, arrays: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    y, count = arrays.get("y"), len(arrays["x"])
    if y is None or y.shape != (count,) or y.dtype.kind not in "iu" or int(y.min()) < 0:
        raise CannotRun(f"{spec.path}: y must be {count} whole numbers from 0, one for each clip")
    return y.astype(np.int64)


def _in_split(
    spec: DataSpec, split: Split, options: dict[str, str], arrays: dict[str, NDArray[Any]]
) -> NDArray[np.bool_]:
    """Return (N,): whether each clip is in the split."""
    count = len(arrays["x"])
    key = "subj" if options else "split" if "split" in arrays else None
    if key is None:
        if split != "train":
            _log.warning(
                "%s has no splits: the %s clips are also the training clips", spec.path, split
            )
        return np.ones(count, bool)
    if key not in arrays or arrays[key].shape != (count,):
        raise CannotRun(f"{spec.path}: there is no `{key}` (N,), which defines the splits")
    if key == "split":
        return np.asarray(arrays[key].astype(str) == split)
    if (splits := rotated(spec)) is not None:
        subjects = arrays[key].astype(str)
        check_groups(spec, splits, subjects.tolist())
        options = {name: value for name, value in options.items() if name not in FOLD_OPTIONS}
        for name in ("train", "validation"):
            options[name] = ",".join(group for group, found in splits.items() if found == name)
    if split not in options:
        raise CannotRun(
            f"--data {spec_text(spec)}: there is no {split} split; name its subjects with the "
            f"option {split}=NUMBER,NUMBER"
        )
    _check_disjoint(spec, options)
    return np.isin(arrays[key].astype(str), options[split].split(","))


def _check_disjoint(spec: DataSpec, options: dict[str, str]) -> None:
    seen: set[str] = set()
    for subjects in options.values():
        for subject in dict.fromkeys(subjects.split(",")):
            if subject in seen:
                raise CannotRun(f"--data {spec_text(spec)}: subject {subject} is in two splits")
            seen.add(subject)


def _classes(
    spec: DataSpec, arrays: dict[str, NDArray[Any]], y: NDArray[np.int64]
) -> tuple[str, ...]:
    count = int(y.max()) + 1
    if "classes" not in arrays:
        return numbered_classes(count)
    names = tuple(map(str, arrays["classes"].ravel().tolist()))
    if len(names) < count:
        raise CannotRun(
            f"{spec.path}: there are {len(names)} class names, but y goes up to {count - 1}"
        )
    return names


def _names(spec: DataSpec, arrays: dict[str, NDArray[Any]], count: int) -> tuple[str, ...] | None:
    if "names" not in arrays:
        return None
    names = tuple(map(str, arrays["names"].ravel().tolist()))
    if len(set(names)) != count:
        raise CannotRun(f"{spec.path}: names must be {count} different texts, one for each clip")
    return names


def _groups(spec: DataSpec, arrays: dict[str, NDArray[Any]]) -> tuple[str, ...] | None:
    subjects = arrays.get("subj")
    if subjects is None:
        return None
    if subjects.shape != arrays["y"].shape:
        raise CannotRun(
            f"{spec.path}: subj must be {len(arrays['y'])} numbers, one for each clip, "
            f"not {subjects.shape}"
        )
    return tuple(subjects.astype(str).tolist())


def _objects(spec: DataSpec, arrays: dict[str, NDArray[Any]], channels: int) -> ObjectMaps:
    maps, clips = arrays.get("objects"), arrays["x"].shape[:2]
    if maps is None:
        raise CannotRun(
            f"{spec.path}: the network has an object input, but the archive has no array `objects` "
            "(N, T, H, W) with the class of each pixel; add it (see docs/data.md), or use a "
            "network without object inputs"
        )
    if maps.shape[:2] != clips or maps.ndim not in (4, 5):
        raise CannotRun(
            f"{spec.path}: objects must have {clips[0]} clips of {clips[1]} maps, as x has frames: "
            f"(N, T, H, W) classes or (N, T, H, W, classes) scores; it is {maps.dtype} {maps.shape}"
        )
    return maps_of_clips(spec, maps, channels)


def maps_of_clips(spec: DataSpec, maps: NDArray[Any], channels: int) -> ObjectMaps:
    """Return maps (N, T, h, w, ...) in the form of samples. Raises CannotRun as `open_arrays`."""
    try:
        flat = maps.reshape(-1, *maps.shape[2:])
        found: ObjectMaps = maps_for_network(flat, channels, spec_text(spec)).reshape(maps.shape)
    except ValueError as error:
        raise CannotRun(f"--data {spec_text(spec)}: objects: {error}") from None
    return found


def check_size(spec: DataSpec, x: NDArray[np.uint8], recipe: Recipe) -> None:
    """Raise CannotRun where clips x (N, T, H, W, ...) cannot be cut to the recipe's size."""
    height, width = x.shape[2:4]
    by = _blocks((height, width), recipe)
    have = (height // by, width // by)
    whole = recipe.short_side is None
    fits = have == recipe.size if whole else all(a >= b for a, b in zip(have, recipe.size))
    if not fits:
        size = "x".join(map(str, recipe.size))
        raise CannotRun(
            f"--data {spec_text(spec)}: clips of {height}x{width} pixels cannot be shrunk to "
            f"{size} by the mean of whole blocks; use a --size that divides their size"
        )


def _blocks(have: tuple[int, ...], recipe: Recipe) -> int:
    """Return the side of the blocks of pixels that become one pixel."""
    short, wanted = min(have), recipe.short_side or min(recipe.size)
    return short // wanted if short % wanted == 0 else 1


def _mean_of_blocks(values: NDArray[Any], by: int) -> NDArray[np.float32]:
    """Shrink 8-bit (T, H, W, C) to float32 (T, H / by, W / by, C), without the incomplete blocks.

    Sums of slices are several times as fast as a mean over two short axes, and as exact.
    """
    rows, columns = values.shape[1] // by, values.shape[2] // by
    kept = values[:, : rows * by, : columns * by]
    added = sum((kept[:, row::by] for row in range(1, by)), kept[:, ::by].astype(np.int32))
    total = sum((added[:, :, column::by] for column in range(1, by)), added[:, :, ::by])
    return total.astype(np.float32) / np.float32(by * by)
