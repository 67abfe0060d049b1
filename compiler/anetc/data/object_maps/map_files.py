"""Object maps of videos, in files beside them.

For the video `DIR/run/1.mp4` they are one of these:

    DIR/run/1.objects.npz               `maps`, classes (T, h, w) or uint8 scores (T, h, w, K),
                                        and optionally `fps`, their rate
    DIR/run/1.objects/000000.png ...    a picture for each frame, whose grey values or palette
                                        indices are classes

The option `objects=FOLDER` names another folder that holds them by the same names. There is a map
for each frame of the video, or for each frame at the rate of the clips, whichever gives the number
of maps. Otherwise `fps`, or the option `objects_fps=RATE`, names their rate: map k is at k / RATE
seconds. A frame has the latest map at or before its time, as a player would show them.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.formats.directory_scan import OBJECTS_SUFFIX
from anetc.data.object_maps.class_pictures import read_class_picture
from anetc.data.spec import parse_positive, spec_text
from anetc.data.values import DataSpec
from anetc.video.decode import VideoInfo, grid_length
from anetc.video.object_maps import (
    ObjectMaps,
    check_form,
    count_classes,
    maps_for_network,
    misfit,
)
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun, cannot_read

FOLDER_OPTION = "objects"
RATE_OPTION = "objects_fps"
OPTIONS = (FOLDER_OPTION, RATE_OPTION)
MAPS, RATE = "maps", "fps"
"""Arrays of an archive."""

_LOOKED_UP = 20
"""Number of videos whose maps are looked up when a data set is opened."""
_PICTURE = re.compile(r"(?:.*\D)?(\d+)\.png", re.IGNORECASE)
_TOLERANCE = 750
"""Tolerance of time stamps in microseconds, as in `decode`."""
_SLACK = 2.0
"""Difference of the number of maps from that of a given rate, below which it is rounding."""
_ADVICE = "make them again, or leave the video out"


class MapsError(ValueError):
    """Object maps that cannot be used; the text is the reason."""


@attrs.frozen
class MapPlaces:
    """The place of the maps of a data set's videos: files below `folder`, by path of the video."""

    folder: Path
    fps: float | None = None
    """Rate of the maps; None if their number or an archive shows it."""

    def of(self, path: str) -> Path:
        """Return the place of the maps of a video, without the suffix of an archive."""
        return objects_beside(self.folder / path)


@attrs.frozen
class ObjectFolder:
    """The reader of the object maps of a data set, for an object input with `channels` channels.

    All maps must have the same form, scores or classes, so that they fit into a batch.
    """

    places: MapPlaces
    channels: int
    are_scores: bool = False

    def find(self, path: str, info: VideoInfo, fps: float) -> VideoMaps:
        """Return the maps of a video, by its path, for clips of `fps` frames a second.

        Raises VideoError if there are none or they cannot be read; CannotRun if they hold other
        classes than the network has, or have another form than those of other videos.
        """
        place = self.places.of(path)
        if (found := existing_maps(place)) is None:
            raise VideoError(
                info.path,
                f"there are no object maps of it, {place}.npz or pictures in the folder {place}",
                len(info.timeline.shown),
                advice="make them, or leave the video out",
            )
        maps = read_video_maps(found, info, fps, self.channels, self.places.fps)
        if maps.stored.are_scores != self.are_scores:
            forms = ("scores", "classes") if self.are_scores else ("classes", "scores")
            raise CannotRun(
                f"{maps.stored.place}: object maps of other videos hold {forms[0]}, but these hold "
                f"{forms[1]}; make all maps in the same form"
            )
        return maps


@attrs.frozen(eq=False)
class StoredObjects:
    """The maps of one video as they are stored: an archive, or pictures."""

    place: Path
    archive: NDArray[Any] | None = attrs.field(repr=False)
    """Maps of an archive; None for pictures."""
    pictures: tuple[Path, ...] = attrs.field(default=(), repr=False)
    fps: float | None = None
    """Rate that the archive names."""

    @property
    def count(self) -> int:
        """Number of maps."""
        return len(self.pictures) if self.archive is None else len(self.archive)

    @property
    def are_scores(self) -> bool:
        """True for scores, False for classes."""
        return self.archive is not None and self.archive.ndim == 4

    def check_classes(self, channels: int) -> None:
        """Raise CannotRun if an archive has classes that an object input does not have.

        Those of pictures are found where the pictures are read.
        """
        if self.archive is not None:
            found = count_classes(self.archive)
            if (problem := misfit(found, channels, are_scores=self.are_scores)) is not None:
                raise CannotRun(f"{self.place}: {problem}")

    def read(self, numbers: Sequence[int]) -> NDArray[Any]:
        """Return the maps with these numbers. Raises MapsError for pictures that cannot be read."""
        if self.archive is not None:
            return self.archive[list(numbers)]
        try:
            maps = [read_class_picture(self.pictures[number]) for number in numbers]
        except ValueError as error:
            raise MapsError(str(error)) from None
        for number, picture in zip(numbers, maps, strict=True):
            if picture.shape != maps[0].shape:
                name = self.pictures[number].name
                raise MapsError(f"{name} is {picture.shape}, other pictures are {maps[0].shape}")
        return np.stack(maps)


@attrs.frozen(eq=False)
class VideoMaps:
    """The maps of a video on the grid of clips: that of grid frame k is map `numbers[k]`."""

    stored: StoredObjects
    numbers: NDArray[np.int64] = attrs.field(repr=False)
    channels: int
    info: VideoInfo = attrs.field(repr=False)

    def read(self, start: int, stop: int) -> ObjectMaps:
        """Return the maps (stop - start, h, w, ...) of grid frames start to stop - 1.

        Raises VideoError for maps that cannot be read, and CannotRun for classes that the network
        does not have.
        """
        wanted, places = np.unique(self.numbers[start:stop], return_inverse=True)
        try:
            maps = self.stored.read(wanted.tolist())
            return maps_for_network(maps, self.channels, str(self.stored.place))[places]
        except ValueError as error:
            raise unusable(self.info, self.stored.place, error) from None


def map_places(spec: DataSpec, root: Path) -> MapPlaces:
    """Return the place of the maps that the options name. Raises CannotRun for wrong options."""
    options = dict(spec.options)
    folder = root / options.get(FOLDER_OPTION, "")
    if FOLDER_OPTION in options and not folder.is_dir():
        raise cannot_read(f"--data {spec_text(spec)}: {FOLDER_OPTION}={options[FOLDER_OPTION]}")
    rate = options.get(RATE_OPTION)
    return MapPlaces(folder, None if rate is None else parse_positive(spec, RATE_OPTION, rate))


def open_object_maps(
    spec: DataSpec, root: Path, channels: int | None, paths: Sequence[str]
) -> ObjectFolder | None:
    """Return the reader of the maps of the videos `paths` below `root`; None without `channels`.

    Only some videos are looked up. Raises CannotRun if none of them has maps, and if the first maps
    have classes that the network does not have.
    """
    places = map_places(spec, root)
    if channels is None:
        return None
    looked_up = [places.of(path) for path in paths[:: max(1, len(paths) // _LOOKED_UP)]]
    found = [existing for place in looked_up if (existing := existing_maps(place))]
    if looked_up and not found:
        raise CannotRun(
            f"--data {spec_text(spec)}: the network has an object input, but the videos have no "
            f"object maps, such as {looked_up[0]}.npz or pictures in the folder {looked_up[0]}; "
            f"make them by a segmentation program (see docs/data.md), name their folder with the "
            f"option {FOLDER_OPTION}=FOLDER, or use a network without object inputs"
        )
    for place in found:
        with contextlib.suppress(MapsError):  # reading its video reports it
            stored = open_stored(place)
            stored.check_classes(channels)
            return ObjectFolder(places, channels, stored.are_scores)
    return ObjectFolder(places, channels)


def objects_beside(video: Path) -> Path:
    """Return the place of the maps beside a video, without the suffix of an archive."""
    return video.with_name(f"{video.name.rpartition('.')[0] or video.name}{OBJECTS_SUFFIX}")


def existing_maps(place: Path) -> Path | None:
    """Return the archive or the folder of pictures at a place, or None."""
    archive = place.with_name(f"{place.name}.npz")
    try:
        return archive if archive.is_file() else place if place.is_dir() else None
    except OSError:  # a name that is too long
        return None


def read_video_maps(
    place: Path, info: VideoInfo, fps: float, channels: int, rate: float | None = None
) -> VideoMaps:
    """Return the maps of an archive, or a folder of pictures, for clips of `fps` frames a second.

    `rate` is that of the maps, if the archive does not name it. Raises VideoError if the maps
    cannot be read or their number does not fit; CannotRun if an archive has classes that the
    network does not have.
    """
    try:
        stored = open_stored(place)
        numbers = map_numbers(stored, info, fps, rate)
    except MapsError as error:
        raise unusable(info, place, error) from None
    stored.check_classes(channels)
    return VideoMaps(stored, numbers, channels, info)


def open_stored(place: Path) -> StoredObjects:
    """Return the maps of an archive, or the pictures of a folder. Raises MapsError."""
    return _pictures(place) if place.is_dir() else _archive(place)


def map_numbers(
    stored: StoredObjects, info: VideoInfo, fps: float, rate: float | None
) -> NDArray[np.int64]:
    """Return the number of the map of each grid frame. Raises MapsError for a wrong number."""
    length, frames, count = grid_length(info, fps), len(info.timeline.shown), stored.count
    rate = stored.fps or rate
    if rate is not None:
        if abs(count - info.duration * rate) >= _SLACK:
            raise MapsError(
                f"{count} maps at {rate:g} a second are not those of {info.duration:.2f} s"
            )
        places = np.floor(np.arange(length) * (rate / fps) + 1e-6).astype(np.int64)
        numbers: NDArray[np.int64] = np.minimum(places, count - 1)
        return numbers
    if count == frames:
        times = np.round(np.arange(length) * 1e6 / fps) + _TOLERANCE
        return np.searchsorted(info.timeline.shown, times, "right").astype(np.int64) - 1
    if count == length:
        return np.arange(length)
    raise MapsError(
        f"there are {count} maps for {frames} frames ({length} at {fps:g} a second), and no rate "
        f"of the maps is given (`{RATE}` in the archive, or the option {RATE_OPTION})"
    )


def unusable(info: VideoInfo, place: Path, reason: ValueError) -> VideoError:
    """Return the error of a video whose maps cannot be used."""
    readable = len(info.timeline.shown)
    return VideoError(info.path, f"its object maps, {place}: {reason}", readable, advice=_ADVICE)


def _archive(path: Path) -> StoredObjects:
    try:
        # Unpickling objects would execute code of the file.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if MAPS not in archive.files:
                raise MapsError(f"the archive has no array `{MAPS}`")
            maps = archive[MAPS]
            rate = float(archive[RATE]) if RATE in archive.files else None
    except MapsError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, TypeError) as error:
        raise MapsError("not a NumPy archive (.npz) of plain arrays") from error
    if rate is not None and not 0 < rate <= 1e6:
        raise MapsError(f"`{RATE}` must be a number above 0, not {rate:g}")
    try:
        check_form(maps)
    except ValueError as error:
        raise MapsError(str(error)) from None
    return StoredObjects(path, maps, fps=rate)


def _pictures(folder: Path) -> StoredObjects:
    """Return the pictures of a folder in the order of their numbers. Raises MapsError."""
    found: dict[int, Path] = {}
    try:
        for path in sorted(folder.iterdir()):
            if match := _PICTURE.fullmatch(path.name):
                number = int(match[1])
                if number in found:
                    raise MapsError(f"{found[number].name} and {path.name} have the same number")
                found[number] = path
    except OSError as error:
        raise MapsError(error.strerror or str(error)) from None
    if not found:
        raise MapsError("there are no PNG pictures with numbers in their names")
    numbers = sorted(found)
    if len(numbers) != numbers[-1] - numbers[0] + 1:
        lost = next(n for n in range(numbers[0], numbers[-1]) if n not in found)
        raise MapsError(f"picture {lost} is missing between {numbers[0]} and {numbers[-1]}")
    return StoredObjects(folder, None, tuple(found[number] for number in numbers))
