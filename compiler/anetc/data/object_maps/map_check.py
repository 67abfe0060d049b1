"""Check the object maps of a data set, and count the videos that have some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from anetc.data.object_maps.map_files import (
    MapPlaces,
    MapsError,
    existing_maps,
    map_numbers,
    map_places,
    objects_beside,
    open_stored,
)
from anetc.data.upkeep.findings import FileCheck, Finding, MapsCheck
from anetc.data.upkeep.listing import ListedVideo, Listing
from anetc.data.values import DataSpec
from anetc.video.decode import VideoInfo
from anetc.video.object_maps import check_form, count_classes, misfit

_AT_ONCE = 64
"""Number of pictures in memory at a time: a video may be long."""
_MAX_LOOKED_UP = 2000
"""Most files that are looked up: a network disk may need a millisecond for each."""


def check_maps(
    places: MapPlaces, path: str, info: VideoInfo, fps: float, *, quick: bool
) -> MapsCheck | None:
    """Read the object maps of a video; `quick` counts pictures, but does not read them.

    Return None if there are no maps. `fps` is the frame rate of clips.
    """
    found = existing_maps(places.of(path))
    if found is None:
        return None
    try:
        stored = open_stored(found)
        map_numbers(stored, info, fps, places.fps)
        classes = 0
        shapes = set()
        for start in range(0, 0 if quick and stored.pictures else stored.count, _AT_ONCE):
            maps = stored.read(range(start, min(start + _AT_ONCE, stored.count)))
            check_form(maps)
            shapes.add(maps.shape[1:3])
            classes = max(classes, count_classes(maps))
        if len(shapes) > 1:
            raise MapsError(f"pictures have different sizes, {' and '.join(map(str, shapes))}")
    except ValueError as error:
        return MapsCheck(problem=f"{found}: {error}")
    return MapsCheck(classes=classes, are_scores=stored.are_scores)


def map_findings(
    entries: Sequence[ListedVideo], files: Mapping[str, FileCheck], channels: int | None
) -> Iterator[Finding]:
    """Find videos whose object maps are missing or cannot be used.

    `channels` is the number of channels of a network's object input, or None. Without it, missing
    maps are a finding only if other videos have some.
    """
    usable = [entry for entry in entries if files[entry.path].problem is None]
    checked = [maps for entry in usable if (maps := files[entry.path].maps) is not None]
    if channels is None and not checked:
        return
    forms = [maps.are_scores for maps in checked if not maps.problem]
    for entry in usable:
        maps = files[entry.path].maps
        message = None
        if maps is None:
            place = objects_beside(Path(entry.path)).name
            message = f"there are no object maps of it, {place}.npz or pictures in {place}"
        elif maps.problem:
            message = maps.problem
        elif maps.are_scores != forms[0]:
            message = "its object maps are scores, those of the first video classes"
            if not maps.are_scores:
                message = "its object maps are classes, those of the first video scores"
        elif channels is not None:
            message = misfit(maps.classes, channels, are_scores=maps.are_scores)
        if message is not None:
            yield Finding("objects", entry.name, message)


@attrs.frozen
class MapCount:
    """Number of videos with object maps among those that were looked up."""

    found: int
    looked_up: int
    missing: tuple[str, ...]
    """Names of the videos without."""

    def line(self, videos: int) -> str | None:
        """Return a line about a data set with this number of videos; None if none has maps."""
        if not self.found:
            return None
        if self.looked_up < videos:
            number = round(videos * self.found / self.looked_up)
            return f"Object maps: about {number:,} of {videos:,} videos."
        text = f"Object maps: {self.found:,} of {videos:,} videos."
        if self.missing:
            more = len(self.missing) - 1
            text = text[:-1] + f"; none for {self.missing[0]}" + (f" and {more} more" * bool(more))
            text += "."
        return text


def count_maps(spec: DataSpec, listing: Listing) -> MapCount:
    """Look up which videos have object maps; of many videos, only some are looked up."""
    places, paths = map_places(spec, listing.root), listing.paths()
    looked_up = paths[:: max(1, len(paths) // _MAX_LOOKED_UP)]
    missing = tuple(path for path in looked_up if existing_maps(places.of(path)) is None)
    return MapCount(len(looked_up) - len(missing), len(looked_up), missing)
