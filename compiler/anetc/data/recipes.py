"""Choose the recipes of training and validation clips by the format of the data (semantics 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from anetc.data.formats.motion.levels import motion_config
from anetc.data.values import DataSpec
from anetc.video.clips import (
    CHARADES_TEST,
    CHARADES_TRAIN,
    MOMENTS_TEST,
    MOMENTS_TRAIN,
    Recipe,
)
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

_SMALL = (16, 32)
"""Default frames and size of clips of formats that the paper does not use."""
_PAPER = {
    "moments": (MOMENTS_TRAIN, MOMENTS_TEST),
    "charades": (CHARADES_TRAIN, CHARADES_TEST),
    "folder": (attrs.evolve(MOMENTS_TRAIN, flip=False), MOMENTS_TEST),
}


@attrs.frozen
class Recipes:
    """Recipes of training clips, at random places, and of validation clips, at fixed places."""

    train: Recipe
    validation: Recipe


def recipes_for(
    spec: DataSpec,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    *,
    flip: bool | None = None,
) -> Recipes:
    """Return the recipes of a format, with clips of `frames` and `size` if given.

    Moments in Time and Charades have the recipes of the paper. `folder` has those of Moments in
    Time, without mirroring. With another `size` the short side keeps its proportion to the crop.
    The other formats use whole frames, resized to `size`. Their defaults are 16 frames of 32 x 32
    pixels, or the clips that `motion` generates. `flip` mirrors half of the training clips. Raises
    CannotRun for numbers out of range.
    """
    try:
        train, validation = (
            _cut(recipe, frames, size)
            if spec.format in _PAPER
            else _whole(spec, recipe, frames, size)
            for recipe in _PAPER.get(spec.format, _PAPER["folder"])
        )
    except ValueError as error:
        raise CannotRun(f"clips: {error}") from None
    return Recipes(attrs.evolve(train, flip=train.flip if flip is None else flip), validation)


def recipes_from_json(spec: DataSpec, document: object, name: str) -> Recipes:
    """`recipes_for` of a JSON object with `frames`, `size` and `flip`. Raises CannotRun."""
    if not isinstance(document, Mapping):
        raise CannotRun(f"{name}: must be an object")
    for key, value in document.items():
        if key not in _READERS:
            raise CannotRun(f"{name}: there is no `{visible(str(key))}` in a recipe")
        if not _READERS[key](value):
            raise CannotRun(f"{name}: {key} cannot be {visible(repr(value)[:40])}")
    size = document.get("size")
    return recipes_for(
        spec,
        document.get("frames"),
        None if size is None else (size[0], size[1]),
        flip=document.get("flip"),
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_READERS: Mapping[str, Callable[[Any], bool]] = {
    "frames": _is_count,
    "size": lambda value: (
        isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))
    ),
    "flip": lambda value: isinstance(value, bool),
}


def recipes_to_json(recipes: Recipes) -> dict[str, Any]:
    """Return both recipes as JSON."""
    return attrs.asdict(recipes)


def _cut(recipe: Recipe, frames: int | None, size: tuple[int, int] | None) -> Recipe:
    """Return a recipe for videos with other frames and another size."""
    if size is not None:
        share = (recipe.short_side or max(recipe.size)) / max(recipe.size)
        recipe = attrs.evolve(recipe, size=size, short_side=round(share * max(size)))
    return attrs.evolve(recipe, frames=frames or recipe.frames)


def _whole(
    spec: DataSpec, recipe: Recipe, frames: int | None, size: tuple[int, int] | None
) -> Recipe:
    """Return a recipe that uses whole frames."""
    own, pixels = _SMALL
    if spec.format == "motion":
        level = motion_config(spec).level
        own, pixels = level.frames, level.size
    return attrs.evolve(
        recipe, frames=frames or own, size=size or (pixels, pixels), short_side=None
    )
