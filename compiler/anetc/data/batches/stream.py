"""The order of training: an endless stream of videos, the same whatever reads it.

The stream is one permutation of the data set after another, one for each epoch, drawn by (seed,
epoch). Batch i is its places i * batch to (i + 1) * batch - 1: a function of (seed, i) alone.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray


@attrs.frozen
class Place:
    """A place of the stream: the video `index`, in its epoch."""

    epoch: int
    index: int


def place(seed: int, count: int, position: int) -> Place:
    """What stands at a position of the stream of `count` videos."""
    epoch, rank = divmod(position, count)
    return Place(epoch, int(permutation(seed, epoch, count)[rank]))


@lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of one epoch: 0 to count - 1, each once."""
    digest = hashlib.blake2b(f"order {int(seed)} {int(epoch)}".encode()).digest()
    # The one generator of numpy's whose numbers are promised never to change.
    order = np.random.RandomState(np.frombuffer(digest, "<u4").astype(np.uint32)).permutation(count)
    order.setflags(write=False)
    return order.astype(np.int64, copy=False)
