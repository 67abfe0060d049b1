"""The files of cached optical flow, one for each video.

`DIR/.flow/KEY/PATH.npz` (or below the folder of the option `flow=FOLDER`) is a zip archive that
NumPy can read: `about.json`, and the fields int8 (2, H, W) as `000000.npy` and so on, compressed
one by one, so that a clip reads only its own. KEY holds the size and the frame rate, and ends in a
hash of all parameters. A file also holds a fingerprint of its video; the flow of a video that has
changed is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shlex
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.spec import spec_text
from anetc.data.values import DataSpec
from anetc.video.clips import Recipe, resized
from anetc.video.decode import BASE_FPS, VideoInfo, grid_length
from anetc.video.flow.fields import STEPS
from anetdsl.files import check_writable, make_folder, replacing

FOLDER = ".flow"
VERSION = 2
"""Version of the numbers: to be raised when the same parameters give other numbers."""

_ABOUT = "about.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 16 * 1024
_LEVEL = 6
_LONGEST_NAME, _LONGEST_PATH = 255, 4000
"""Bytes of a file name that Linux accepts, and of a path, with room for an unfinished file."""
_KEPT_OF_LONG_NAME = 100
"""Bytes of a long name that remain before the hash."""


class DamagedFlowError(Exception):
    """A file of flow that is damaged or has the wrong content."""


@attrs.frozen
class FlowKey:
    """The parameters that cached flow depends on, taken from a recipe.

    `size` is the short side in px, or (height, width) for whole frames.
    """

    fps: float
    size: int | tuple[int, int]

    @classmethod
    def of(cls, recipe: Recipe) -> FlowKey:
        """Return the key for the clips of a recipe."""
        size = resized(recipe)
        assert size is not None
        return cls(recipe.fps, size)

    def parameters(self) -> dict[str, Any]:
        """Return all parameters that the numbers depend on, besides the video."""
        from anetc.video.flow.clip_flow import DEFAULTS, FLOW_LIMIT

        return {
            "version": VERSION,
            "fps": self.fps,
            "size": self.size if isinstance(self.size, int) else list(self.size),
            "limit": FLOW_LIMIT,
            "steps": STEPS,
            "tvl1": attrs.asdict(DEFAULTS),
        }

    @property
    def name(self) -> str:
        """Name of the folder of this flow, such as `256-12.5fps-0f3a91c2`."""
        text = json.dumps(self.parameters(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        size = str(self.size) if isinstance(self.size, int) else "{}x{}".format(*self.size)
        return f"{size}-{self.fps:g}fps-{digest}"


def flow_command(spec: DataSpec, keys: Iterable[FlowKey]) -> str:
    """Return the `anetc data flow` command that computes the flow of these keys.

    The keys have the same frame rate.
    """
    words = ["anetc data flow", shlex.quote(spec_text(spec))]
    for key in keys:
        size = key.size
        words.append(
            f"--short-side {size}" if isinstance(size, int) else "--size {}x{}".format(*size)
        )
        fps = key.fps
    if fps != BASE_FPS:
        words.append(f"--fps {fps:g}")
    return " ".join(words)


@attrs.frozen(eq=False)
class FlowFile:
    """The file of a video's flow, of `shape` (T, H, W)."""

    path: Path
    shape: tuple[int, int, int]

    def read(self, start: int, stop: int) -> NDArray[np.int8]:
        """Read the fields int8 (stop - start, H, W, 2). Raises DamagedFlowError."""
        length, height, width = self.shape
        if not 0 <= start < stop <= length:
            raise DamagedFlowError(
                f"{self.path}: has {length} fields, not the fields {start} to {stop}"
            )
        fields = np.empty((stop - start, 2, height, width), np.int8)
        try:
            with zipfile.ZipFile(self.path) as archive:
                for number in range(start, stop):
                    with archive.open(_member(number)) as file:
                        field = np.lib.format.read_array(file, allow_pickle=False)
                    if field.dtype != np.int8 or field.shape != fields.shape[1:]:
                        raise DamagedFlowError(
                            f"{self.path}: field {number} has the shape {field.shape}"
                        )
                    fields[number - start] = field
        except _UNREADABLE as error:
            raise DamagedFlowError(f"{self.path}: {error}") from error
        return fields.transpose(0, 2, 3, 1)


_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError)


@attrs.frozen
class FlowFolder:
    """The flow cache of a data set; `path` is DIR/.flow/KEY."""

    path: Path
    key: FlowKey

    def find(self, name: str, info: VideoInfo) -> FlowFile | None:
        """Return the flow of a video; None if it is missing or the video has changed.

        Raises DamagedFlowError for a file that cannot be read.
        """
        path = self.path_of(name)
        try:
            if not path.is_file():
                return None
        except OSError as error:
            raise DamagedFlowError(f"{path}: {error.strerror or error}") from error
        about = _read_about(path)
        try:
            if about.get("video") != fingerprint(info.path):
                return None
        except OSError:  # decoding reports the error
            return None
        shape = tuple(about["shape"])
        if shape[0] != grid_length(info, self.key.fps):
            raise DamagedFlowError(f"{path}: has the wrong number of fields, {shape[0]}")
        return FlowFile(path, (shape[0], shape[1], shape[2]))

    def path_of(self, name: str) -> Path:
        """Return the file for a video, by the video's path relative to the data set's folder.

        Paths outside of that folder (`/x` and `../x`) also map into the cache. A name that is too
        long for a file system is cut, and made unique by a hash of the whole path.
        """
        parts = ["up" if part == ".." else part for part in name.split("/") if part]
        parts[-1] = _short(f"{parts[-1]}.npz", name)
        path = self.path.joinpath(*parts)
        return path if len(os.fsencode(path)) < _LONGEST_PATH else self.path / _short(name, name)

    @property
    def lock(self) -> Path:
        """Lock file of the process that computes this flow; it lies beside the folder."""
        return self.path.with_name(f"{self.path.name}.lock")

    def prepare(self) -> None:
        """Make the folder of all flow. Raises CannotRun where nothing can be written there."""
        make_folder(self.path.parent)
        check_writable(self.lock)
        if self.path.is_dir():
            check_writable(self.path / _ABOUT)

    def remove_unfinished(self) -> None:
        """Delete the unfinished files of killed processes; the lock must be held."""
        for part in self.path.rglob(".anetc-*.part"):
            with contextlib.suppress(OSError):
                part.unlink()

    def write(self, name: str, info: VideoInfo, fields: NDArray[np.int8]) -> int:
        """Write the fields (T, H, W, 2) of a video atomically; return the size of the file.

        Raises CannotRun where the file cannot be written.
        """
        path = self.path_of(name)
        about = {
            "parameters": self.key.parameters(),
            "shape": list(fields.shape[:3]),
            "video": fingerprint(info.path),
        }
        make_folder(path.parent)
        with replacing(path) as part:
            with zipfile.ZipFile(part, "w") as archive:
                _put(archive, _ABOUT, json.dumps(about, sort_keys=True).encode())
                for number, field in enumerate(fields):
                    buffer = io.BytesIO()
                    planes = np.ascontiguousarray(field.transpose(2, 0, 1))
                    np.lib.format.write_array(buffer, planes, allow_pickle=False)
                    _put(archive, _member(number), buffer.getvalue())
            return part.stat().st_size


def _short(name: str, whole: str) -> str:
    """Return a file name of at most _LONGEST_NAME bytes that ends in .npz."""
    name = name.replace("/", "-")
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST_NAME and name.endswith(".npz"):
        return name
    digest = hashlib.blake2b(os.fsencode(whole), digest_size=16).hexdigest()
    start = encoded[:_KEPT_OF_LONG_NAME].decode("utf-8", "ignore")
    return f"{start}-{digest}.npz"


def fingerprint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the length of a file and a hash of its start, middle and end."""
    digest = hashlib.blake2b(digest_size=16)
    with Path(path).open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        for position in sorted({0, max(0, length // 2 - _BLOCK // 2), max(0, length - _BLOCK)}):
            file.seek(position)
            digest.update(file.read(_BLOCK))
    return {"bytes": length, "digest": digest.hexdigest()}


def _member(number: int) -> str:
    return f"{number:06d}.npy"


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    archive.writestr(entry, data, zipfile.ZIP_DEFLATED, _LEVEL)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(_ABOUT))
        length, height, width = about["shape"]
        if not all(isinstance(side, int) and side > 0 for side in (length, height, width)):
            raise ValueError(f"shape {about['shape']}")
    except (*_UNREADABLE, TypeError) as error:
        raise DamagedFlowError(f"{path}: {error}") from error
    found: dict[str, Any] = about
    return found
