"""Count the videos of each split and class: the output of `anetc data info`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from anetc.data.upkeep.listing import ListedVideo


@attrs.frozen
class SplitCounts:
    """Numbers of videos and labels of one split, and of videos by class, the largest first."""

    split: str
    videos: int
    labels: int
    classes: tuple[tuple[str, int], ...]


def count_videos(entries: Sequence[ListedVideo]) -> list[SplitCounts]:
    """Return the counts of each split."""
    found = []
    for split in dict.fromkeys(entry.split for entry in entries):
        members = [entry for entry in entries if entry.split == split]
        classes = Counter(label for entry in members for label in dict.fromkeys(entry.labels))
        ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
        found.append(SplitCounts(split, len(members), sum(classes.values()), tuple(ranked)))
    return found
