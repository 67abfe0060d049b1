"""Count the videos of each split and class: the output of `anetc data info`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import attrs

from anetc.data.upkeep.listing import ListedVideo
from anetc.data.values import Split


@attrs.frozen
class SplitCounts:
    """Numbers of videos and labels of one split, and of videos by class, the largest first."""

    split: str
    videos: int
    labels: int
    classes: tuple[tuple[str, int], ...]


def count_videos(entries: Sequence[ListedVideo]) -> list[SplitCounts]:
    """Return the counts of each split, in the order train, validation, test."""
    found = []
    present = {entry.split for entry in entries}
    for split in (name for name in get_args(Split) if name in present):
        members = [entry for entry in entries if entry.split == split]
        classes = Counter(label for entry in members for label in dict.fromkeys(entry.labels))
        ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
        found.append(SplitCounts(split, len(members), sum(classes.values()), tuple(ranked)))
    return found
