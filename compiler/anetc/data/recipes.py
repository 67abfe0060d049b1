"""How clips are cut to train and to validate, by the data's format (semantics 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from anetc.data.formats.motion.levels import motion_set
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
"""Frames and size of clips where neither the paper nor the data name any."""
_PAPER = {
    "moments": (MOMENTS_TRAIN, MOMENTS_TEST),
    "charades": (CHARADES_TRAIN, CHARADES_TEST),
    "folder": (attrs.evolve(MOMENTS_TRAIN, flip=False), MOMENTS_TEST),
}


@attrs.frozen
class Recipes:
    """How clips are cut: to train at random places, to validate always alike."""

    train: Recipe
    validation: Recipe


def recipes_for(
    spec: DataSpec,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    *,
    flip: bool | None = None,
) -> Recipes:
    """The recipes of a format, with clips of `frames` and `size` where these are given.

    Moments in Time and Charades have the paper's, a folder those of Moments without mirroring; at
    another size the short side of the picture keeps its proportion to it. The other formats hold
    clips of one size: the whole picture, brought to `size`, which is 16 frames of 32 x 32 pixels if
    nothing is said, or what `motion` generates. `flip` says whether half of the clips to train with
    are mirrored. Raises CannotRun for numbers that make no recipe.
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
    """All that both recipes say."""
    return attrs.asdict(recipes)


def _cut(recipe: Recipe, frames: int | None, size: tuple[int, int] | None) -> Recipe:
    """A recipe for videos, at other sizes."""
    if size is not None:
        share = (recipe.short_side or max(recipe.size)) / max(recipe.size)
        recipe = attrs.evolve(recipe, size=size, short_side=round(share * max(size)))
    return attrs.evolve(recipe, frames=frames or recipe.frames)


def _whole(
    spec: DataSpec, recipe: Recipe, frames: int | None, size: tuple[int, int] | None
) -> Recipe:
    """A recipe for clips that lie ready."""
    own, pixels = _SMALL
    if spec.format == "motion":
        level = motion_set(spec).level
        own, pixels = level.frames, level.size
    return attrs.evolve(
        recipe, frames=frames or own, size=size or (pixels, pixels), short_side=None
    )
