"""Record of the training data: the value that travels with the weights, and the list of videos.

A run keeps a `DataRecord` of its training and validation data, and the list itself in a file beside
it. Resuming compares both with the data of that moment. This module does not need torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from anetc.data.recipes import Recipes
from anetc.evaluation.protocols import stored_frames
from anetc.weights.trained_on import (
    TrainedClip,
    TrainedOn,
    match_classes,
    trained_on_from_json,
)
from anetdsl.errors import CannotRun
from anetdsl.files import replacing

if TYPE_CHECKING:
    from anetc.data.torch_dataset import VideoClips
    from anetc.data.values import Dataset
    from anetc.video.clips import Recipe

VIDEOS = "videos.jsonl"
"""File name of the list of videos: a line for each, `[split, name, class numbers]`."""
_MAX_NAMES = 3
"""Most names of videos in a message, for each kind of change."""


def trained_on_of(training: Dataset, validation: Dataset, recipes: Recipes) -> TrainedOn:
    """Return what a network is trained on. Raise CannotRun if the splits differ in their classes.

    The splits are `training` and `validation`, opened with these recipes.
    """
    if training.classes != validation.classes:
        difference = match_classes(training.classes, validation.classes).difference()
        raise CannotRun(
            f"the splits {training.split} and {validation.split} have other classes: {difference}; "
            "all splits must have the same classes in the same order"
        )
    return TrainedOn(
        classes=training.classes,
        multi_label=training.multi_label,
        data_format=training.spec.format,
        training=_clip(training, recipes.train),
        validation=_clip(validation, recipes.validation),
    )


def describe_training(training: VideoClips, validation: VideoClips) -> TrainedOn:
    """Return what a training loop of one's own trains a network on, for `save_weights`.

    With it `anetc eval`, `run` and `compile` know the names of the classes and the clips. Raise
    CannotRun if the two splits differ in their classes.
    """
    recipes = Recipes(training.recipe, validation.recipe)
    return trained_on_of(training.dataset, validation.dataset, recipes)


def _clip(dataset: Dataset, recipe: Recipe) -> TrainedClip:
    fps = recipe.fps if stored_frames(dataset) is None else None
    return TrainedClip(recipe.frames, recipe.size, recipe.short_side, fps)


@attrs.frozen
class SplitVideos:
    """The videos of a split: their number, and a digest of their names and classes in order."""

    count: int
    sha256: str


@attrs.frozen
class DataRecord:
    """The data of a run: what a network is trained on, and the videos of each split."""

    trained_on: TrainedOn
    videos: Mapping[str, SplitVideos]
    """Videos by the name of the split."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON."""
        return {
            "trained_on": self.trained_on.to_json(),
            "videos": {split: attrs.asdict(videos) for split, videos in self.videos.items()},
        }


def record_of(datasets: Sequence[Dataset], trained_on: TrainedOn) -> DataRecord:
    """Return the record of the splits of a run."""
    return DataRecord(trained_on, {dataset.split: split_videos(dataset) for dataset in datasets})


def record_from_json(document: Mapping[str, Any]) -> DataRecord | None:
    """Return the value of `DataRecord.to_json`; None if `document` lacks it, as in old runs.

    Raise ValueError, TypeError, KeyError or AttributeError for other values.
    """
    trained_on = trained_on_from_json(document.get("trained_on"))
    if trained_on is None or "videos" not in document:
        return None
    return DataRecord(
        trained_on,
        {
            str(split): SplitVideos(int(videos["count"]), str(videos["sha256"]))
            for split, videos in document["videos"].items()
        },
    )


def write_videos(folder: Path, datasets: Sequence[Dataset]) -> None:
    """Write the list of videos into the folder of a run. Raise CannotRun if that is not possible.

    `check_same_data` reads it to name the videos that have changed.
    """
    with replacing(folder / VIDEOS) as part, part.open("w", encoding="utf-8") as file:
        for dataset in datasets:
            file.writelines(_lines(dataset))


def check_same_data(
    source: Path,
    before: DataRecord,
    now: DataRecord,
    datasets: Sequence[Dataset],
    *,
    accept_changed_videos: bool,
) -> str | None:
    """Compare the data of a run with those of its start, recorded in the file `source`.

    Return None for equal data, or, with `accept_changed_videos`, a sentence about the videos that
    were added, removed, or have another class. Raise CannotRun for such videos otherwise, and
    always if the classes or their order differ. `datasets` are the splits of `now`.
    """
    check_same_classes(source, before, now)
    if before.videos == now.videos:
        return None
    changes = [
        f"the {split} split had {old.count:,} videos, now it has {new.count:,}"
        if old.count != new.count
        else f"the {split} split has {new.count:,} videos as before, but not the same ones"
        for split, new in now.videos.items()
        if (old := before.videos.get(split, SplitVideos(0, ""))) != new
    ]
    differing = _differing(source.with_name(VIDEOS), datasets)
    text = "; ".join([*changes, *differing])
    changed = f"{source}: the videos of the data have changed since the run began: {text}"
    if not accept_changed_videos:
        raise CannotRun(
            f"{changed}. Restore them, or resume with --accept-changed-videos to go on with the "
            "videos that are there now"
        )
    return changed


def check_same_classes(source: Path, before: DataRecord, now: DataRecord) -> None:
    """Raise CannotRun if the classes, their order, or the kind of labels have changed.

    `source` is the file that holds `before`.
    """
    match = match_classes(before.trained_on.classes, now.trained_on.classes)
    if not match.is_identical:
        order = " in another order" if match.is_reordered else ""
        raise CannotRun(
            f"{source}: the classes of the data have changed{order}: {match.difference()}. The "
            "learned classifier belongs to the old classes: restore the old names and folders, or "
            "start a new run"
        )
    if before.trained_on.multi_label != now.trained_on.multi_label:
        raise CannotRun(
            f"{source}: the data had {_labels(before.trained_on)} per video, now they have "
            f"{_labels(now.trained_on)}: start a new run"
        )


def _labels(trained_on: TrainedOn) -> str:
    return "any number of labels" if trained_on.multi_label else "one label"


def _differing(path: Path, datasets: Sequence[Dataset]) -> Iterator[str]:
    """Yield phrases with the first videos that were removed, added or have other classes."""
    try:
        with path.open(encoding="utf-8") as file:
            old = dict(map(_parsed, file))
    except (OSError, ValueError, TypeError, LookupError):
        return  # without the list only the numbers of videos are known
    new = dict(_parsed(line) for dataset in datasets for line in _lines(dataset))
    groups = {
        "removed": [name for name in old if name not in new],
        "new": [name for name in new if name not in old],
        "with another class": [n for n in new if n in old and new[n] != old[n]],
    }
    for what, names in groups.items():
        if names:
            more = len(names) - _MAX_NAMES
            first = ", ".join(name for _, name in names[:_MAX_NAMES])
            yield f"{what}: {first}" + (f" and {more:,} more" if more > 0 else "")
    if not any(groups.values()):
        yield "they have another order"


def _parsed(line: str) -> tuple[tuple[str, str], tuple[int, ...]]:
    split, name, numbers = json.loads(line)
    return (split, name), tuple(numbers)


def split_videos(dataset: Dataset) -> SplitVideos:
    """Return the number of videos of a split, and a digest of their names and classes in order."""
    digest = hashlib.sha256()
    for line in _lines(dataset):
        digest.update(line.encode())
    return SplitVideos(len(dataset), digest.hexdigest())


def _lines(dataset: Dataset) -> Iterator[str]:
    """Yield a line for each video of a split, in order. Names of any characters become ASCII."""
    for index in range(len(dataset)):
        target = dataset.target(index)
        numbers = [target] if isinstance(target, int) else np.flatnonzero(target).tolist()
        yield json.dumps([dataset.split, dataset.name(index), numbers]) + "\n"
