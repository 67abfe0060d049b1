"""The optical flow that training needs: which of it is in the cache, and computing the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from anetc.data.formats.video_dataset import flow_folder
from anetc.data.recipes import Recipes
from anetc.data.upkeep import flow_pictures
from anetc.data.upkeep.flow_cache import FlowOutcome, compute_flow
from anetc.data.upkeep.flow_files import FlowFolder, FlowKey, flow_command
from anetc.data.upkeep.listing import VIDEO_FORMATS, Listing, list_videos
from anetc.data.values import DataSpec

_MAX_LOOKED_UP = 2000
"""Most files that are looked up: a network disk may need a millisecond for each."""


@attrs.frozen
class FlowNeed:
    """A flow cache, and the videos whose flow it must hold, as paths below `root`."""

    root: Path
    folder: FlowFolder
    paths: Sequence[str]

    def missing(self) -> int:
        """Return the number of videos whose flow is missing; of many videos, an estimate.

        A file counts even if it is of an older version of the video.
        """
        step = max(1, len(self.paths) // _MAX_LOOKED_UP)
        looked_up = self.paths[::step]
        missing = sum(not self.folder.path_of(path).is_file() for path in looked_up)
        return round(len(self.paths) * missing / max(len(looked_up), 1))


@attrs.frozen
class MissingFlow:
    """The videos for training and validation whose flow is not in the cache."""

    missing: int
    total: int
    """Number of all videos for training and validation."""
    command: str
    """Command that computes the flow of all videos of the data."""

    @property
    def part(self) -> str:
        """Part of a sentence: a space and the number of videos; empty if it is all of them."""
        return (
            ""
            if self.missing == self.total
            else f" of {self.missing:,} of the {self.total:,} videos"
        )


@attrs.frozen
class FlowSummary:
    """Numbers of videos whose flow was computed or was cached, and reasons of failures."""

    computed: int
    cached: int
    bytes: int
    """Size of the files that were written."""
    failures: tuple[str, ...]


def default_keys(recipes: Recipes) -> tuple[FlowKey, ...]:
    """Return the different keys of the flow for training and validation."""
    keys = (FlowKey.of(recipes.train), FlowKey.of(recipes.validation))
    return tuple(dict.fromkeys(keys))


def has_flow_cache(spec: DataSpec) -> bool:
    """Return whether the flow of the data is cached: they are videos without pictures of flow."""
    has_pictures = flow_pictures.FOLDER_OPTION in dict(spec.options)
    return spec.format in VIDEO_FORMATS and not has_pictures


def training_flow(spec: DataSpec, recipes: Recipes) -> tuple[FlowNeed, ...]:
    """Return the flow that training and validation need; nothing for other data than videos.

    Raises CannotRun where the videos cannot be listed.
    """
    if not has_flow_cache(spec):
        return ()
    listing = list_videos(spec)
    # Some lists name the validation videos among those for training.
    used = [entry for entry in listing.entries if entry.split != "test"]
    keys = default_keys(recipes)
    if len(keys) == 1:
        return (_need(spec, listing, keys[0], [entry.path for entry in used]),)
    has_validation = any(entry.split == "validation" for entry in used)
    validation = [e for e in used if e.split == "validation" or not has_validation]
    train = [entry for entry in used if entry.split == "train"]
    return tuple(
        _need(spec, listing, key, [entry.path for entry in entries])
        for key, entries in zip(keys, (train, validation))
    )


def missing_flow(spec: DataSpec, recipes: Recipes) -> MissingFlow | None:
    """Return which flow for training and validation is not in the cache; None if all is.

    Raises CannotRun where the videos cannot be listed.
    """
    needs = training_flow(spec, recipes)
    missing, total = sum(need.missing() for need in needs), sum(len(need.paths) for need in needs)
    if not missing:
        return None
    return MissingFlow(missing, total, flow_command(spec, [need.folder.key for need in needs]))


def all_flow(spec: DataSpec, listing: Listing, keys: Sequence[FlowKey]) -> tuple[FlowNeed, ...]:
    """Return the flow of all videos of a data set, for each of the keys."""
    return tuple(_need(spec, listing, key, listing.paths()) for key in keys)


def _need(spec: DataSpec, listing: Listing, key: FlowKey, paths: Sequence[str]) -> FlowNeed:
    folder = flow_folder(spec, listing.root, key)
    return FlowNeed(listing.root, folder, tuple(dict.fromkeys(paths)))


def compute_needed(
    need: FlowNeed, workers: int, progress: Callable[[int], None], device: str = "cpu"
) -> FlowSummary:
    """Compute the flow that is missing; `progress` gets the number of videos done so far.

    Raises CannotRun where a file cannot be written.
    """
    outcomes: list[FlowOutcome] = []
    for outcome in compute_flow(need.root, need.folder, need.paths, workers, device):
        outcomes.append(outcome)
        progress(len(outcomes))
    return FlowSummary(
        computed=sum(outcome.outcome == "computed" for outcome in outcomes),
        cached=sum(outcome.outcome == "cached" for outcome in outcomes),
        bytes=sum(outcome.bytes for outcome in outcomes),
        failures=tuple(_failures(outcomes)),
    )


def _failures(outcomes: Sequence[FlowOutcome]) -> Iterator[str]:
    return (outcome.reason for outcome in outcomes if outcome.outcome == "failed")
