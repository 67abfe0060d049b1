"""The flow of a whole data set, computed once: what `anetc data flow` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.upkeep.flow_files import DamagedFlowError, FlowFolder, FlowKey
from anetc.data.upkeep.pool import in_processes
from anetc.video.decode import VideoInfo, decode, grid_length, probe
from anetc.video.flow.fields import whole_flow
from anetc.video.source import VideoError

FRAMES_AT_ONCE = 64
"""Frames that are held decoded: a video may be long."""


@attrs.frozen
class FlowCounts:
    """What became of a video: its flow was made, was there, or the video cannot be read."""

    path: str
    outcome: Literal["made", "there", "failed"]
    fields: int = 0
    bytes: int = 0
    reason: str = ""


def make_flow(
    root: Path, folder: FlowFolder, paths: Sequence[str], workers: int
) -> Iterator[FlowCounts]:
    """Compute the flow of the videos at these paths below `root`, once and for all, into `folder`.

    Files that are there, whole and of the same video, are left alone. Raises CannotRun where files
    cannot be written.
    """
    yield from in_processes(partial(_make, root, folder), paths, workers)


def _make(root: Path, folder: FlowFolder, path: str) -> FlowCounts:
    try:
        info = probe(root / path)
        if _is_there(folder, path, info):
            return FlowCounts(path, "there")
        fields = flow_of(info, folder.key)
        return FlowCounts(path, "made", len(fields), folder.write(path, info, fields))
    except VideoError as error:
        return FlowCounts(path, "failed", reason=str(error))


def flow_of(info: VideoInfo, key: FlowKey) -> NDArray[np.int8]:
    """The fields int8 (T, H, W, 2) of all frames of a video. Raises VideoError."""
    length = grid_length(info, key.fps)
    parts: list[NDArray[np.int8]] = []
    for start in range(0, max(length - 1, 1), FRAMES_AT_ONCE - 1):
        # One frame more than fields: each leads to the next.
        frames = decode(
            info,
            fps=key.fps,
            start=start / key.fps,
            frames=min(FRAMES_AT_ONCE, length - start),
            size=key.size,
        )
        fields = whole_flow(frames.pixels)
        last = start + len(fields) >= length
        parts.append(fields if last else fields[:-1])
    return np.concatenate(parts)


def _is_there(folder: FlowFolder, path: str, info: VideoInfo) -> bool:
    try:
        stored = folder(path, info)
        if stored is None:
            return False
        # The end of the file is what is missing where a disk has lost it.
        stored.read(stored.shape[0] - 1, stored.shape[0])
    except DamagedFlowError:
        return False
    return True
