"""`arrays`: clips that lie ready in one NumPy archive.

The archive holds `x` uint8, (N, T, H, W) grey or (N, T, H, W, 3) RGB, and the classes `y` (N,),
whole numbers from 0. It may hold `flow8` int8 (N, T, 2, H, W), optical flow in eighths of a pixel
(computed from x where it is asked for and missing); `names` (N,) and `classes`, texts; and what
tells the splits apart: `split` (N,), the texts train, validation and test, or `subj` (N,), numbers
that the options `train=1,3,5&validation=7&test=2,4,6,8` give to splits. Without either, every split
is the whole, and a warning says so.

Clips are cut as from videos, but time is counted in the frames that are there. The picture is
resized by the mean of whole blocks of pixels where its size is a multiple of what is asked for: of
the recipe's `short_side`, or of its `size` where there is none.
"""

from __future__ import annotations

import logging
import zipfile
import zlib
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.spec import options_of, place_of, shown
from anetc.data.values import DataSpec, Sample, Split
from anetc.video.clips import Cut, Recipe, crop, draw_cuts, fill, generator
from anetc.video.flow.fields import fill_flow, in_units, mirrored, whole_flow
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

_SPLITS = ("train", "validation", "test")
_PIXELS_IN_20 = 8 * 20

_log = logging.getLogger("anetc.data")


@attrs.frozen(eq=False, slots=False)
class Arrays:
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

    def __len__(self) -> int:
        """How many clips the split has."""
        return len(self.rows)

    def name(self, index: int) -> str:
        """Its name in the archive, or its number there."""
        row = int(self.rows[index])
        return self.names[row] if self.names else f"{row:0{self._digits}d}"

    def target(self, index: int) -> int:
        """Its class."""
        return int(self.y[self.rows[index]])

    def sample(self, index: int, *, seed: int, epoch: int) -> Sample:
        """Its clips, cut by (seed, epoch, name)."""
        row = int(self.rows[index])
        name = self.name(index)
        stored = self.x[row]
        pixels = np.repeat(stored[..., None], 3, -1) if stored.ndim == 3 else stored
        by = _blocks(pixels.shape[1:3], self.recipe)
        pixels = _mean_of_blocks(pixels, by).round().astype(np.uint8)
        flow = self._flow(row, pixels, by) if self.with_flow else None
        cuts = draw_cuts(self.recipe, len(pixels), generator(seed, epoch, name))
        rgb = np.stack([_cut(pixels, cut, self.recipe) for cut in cuts])
        if flow is not None:
            flow = np.stack([_cut_flow(flow, cut, self.recipe) for cut in cuts])
        return Sample(name, rgb, flow, self.target(index))

    def _flow(self, row: int, pixels: NDArray[np.uint8], by: int) -> NDArray[np.float32]:
        """The flow float32 (T, H, W, 2) in [-1, 1] of the resized frames."""
        if self.flow8 is None:
            return in_units(whole_flow(pixels))
        eighths = self.flow8[row].transpose(0, 2, 3, 1)
        flow = _mean_of_blocks(eighths, by) / np.float32(by * _PIXELS_IN_20)
        return flow.clip(-1, 1)

    @cached_property
    def _digits(self) -> int:
        return len(str(len(self.x) - 1))


def open_arrays(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> Arrays:
    """Open a split of an archive. Nothing is drawn for the whole of it: `seed` has no effect.

    Raises CannotRun for an archive that is not of the form above, a size that its clips cannot be
    cut to, and a split that is empty.
    """
    options = options_of(spec, _SPLITS)
    held = _read(spec)
    x, y = _clips(spec, held), _targets(spec, held)
    rows = np.flatnonzero(_members(spec, split, options, held))
    if len(rows) == 0:
        raise CannotRun(f"--data {shown(spec)}: the {split} split is empty")
    check_size(spec, x, recipe)
    flow8 = held.get("flow8") if flow else None
    if flow8 is not None and flow8.shape != (*x.shape[:2], 2, *x.shape[2:4]):
        raise CannotRun(f"{_file(spec)}: flow8 is {flow8.shape}, which does not fit x, {x.shape}")
    return Arrays(
        spec=spec,
        split=split,
        classes=_classes(spec, held, y),
        recipe=recipe,
        with_flow=flow,
        rows=rows,
        x=x,
        flow8=None if flow8 is None else flow8.astype(np.int8, copy=False),
        y=y,
        names=_names(spec, held, len(y)),
    )


def _file(spec: DataSpec) -> str:
    return visible(str(spec.path))


def _read(spec: DataSpec) -> dict[str, NDArray[Any]]:
    path = place_of(spec)
    try:
        # Never objects: loading those would run code of the file's.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            known = ("x", "y", "flow8", "subj", "split", "names", "classes")
            return {name: archive[name] for name in known if name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, TypeError) as error:
        raise CannotRun(f"{_file(spec)}: not a NumPy archive (.npz) of plain arrays") from error


def _clips(spec: DataSpec, held: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    x = held.get("x")
    if x is None or x.dtype != np.uint8 or not (x.ndim == 4 or (x.ndim == 5 and x.shape[4] == 3)):
        what = "there is none" if x is None else f"it is {x.dtype} {x.shape}"
        raise CannotRun(
            f"{_file(spec)}: x must be uint8 (N, T, H, W) or (N, T, H, W, 3), but {what}"
        )
    if 0 in x.shape:
        raise CannotRun(f"{_file(spec)}: x is empty: {x.shape}")
    return x


def _targets(spec: DataSpec, held: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    y, count = held.get("y"), len(held["x"])
    if y is None or y.shape != (count,) or y.dtype.kind not in "iu" or int(y.min()) < 0:
        raise CannotRun(f"{_file(spec)}: y must be {count} whole numbers from 0, one for each clip")
    return y.astype(np.int64)


def _members(
    spec: DataSpec, split: Split, options: dict[str, str], held: dict[str, NDArray[Any]]
) -> NDArray[np.bool_]:
    """Which clips are in the split."""
    count = len(held["x"])
    key = "subj" if options else "split" if "split" in held else None
    if key is None:
        if split != "train":
            _log.warning(
                "%s tells no splits apart: %s clips are those of training too", _file(spec), split
            )
        return np.ones(count, bool)
    if key not in held or held[key].shape != (count,):
        raise CannotRun(f"{_file(spec)}: there is no `{key}` (N,) that tells the splits apart")
    if key == "split":
        return np.asarray(held[key].astype(str) == split)
    if split not in options:
        raise CannotRun(
            f"--data {shown(spec)}: there is no {split} split; name its subjects with "
            f"{split}=NUMBER,NUMBER"
        )
    _check_disjoint(spec, options)
    return np.isin(held[key].astype(str), options[split].split(","))


def _check_disjoint(spec: DataSpec, options: dict[str, str]) -> None:
    seen: set[str] = set()
    for subjects in options.values():
        for subject in dict.fromkeys(subjects.split(",")):
            if subject in seen:
                raise CannotRun(
                    f"--data {shown(spec)}: subject {visible(subject)} is in two splits"
                )
            seen.add(subject)


def _classes(
    spec: DataSpec, held: dict[str, NDArray[Any]], y: NDArray[np.int64]
) -> tuple[str, ...]:
    count = int(y.max()) + 1
    if "classes" not in held:
        return tuple(f"class {number}" for number in range(count))
    names = tuple(map(str, held["classes"].ravel().tolist()))
    if len(names) < count:
        raise CannotRun(f"{_file(spec)}: {len(names)} names of classes, but y goes to {count - 1}")
    return names


def _names(spec: DataSpec, held: dict[str, NDArray[Any]], count: int) -> tuple[str, ...] | None:
    if "names" not in held:
        return None
    names = tuple(map(str, held["names"].ravel().tolist()))
    if len(set(names)) != count:
        raise CannotRun(f"{_file(spec)}: names must be {count} different texts, one for each clip")
    return names


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
            f"--data {shown(spec)}: clips of {height}x{width} pixels cannot be brought to {size} "
            "by the mean of whole blocks; ask for a size that divides theirs"
        )


def _blocks(have: tuple[int, ...], recipe: Recipe) -> int:
    """The side of the blocks of pixels that become one."""
    short, wanted = min(have), recipe.short_side or min(recipe.size)
    return short // wanted if short % wanted == 0 else 1


def _mean_of_blocks(values: NDArray[Any], by: int) -> NDArray[np.float32]:
    """(T, H, W, C) to float32 (T, H / by, W / by, C); odd rows and columns at the end are left."""
    length, height, width, channels = values.shape
    rows, columns = height // by, width // by
    kept = values[:, : rows * by, : columns * by].astype(np.float32)
    blocks = kept.reshape(length, rows, by, columns, by, channels)
    means: NDArray[np.float32] = blocks.mean((2, 4), dtype=np.float32)
    return means


def _cut(pixels: NDArray[np.uint8], cut: Cut, recipe: Recipe) -> NDArray[np.uint8]:
    cropped, _ = crop(fill(pixels, recipe.frames, cut.start, recipe.fill), recipe.size, cut.at)
    return cropped[:, :, ::-1] if cut.flipped else cropped


def _cut_flow(flow: NDArray[np.float32], cut: Cut, recipe: Recipe) -> NDArray[np.float32]:
    cropped, _ = crop(fill_flow(flow, recipe.frames, cut.start, recipe.fill), recipe.size, cut.at)
    return mirrored(cropped) if cut.flipped else cropped
