"""How clips are cut to test with: the paper's two protocols, by the data's format or by name.

`moments` (semantics 11): one clip of 36 frames and 256 x 256 pixels from the middle of the video.
`charades` (18): five random clips of 64 frames, their places drawn for each video from the seed.
Needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from anetc.data.recipes import recipes_for
from anetc.data.values import Split
from anetc.video.clips import CHARADES_TEST, MOMENTS_TEST
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.values import DataSpec
    from anetc.video.clips import Recipe

Protocol = Literal["moments", "charades"]
_VIDEOS = ("moments", "charades", "folder")
_RECIPES = {"moments": MOMENTS_TEST, "charades": CHARADES_TEST}


def reported_split(spec: DataSpec) -> Split:
    """The split that results are reported on: the labels of Moments' test set are not public."""
    return "validation" if spec.format == "moments" else "test"


def protocol_recipe(
    spec: DataSpec,
    protocol: Protocol | None = None,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    clips: int | None = None,
    fps: float | None = None,
) -> Recipe:
    """The recipe to test with: that of the protocol, else the format's, with what else is given.

    Of data that are no videos a protocol decides where clips are cut in time, and how many; their
    frames and size stay the data's. Several clips of a protocol that has one are spread evenly.
    Raises CannotRun for numbers that make no recipe.
    """
    if protocol is not None and spec.format in _VIDEOS:
        spec = attrs.evolve(spec, format=protocol)
    recipe = recipes_for(spec, frames, size).validation
    try:
        if protocol is not None:
            like = _RECIPES[protocol]
            recipe = attrs.evolve(recipe, when=like.when, clips=like.clips)
        if clips is not None:
            when = "even" if clips > 1 and recipe.when == "centre" else recipe.when
            recipe = attrs.evolve(recipe, clips=clips, when=when)
        return recipe if fps is None else attrs.evolve(recipe, fps=fps)
    except ValueError as error:
        raise CannotRun(f"clips: {error}") from None
