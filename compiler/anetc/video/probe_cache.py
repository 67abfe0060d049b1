"""Keep the properties of examined files, for the next epoch of training.

Reading all packets of a long file takes longer than decoding a clip of it.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from pathlib import Path

import attrs

from anetc.video.probe import VideoInfo, examine

MOST_MEMORY = 64 << 20
"""Limit in bytes of what is kept in a process; the least recently used files go first."""

# Bytes of a file's properties, and of one of its packets.
_PER_FILE, _PER_PACKET = 2048, 20
# Some file systems store times in steps of two seconds: a file can change twice in a step.
_SETTLED = 3.0

_Key = tuple[str, int, int, int, int]


@attrs.define
class _Kept:
    """Files in the order of their last use, and about the memory that they take.

    The operations of the dictionary are atomic, so that threads need no lock.
    """

    files: OrderedDict[_Key, VideoInfo] = attrs.field(factory=OrderedDict)
    memory: int = 0

    def take(self, key: _Key) -> VideoInfo | None:
        """Remove and return a file's properties, if they are kept."""
        info = self.files.pop(key, None)
        self.memory -= 0 if info is None else _memory(info)
        return info

    def put(self, key: _Key, info: VideoInfo) -> None:
        """Keep a file as the most recently used one."""
        self.files[key] = info
        self.memory += _memory(info)
        while self.memory > MOST_MEMORY and len(self.files) > 1:
            self.memory -= _memory(self.files.popitem(last=False)[1])


_kept = _Kept()


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read all packets of a file and decode its first frame.

    The result is kept, and returned again for a file of the same size, times and inode. Damage that
    leaves readable frames is reported in `VideoInfo.damage`. Raises VideoError for a file that is
    not a video, and where no frame can be decoded.
    """
    key = _key(path)
    info = None if key is None else _kept.take(key)
    if info is None:
        info = examine(path)
        if key is None or key != _key(path):
            return info
    elif info.path != os.fspath(path):
        info = attrs.evolve(info, path=os.fspath(path))
    assert key is not None
    _kept.put(key, info)
    return info


def _key(path: str | os.PathLike[str]) -> _Key | None:
    """Return what identifies the content of a file; None if it has just changed."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    if time.time() - max(status.st_mtime, status.st_ctime) < _SETTLED:
        return None
    name = str(Path(path).absolute())
    return name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _memory(info: VideoInfo) -> int:
    return _PER_FILE + _PER_PACKET * len(info.timeline.times)
