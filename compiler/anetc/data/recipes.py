"""Choose the recipes of training and validation clips by the format of the data (semantics 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from anetc.data.formats.motion.levels import motion_config
from anetc.data.values import DataSpec
from anetc.video.augment import Augmentation
from anetc.video.clips import (
    CHARADES_TEST,
    CHARADES_TRAIN,
    MOMENTS_TEST,
    MOMENTS_TRAIN,
    MirroredClasses,
    Recipe,
    recipe_values,
)
from anetdsl.errors import CannotRun
from anetdsl.settings_reader import InvalidSetting, at_least, named_values, read_value

_SMALL = (16, 32)
"""Default frames and size of clips of formats that store clips, not videos."""
_OWN_CLIP: Mapping[str, Any] = {"frames": 16, "size": (112, 112), "short_side": 128}
"""Default clip of one's own videos: that of C3D and R(2+1)D (Tran et al. 2015 and 2018), with an
eighth of the values of the paper's."""
_OWN = (
    attrs.evolve(MOMENTS_TRAIN, flip=False, **_OWN_CLIP),
    attrs.evolve(MOMENTS_TEST, **_OWN_CLIP),
)
_VIDEOS = {
    "moments": (MOMENTS_TRAIN, MOMENTS_TEST),
    "charades": (CHARADES_TRAIN, CHARADES_TEST),
    "folder": _OWN,
    "list": _OWN,
}
"""Recipes of training and validation for formats of video files."""
STORED_FORMATS = frozenset({"arrays", "utd-mhad", "motion"})
"""Formats that store clips, not videos. Those of other packages count as videos."""


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

    Moments in Time and Charades have the recipes of the paper. `folder`, `list` and the formats of
    other packages have clips of 16 frames of 112 x 112 pixels, cut from a short side of 128 pixels:
    training clips at random places and without mirroring, validation clips from the centre. With
    another `size` the short side keeps its proportion to the crop. The formats that store clips use
    whole frames, resized to `size`. Their defaults are 16 frames of 32 x 32 pixels, or the clips
    that `motion` generates. `flip` mirrors half of the training clips. Raises CannotRun for numbers
    out of range.
    """
    try:
        train, validation = (
            _whole(spec, recipe, frames, size)
            if spec.format in STORED_FORMATS
            else _cut(recipe, frames, size)
            for recipe in _VIDEOS.get(spec.format, _OWN)
        )
    except ValueError as error:
        raise CannotRun(f"clips: {error}") from None
    return Recipes(attrs.evolve(train, flip=train.flip if flip is None else flip), validation)


@attrs.frozen
class ClipSettings:
    """Settings of a recipe. None is the value of the data's format."""

    frames: int | None = attrs.field(default=None, validator=at_least(1))
    size: tuple[int, int] | None = attrs.field(default=None, validator=at_least(1))
    """Height and width in pixels."""
    flip: bool | None = None
    """True to mirror half of the training clips."""
    mirror_words: tuple[str, str] | None = None
    """Two words, such as left and right: classes that differ only in them exchange their places
    when a clip is mirrored. This and `mirror_classes` turn on mirroring."""
    mirror_classes: tuple[tuple[str, str], ...] | None = None
    """Pairs of classes that exchange their places when a clip is mirrored."""
    crop_area: tuple[float, float] | None = None
    """Random resized crop: least and largest area of the crop, as fractions of the frame's."""
    crop_aspect: tuple[float, float] | None = None
    """Least and largest width / height of a random resized crop; 3/4 and 4/3 by default."""
    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    """Colour jitter of training clips, each 0 by default; see `anetc.video.augment`."""

    def __attrs_post_init__(self) -> None:
        self.augmentation()
        for option in ("mirror_words", "mirror_classes"):
            if getattr(self, option) is not None and self.flip is False:
                raise InvalidSetting(option, f"`{option}` has no effect without mirroring")
        if self.crop_aspect is not None and self.crop_area is None:
            raise InvalidSetting("crop_aspect", "`crop_aspect` has no effect without `crop_area`")

    @property
    def mirrors(self) -> bool | None:
        """True to mirror half of the training clips; None is the value of the data's format."""
        given = self.mirror_words is not None or self.mirror_classes is not None
        return True if given else self.flip

    def augmentation(self) -> Augmentation:
        """Return the augmentation of training clips. Raises InvalidSetting."""
        names = [field.name for field in attrs.fields(Augmentation)]
        given = {name: getattr(self, name) for name in names}
        return Augmentation(**{name: value for name, value in given.items() if value is not None})


def recipes_from_json(spec: DataSpec, document: object, name: str) -> Recipes:
    """Return the recipes of a JSON object with the values of ClipSettings.

    Raise CannotRun; its message starts with `name`.
    """
    return recipes_of(spec, read_value(named_values(document, name), ClipSettings))


def recipes_of(spec: DataSpec, clips: ClipSettings) -> Recipes:
    """Return the recipes of a format with these settings. Raise CannotRun as `recipes_for`."""
    recipes = recipes_for(spec, clips.frames, clips.size, flip=clips.mirrors)
    mirror = MirroredClasses(clips.mirror_words, clips.mirror_classes or ())
    train = attrs.evolve(recipes.train, augment=clips.augmentation(), mirror=mirror)
    return attrs.evolve(recipes, train=train)


def clip_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a function without None; a `size` of one number is both sides."""
    values = {name: value for name, value in given.items() if value is not None}
    if isinstance(size := values.get("size"), int) and not isinstance(size, bool):
        values["size"] = (size, size)
    return values


def recipes_to_json(recipes: Recipes) -> dict[str, Any]:
    """Return both recipes as JSON."""
    return {
        "train": recipe_values(recipes.train),
        "validation": recipe_values(recipes.validation),
    }


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
