"""Compute the optical flow of a whole data set once: the command `anetc data flow`."""

from __future__ import annotations

import errno
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from anetc.data.upkeep.flow_files import DamagedFlowError, FlowFolder, FlowKey
from anetc.data.upkeep.process_pool import map_in_processes
from anetc.memory import is_out_of_memory
from anetc.video.decode import VideoInfo, decode, grid_length, probe
from anetc.video.flow.fields import whole_flow
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun
from anetdsl.files import DISK_FULL
from anetdsl.locks import locked_if_possible

_log = logging.getLogger("anetc.data")
_WAITING = "%s computes this flow; waiting until it has ended"
_FOR_ALL = (*DISK_FULL, errno.EROFS)
"""Errors after which no other file can be written either."""
FRAMES_AT_ONCE = 64
"""Number of decoded frames in memory at a time: a video may be long."""


@attrs.frozen
class FlowOutcome:
    """Outcome for one video: its flow was computed or cached, or the video cannot be read."""

    path: str
    outcome: Literal["computed", "cached", "failed"]
    fields: int = 0
    """Number of fields that were computed."""
    bytes: int = 0
    """Size of the file that was written."""
    reason: str = ""
    """Reason of a failure."""


def compute_flow(
    root: Path, folder: FlowFolder, paths: Sequence[str], workers: int, device: str = "cpu"
) -> Iterator[FlowOutcome]:
    """Compute the flow of the videos at these paths below `root`, into `folder`.

    Complete files of the same video are kept. A video that fails does not stop the others. While
    another process computes the same flow, this one waits, which the log reports. With the device
    `cuda` the workers use all GPUs in turn. Raises CannotRun where nothing can be written, or the
    disk is full.
    """
    folder.prepare()
    with locked_if_possible(folder.lock, lambda holder: _log.warning(_WAITING, holder)) as held:
        if held:
            folder.remove_unfinished()
        compute = partial(_compute, root, folder, device)
        yield from map_in_processes(compute, paths, workers, _lost)


def _compute(root: Path, folder: FlowFolder, device: str, path: str) -> FlowOutcome:
    try:
        info = probe(root / path)
        if _is_cached(folder, path, info):
            return FlowOutcome(path, "cached")
        fields = video_flow(info, folder.key, device_of_process(device))
        return FlowOutcome(path, "computed", len(fields), folder.write(path, info, fields))
    except VideoError as error:
        return FlowOutcome(path, "failed", reason=str(error))
    except CannotRun as error:
        if isinstance(error.__context__, OSError) and error.__context__.errno in _FOR_ALL:
            raise
        return FlowOutcome(path, "failed", reason=str(error))
    except OSError as error:
        return FlowOutcome(path, "failed", reason=f"{root / path}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _lost(path, "there is not enough memory to compute its flow")


def _lost(path: str, reason: str) -> FlowOutcome:
    return FlowOutcome(path, "failed", reason=f"{path}: {reason}")


def device_of_process(device: str) -> str:
    """Return the device of this worker process: with `cuda`, one GPU after another."""
    if device != "cuda":
        return device
    import torch

    identity = multiprocessing.current_process()._identity
    number = identity[-1] if identity else 0
    return f"cuda:{number % max(1, torch.cuda.device_count())}"


def video_flow(info: VideoInfo, key: FlowKey, device: str = "cpu") -> NDArray[np.int8]:
    """Compute the fields int8 (T, H, W, 2) of all frames of a video. Raises VideoError."""
    length = grid_length(info, key.fps)
    parts: list[NDArray[np.int8]] = []
    for start in range(0, max(length - 1, 1), FRAMES_AT_ONCE - 1):
        # The last frame of a part is the first of the next: a field needs two frames.
        frames = decode(
            info,
            fps=key.fps,
            start=start / key.fps,
            frames=min(FRAMES_AT_ONCE, length - start),
            size=key.size,
        )
        fields = whole_flow(frames.pixels, device)
        last = start + len(fields) >= length
        parts.append(fields if last else fields[:-1])
    return np.concatenate(parts)


def _is_cached(folder: FlowFolder, path: str, info: VideoInfo) -> bool:
    try:
        stored = folder.find(path, info)
        if stored is None:
            return False
        # After a crash the end of a file may be missing.
        stored.read(stored.shape[0] - 1, stored.shape[0])
    except DamagedFlowError:
        return False
    return True
