"""How many videos of each class a data set has: what `anetc data info` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from anetc.data.upkeep.listing import ListedVideo


@attrs.frozen
class Census:
    """The videos of one split: how many, how many labels in all, and by class, most first."""

    split: str
    videos: int
    labels: int
    classes: tuple[tuple[str, int], ...]


def count(entries: Sequence[ListedVideo]) -> list[Census]:
    """A census of each split."""
    found = []
    for split in dict.fromkeys(entry.split for entry in entries):
        members = [entry for entry in entries if entry.split == split]
        classes = Counter(label for entry in members for label in dict.fromkeys(entry.labels))
        ranked = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
        found.append(Census(split, len(members), sum(classes.values()), tuple(ranked)))
    return found
