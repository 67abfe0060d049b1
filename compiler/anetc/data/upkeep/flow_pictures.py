"""Optical flow that other programs computed: pairs of grey pictures, as two-stream papers use.

The option `flow_pictures=FOLDER` names the folder. These layouts are known, for a video
CLASS/x.avi, with any number of digits and as JPEG or PNG:

    FOLDER/x/flow_x_00001.jpg      FOLDER/x/flow_y_00001.jpg    (also x_00001, y_00001)
    FOLDER/x/u/00001.jpg           FOLDER/x/v/00001.jpg         (also flow_x and flow_y, x and y)
    FOLDER/u/x/frame000001.jpg     FOLDER/v/x/frame000001.jpg   (also flow_x and flow_y, x and y)

where x is also CLASS/x. The grey values 0 to 255 are displacements of -20 to 20 px, or those of the
option `flow_bound=PIXELS`; 128 is no motion. Picture k is the motion from frame k to frame k + 1 of
the video, or of its frames at the rate of the clips, whichever gives the number of pictures; the
option `flow_fps=RATE` names another rate. The motion between two frames of a clip is the sum of the
pictures between them. Pictures of another size are resized, and displacements are scaled with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs
import av
import numpy as np
from numpy.typing import NDArray

from anetc.data.spec import parse_positive, spec_text
from anetc.data.upkeep.flow_files import FlowKey
from anetc.data.values import DataSpec
from anetc.video.decode import VideoInfo, frame_size, grid_length
from anetc.video.flow.fields import STEPS
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun, cannot_read

FOLDER_OPTION = "flow_pictures"
OPTIONS = (FOLDER_OPTION, "flow_bound", "flow_fps")

_ZERO = 128
_LIMIT = 20.0
"""Displacement in px that becomes STEPS (semantics 7)."""
_PAIRS = (("flow_x", "flow_y"), ("x", "y"), ("u", "v"))
_NAME = re.compile(r"(?:(?P<axis>flow_x|flow_y|x|y|u|v)_?)?\D*(?P<number>\d+)\.(?:jpe?g|png)", re.I)
_DECODERS = {".jpg": "mjpeg", ".jpeg": "mjpeg", ".png": "png"}
_TOLERANCE = 750
"""Tolerance of time stamps in microseconds, as in `decode`."""


@attrs.frozen
class FlowPictures:
    """The pictures in `folder`: 0 is -`bound` px. `fps` is their rate, or None for the usual."""

    folder: Path
    bound: float
    fps: float | None
    key: FlowKey

    def find(self, name: str, info: VideoInfo) -> PictureFlow:
        """Return the flow of a video, by its path. Raises VideoError if there is none."""
        pairs = next((found for found in self._places(name) if found), None)
        if pairs is None:
            raise VideoError(
                info.path,
                f"there are no flow pictures of it in {self.folder}",
                len(info.timeline.shown),
                advice="compute them, or leave the video out",
            )
        return PictureFlow(self, info, pairs, _starts(self, info, len(pairs)))

    def _places(self, name: str) -> Iterator[list[tuple[Path, Path]]]:
        """Yield the pairs of pictures in each place where those of a video may be."""
        path = PurePosixPath(name)
        names = [str(path.with_suffix("")), f"{path.parent.name}/{path.stem}", path.stem, name]
        for below in dict.fromkeys(part.strip("/") for part in names):
            here = self.folder / below
            for x, y in _PAIRS:
                yield _pairs(_pictures(here, x), _pictures(here, y), here)
                yield _pairs(_pictures(here / x, None), _pictures(here / y, None), here)
                places = (self.folder / x / below, self.folder / y / below)
                yield _pairs(_pictures(places[0], None), _pictures(places[1], None), places[0])


@attrs.frozen(eq=False)
class PictureFlow:
    """The flow of one video. Grid field k is the sum of the pictures `starts[k]` to the next."""

    pictures: FlowPictures
    info: VideoInfo
    pairs: list[tuple[Path, Path]] = attrs.field(repr=False)
    starts: NDArray[np.int64] = attrs.field(repr=False)

    def read(self, start: int, stop: int) -> NDArray[np.int8]:
        """Return the fields int8 (stop - start, H, W, 2) of grid frames start to stop - 1."""
        import torch

        fields = []
        for number in range(start, stop):
            # The last frame has no next one: its field repeats the one before.
            place = min(number, max(len(self.starts) - 2, 0))
            first, last = self.starts[place], self.starts[min(place + 1, len(self.starts) - 1)]
            fields.append(self._sum(int(first), int(last)))
        flow = torch.from_numpy(np.stack(fields)).permute(0, 3, 1, 2)
        height, width = frame_size(self.info, self.pictures.key.size)
        have = flow.shape[2:]
        if have != (height, width):
            flow = torch.nn.functional.interpolate(
                flow, (height, width), mode="bilinear", antialias=True, align_corners=False
            )
            flow *= torch.tensor([width / have[1], height / have[0]])[:, None, None]
        steps = (flow * (STEPS / _LIMIT)).round_().clamp_(-STEPS, STEPS).to(torch.int8)
        return np.ascontiguousarray(steps.permute(0, 2, 3, 1).numpy())

    def _sum(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the displacement float32 (H, W, 2) in px from picture `first` to `last`."""
        count = len(self.pairs)
        pairs = [self._field(min(n, count - 1)) for n in range(first, last)]
        if pairs:
            total: NDArray[np.float32] = np.sum(pairs, axis=0, dtype=np.float32)
            return total
        # A frame that is repeated does not move.
        return np.zeros_like(self._field(min(first, count - 1)))

    def _field(self, number: int) -> NDArray[np.float32]:
        x, y = (_grey(path) for path in self.pairs[number])
        if x.shape != y.shape:
            raise _wrong(self.info, f"{self.pairs[number][0]} and its pair have different sizes")
        steps = np.stack((x, y), -1).astype(np.float32) - _ZERO
        field: NDArray[np.float32] = steps * np.float32(2 * self.pictures.bound / 255)
        return field.clip(-self.pictures.bound, self.pictures.bound)


def open_pictures(spec: DataSpec, root: Path, key: FlowKey) -> FlowPictures | None:
    """Return the pictures that the options name, or None. Raises CannotRun for wrong options."""
    options = dict(spec.options)
    if FOLDER_OPTION not in options:
        for name in OPTIONS[1:]:
            if name in options:
                raise CannotRun(
                    f"--data {spec_text(spec)}: {name} has no effect without {FOLDER_OPTION}"
                )
        return None
    if "flow" in options:
        raise CannotRun(f"--data {spec_text(spec)}: use either flow or {FOLDER_OPTION}")
    folder = root / options[FOLDER_OPTION]
    if not folder.is_dir():
        raise cannot_read(f"--data {spec_text(spec)}: {FOLDER_OPTION}={options[FOLDER_OPTION]}")
    bound = parse_positive(spec, "flow_bound", options.get("flow_bound", f"{_LIMIT:g}"))
    fps = parse_positive(spec, "flow_fps", options["flow_fps"]) if "flow_fps" in options else None
    return FlowPictures(folder, bound, fps, key)


def _starts(pictures: FlowPictures, info: VideoInfo, count: int) -> NDArray[np.int64]:
    """Return the number of the first picture of each grid frame."""
    length, fps = grid_length(info, pictures.key.fps), pictures.key.fps
    frames = len(info.timeline.shown)
    if pictures.fps is not None:
        places = np.floor(np.arange(length) * (pictures.fps / fps) + 1e-6)
        return np.asarray(places, np.int64)
    # Programs write one picture less than frames, or as many, or leave out the last ones.
    if -2 <= frames - 1 - count <= 2 and frames != length:
        times = np.round(np.arange(length) * 1e6 / fps) + _TOLERANCE
        places = np.searchsorted(info.timeline.shown, times, "right")
        return np.asarray(places - 1, np.int64)
    if -2 <= length - 1 - count <= 2:
        return np.arange(length)
    raise _wrong(
        info,
        f"there are {count} pairs of flow pictures in {pictures.folder} for {frames} frames "
        f"({length} at {fps:g} a second); name their rate with the option flow_fps",
    )


def _pictures(folder: Path, axis: str | None) -> dict[int, Path]:
    """Return the pictures of a folder by number: those of an axis, or all."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return {}
    found = {}
    for path in entries:
        match = _NAME.fullmatch(path.name)
        if match and (axis is None or (match["axis"] or "").lower() == axis):
            found[int(match["number"])] = path
    return found


def _pairs(x: dict[int, Path], y: dict[int, Path], place: Path) -> list[tuple[Path, Path]]:
    """Return the pairs in order. Raises VideoError for a picture that is missing."""
    if not x and not y:
        return []
    numbers = sorted(x.keys() | y.keys())
    lost = [n for n in range(numbers[0], numbers[-1] + 1) if n not in x or n not in y]
    if lost:
        reason = f"picture {lost[0]} is missing: {len(x)} for x and {len(y)} for y"
        raise VideoError(place, reason, advice="compute the flow pictures again")
    return [(x[number], y[number]) for number in numbers]


def _grey(path: Path) -> NDArray[np.uint8]:
    """Return the grey values uint8 (H, W) of a picture. Raises VideoError."""
    try:
        codec = av.CodecContext.create(_DECODERS[path.suffix.lower()], "r")
        assert isinstance(codec, av.VideoCodecContext)
        frames = [*codec.decode(av.Packet(path.read_bytes())), *codec.decode(None)]
        frame = frames[0]
    except (OSError, av.FFmpegError, IndexError, ValueError) as error:
        raise VideoError(path, f"not a picture of flow ({error})") from error
    if frame.format.name.startswith(("gray", "yuvj", "yuv4")) and frame.format.name != "gray16be":
        # The first plane is the grey picture as it was written, without a change of its range.
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        return rows[: frame.height, : frame.width].copy()
    return frame.to_ndarray(format="gray").astype(np.uint8, copy=False)


def _wrong(info: VideoInfo, reason: str) -> VideoError:
    return VideoError(info.path, reason, len(info.timeline.shown), advice="see docs/data.md")
