"""The order of the videos in training: an endless stream, the same for every reader.

The stream is one permutation of the data set after another, one for each epoch, a function of
(seed, epoch). Batch i is its positions i * batch to (i + 1) * batch - 1: a function of (seed, i).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray


@attrs.frozen
class StreamVideo:
    """The video `index` of the data set, in an epoch of the stream."""

    epoch: int
    index: int


def video_at(seed: int, count: int, position: int) -> StreamVideo:
    """Return the video at a position of the stream of `count` videos."""
    epoch, rank = divmod(position, count)
    return StreamVideo(epoch, int(permutation(seed, epoch, count)[rank]))


@lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order of one epoch: a permutation of 0 to count - 1."""
    digest = hashlib.blake2b(f"order {int(seed)} {int(epoch)}".encode()).digest()
    # NumPy guarantees the numbers of this generator for all versions.
    order = np.random.RandomState(np.frombuffer(digest, "<u4").astype(np.uint32)).permutation(count)
    order.setflags(write=False)
    return order.astype(np.int64, copy=False)
