"""Cut clips and number classes as in the training of a network (`TrainedOn`). Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from anetc.data.relabelled import relabelled
from anetc.video.clips import Recipe
from anetc.weights.trained_on import (
    MATCHED_BY_NUMBER,
    TrainedClip,
    TrainedOn,
    are_numbered,
    listed_classes,
    match_classes,
)
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.data.values import Dataset
    from anetdsl.ir import Network


def clip_short_side(clip: TrainedClip, size: tuple[int, int]) -> int | None:
    """Return the short side for a crop of `size`, in the proportion of the training."""
    if clip.short_side is None:
        return None
    return max(max(size), round(clip.short_side / max(clip.size) * max(size)))


def recipe_as_trained(
    recipe: Recipe,
    clip: TrainedClip,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Recipe:
    """Return a recipe for videos with the clips of the training, except for the values given."""
    size = size or clip.size
    return attrs.evolve(
        recipe,
        frames=frames or clip.frames,
        size=size,
        short_side=clip_short_side(clip, size),
        fps=fps or clip.fps or recipe.fps,
    )


def clip_warning(trained_on: TrainedOn, recipe: Recipe, *, stored: bool = False) -> str | None:
    """Return a sentence if the clips of a recipe are others than those of the training.

    With `stored` the data store clips, so that the recipe has no frame rate.
    """
    known = (trained_on.validation, trained_on.training)
    differences = []
    if recipe.frames not in {clip.frames for clip in known}:
        differences.append(f"{recipe.frames} frames instead of {known[0].frames}")
    if recipe.size not in {clip.size for clip in known}:
        pixels = ("{} x {}".format(*size) for size in (recipe.size, known[0].size))
        differences.append("{} pixels instead of {}".format(*pixels))
    rates = {clip.fps for clip in known} - {None}
    if not stored and rates and recipe.fps not in rates:
        differences.append(f"{recipe.fps:g} frames per second instead of {known[0].fps:g}")
    if not differences:
        return None
    return f"the clips differ from those of the training: {', '.join(differences)}"


def with_trained_classes(
    dataset: Dataset, trained_on: TrainedOn, source: str | Path
) -> tuple[Dataset, tuple[str, ...]]:
    """Return a split labelled by the classes of a network, and notes for the user.

    Classes are matched by name. The data may have them in another order, or only some of them: the
    result has all classes of the network. Raise CannotRun if the data have a class that the network
    does not have. `source` is the file that holds `trained_on`.
    """
    match = match_classes(trained_on.classes, dataset.classes)
    numbers = [number for number in match.numbers if number is not None]
    notes = []
    if len(numbers) < len(match.numbers):
        raise CannotRun(
            f"{source}: {match.difference()}. Evaluate on data whose classes have the names of the "
            "training, or pass the weights of a network that was trained on these classes"
        )
    if match.by_number:
        notes.append(MATCHED_BY_NUMBER)
    elif match.is_reordered and not match.is_identical:
        notes.append("the classes of the data are in another order; they are matched by name")
    elif not match.is_identical:
        notes.append(
            f"the data have {len(match.given)} of the {len(match.trained)} classes of the network; "
            "they are matched by name"
        )
    if trained_on.multi_label != dataset.multi_label:
        kinds = ("one label per video", "any number of labels per video")
        then, now = kinds[trained_on.multi_label], kinds[dataset.multi_label]
        notes.append(f"the network was trained on {then}, the data have {now}")
    if match.is_identical or match.by_number:
        # The names of the side that has them.
        return _named(dataset, trained_on), tuple(notes)
    return relabelled(dataset, trained_on.classes, numbers), tuple(notes)


def _named(dataset: Dataset, trained_on: TrainedOn) -> Dataset:
    if are_numbered(dataset.classes) and not are_numbered(trained_on.classes):
        return relabelled(dataset, trained_on.classes, range(len(trained_on.classes)))
    return dataset


def check_network_fits(network: Network, trained_on: TrainedOn, source: str | Path) -> None:
    """Raise CannotRun if a network has another number of classes than its weights."""
    ours, theirs = network.sink.classes, len(trained_on.classes)
    if ours != theirs:
        raise CannotRun(
            f"{source}: the weights have {listed_classes(trained_on.classes)}, but network "
            f"{network.name} has classes={ours}; pass the text that belongs to these weights"
        )


def nothing_known(source: str | Path) -> str:
    """Return the warning about weights that hold no description of their training."""
    return (
        f"{source} does not hold what the network was trained on (written by an old version, or "
        "not by anetc train): classes are matched by number, and clips follow the options"
    )
