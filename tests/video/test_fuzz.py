"""Mutations of small files: no hang, no other exception, and no wrong frame without a word.

Frames hold their number. A number that does not belong to the time of its frame is wrong, except
where a joined recording starts.
"""

from __future__ import annotations

import random
import time
from itertools import pairwise
from pathlib import Path

import pytest

from anetc.video.decode import VideoError, decode, probe
from tests.video.mutations import CONTENT, KINDS, STRUCTURE, counted, join, read_number

FRAMES, OTHER, FPS, GOP = 40, 100, 25, 10
LONGEST = 20
"""Seconds."""
UNCHECKED = frozenset({"gif", "webm"})
"""GIF and VP8 have no redundancy: after a change of their bytes they are other valid pictures."""
MOST_UNNOTICED = 0.05
"""Share of all mutations that give another valid film of other codecs; usually 0 to 1 %."""


@pytest.fixture(params=KINDS)
def sources(request, film) -> tuple[str, Path, bytes, bytes]:
    """The kind of a container, a path, and the bytes of two films."""
    kind = request.param
    suffix, how = KINDS[kind]
    size = how.get("size", (64, 48))
    paths = [
        film(
            f"{first}.{suffix}", [counted(first + n, *size) for n in range(FRAMES)], gop=GOP, **how
        )
        for first in (0, OTHER)
    ]
    data, other = (path.read_bytes() for path in paths)
    return kind, paths[0].with_name(f"mutant.{suffix}"), data, other


def test_mutations(sources):
    """25 of each kind, 300 together."""
    _try(*sources, count=25, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_mutations(sources, seed):
    """600 of each kind, 7200 together."""
    _try(*sources, count=150, seed=seed)


def _try(kind: str, path: Path, data: bytes, other: bytes, *, count: int, seed: int) -> None:
    path.write_bytes(data)
    assert _wrong(path, joined=False) is None
    rng = random.Random(f"{kind} {seed}")
    mutations = (*STRUCTURE, *CONTENT)
    unnoticed = []
    for number in range(count):
        mutation = mutations[number % len(mutations)]
        path.write_bytes(mutation(data, rng, other, kind) or b"\0")
        started = time.monotonic()
        wrong = _wrong(path, joined=mutation is join)
        assert time.monotonic() - started < LONGEST
        if wrong is None or kind in UNCHECKED:
            continue
        assert mutation in CONTENT, f"{kind} {seed}, {number} ({mutation.__name__}): {wrong}"
        unnoticed.append(wrong)
    assert len(unnoticed) <= max(MOST_UNNOTICED * count, 1), unnoticed


def _wrong(path: Path, *, joined: bool) -> list[int | None] | None:
    """Return the numbers of all frames if one is wrong and no damage is reported."""
    try:
        info = probe(path)
        found = decode(info, fps=FPS)
    except VideoError:
        return None
    numbers = [read_number(pixels) for pixels in found.pixels]
    if None in numbers:
        return numbers
    offsets = [number - round(at * FPS) for number, at in zip(numbers, found.times, strict=True)]
    changes = sum(a != b for a, b in pairwise(offsets))
    return numbers if changes > joined else None
