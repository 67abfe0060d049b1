"""Select the clips of an evaluation: by the protocol of the data's format, or by another one.

`moments` (semantics 11): one clip of 36 frames and 256 x 256 pixels from the middle of the video.
`charades` (semantics 11): five clips of 64 frames at random places, drawn from the seed and the
name of the video. Needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from anetc.data.recipes import STORED_FORMATS, recipes_for
from anetc.data.values import Split
from anetc.evaluation.as_trained import recipe_as_trained
from anetc.video.clips import CHARADES_TEST, MOMENTS_TEST, recipe_values
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.values import Dataset, DataSpec
    from anetc.video.clips import Recipe
    from anetc.weights.trained_on import TrainedOn

Protocol = Literal["moments", "charades"]
_RECIPES = {"moments": MOMENTS_TEST, "charades": CHARADES_TEST}


def reported_split(spec: DataSpec) -> Split:
    """Return the split that results are reported on.

    It is the test split, but for Moments in Time the validation split: the labels of its test split
    are not public.
    """
    return "validation" if spec.format == "moments" else "test"


def protocol_recipe(
    spec: DataSpec,
    protocol: Protocol | None = None,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    clips: int | None = None,
    fps: float | None = None,
    trained_on: TrainedOn | None = None,
) -> Recipe:
    """Return the recipe of an evaluation: that of the protocol, changed by the other arguments.

    Frames, size and frame rate are those of the network's training, if these are known and neither
    another argument nor a given protocol sets them. For data that store clips instead of videos
    (`arrays`, `utd-mhad`, `motion`), a protocol sets only the number of clips and their places in
    time.

    Args:
        spec: Data to evaluate on.
        protocol: Protocol; None selects that of the data's format.
        frames: Number of frames of a clip.
        size: Height and width of a clip, in pixels.
        clips: Number of clips per video. If the protocol has one clip from the middle, several
            clips are spread evenly over the video.
        fps: Frames per second; only for videos.
        trained_on: Training of the network.

    Raises:
        CannotRun: The values do not form a recipe, or `fps` is given for data that store clips.
    """
    if fps is not None and spec.format in STORED_FORMATS:
        raise CannotRun(
            f"--fps: data of the format {spec.format} store clips, whose frame rate is fixed; "
            "leave out --fps"
        )
    if protocol is not None and spec.format not in STORED_FORMATS:
        spec = attrs.evolve(spec, format=protocol)
    is_stored = spec.format in STORED_FORMATS
    clip = trained_on.validation if trained_on and (protocol is None or is_stored) else None
    if clip is not None and is_stored:
        frames, size = frames or clip.frames, size or clip.size
    recipe = recipes_for(spec, frames, size).validation
    try:
        if clip is not None and not is_stored:
            recipe = recipe_as_trained(recipe, clip, frames=frames, size=size)
        if protocol is not None:
            like = _RECIPES[protocol]
            recipe = attrs.evolve(recipe, when=like.when, clips=like.clips)
        if clips is not None:
            when = "even" if clips > 1 and recipe.when == "centre" else recipe.when
            recipe = attrs.evolve(recipe, clips=clips, when=when)
        return recipe if fps is None else attrs.evolve(recipe, fps=fps)
    except ValueError as error:
        raise CannotRun(f"clips: {error}") from None


def label_recipe(spec: DataSpec) -> Recipe:
    """Return a recipe that opens any data for their labels alone: every stored size fits it."""
    recipe = recipes_for(spec).validation
    return attrs.evolve(recipe, frames=1, size=(1, 1), short_side=1)


def check_clips(dataset: Dataset, recipe: Recipe) -> None:
    """Raise CannotRun if all clips that the recipe cuts from a stored clip would be equal.

    Stored clips (`arrays`, `utd-mhad`, `motion`) can be cut only to fewer frames.
    """
    stored = stored_frames(dataset)
    if stored is not None and recipe.when != "centre" and recipe.frames >= stored:
        raise CannotRun(
            f"--clips, --protocol: a clip of {recipe.frames} frames takes all {stored} frames that "
            f"{dataset.spec.format} stores of a video, so all clips would be equal; ask for fewer "
            "frames with --frames, or leave out these options"
        )


def recipe_to_json(dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """Return the values of a recipe as they apply to a data set.

    For data that store clips, `fps` is None and `stored_frames` is the number of frames of a
    stored clip.
    """
    stored = stored_frames(dataset)
    values = recipe_values(recipe)
    return values if stored is None else {**values, "fps": None, "stored_frames": stored}


def stored_frames(dataset: Dataset) -> int | None:
    """Return the number of frames of each stored clip; None for data of videos."""
    if dataset.spec.format not in STORED_FORMATS:
        return None
    from anetc.data.formats.arrays import ArrayDataset
    from anetc.data.mirrored_classes import MirroredDataset

    if isinstance(dataset, MirroredDataset):
        dataset = dataset.inner
    return dataset.x.shape[1] if isinstance(dataset, ArrayDataset) else None
