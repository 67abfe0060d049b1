"""Assign videos to splits by hashes: stratified by class, groups of videos as a whole.

The order of the groups is that of a hash of their names, so it does not depend on the machine or on
the order of the files. A video without a group is a group of its own.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import attrs

from anetc.data.spec import parse_whole_number, spec_text
from anetc.data.values import DataSpec, Split
from anetdsl.errors import CannotRun

OPTIONS = ("validation", "test", "group")
"""Options of `split_options`."""

_HELD_OUT: tuple[Split, ...] = ("test", "validation")


@attrs.frozen
class HashSplits:
    """Percentages of the validation and test split, and the pattern of the groups."""

    validation: int
    test: int
    group: re.Pattern[str] | None = None

    def share(self, split: Split) -> int:
        """Return the percentage of a split."""
        return self.test if split == "test" else self.validation


def split_options(spec: DataSpec, *, validation: int, test: int) -> HashSplits:
    """Read the options `validation`, `test` (percentages) and `group` (a regular expression).

    `validation` and `test` are the values of options that are not given. Raises CannotRun.
    """
    options = dict(spec.options)
    shares = {"validation": validation, "test": test}
    for name in shares:
        if name in options:
            shares[name] = parse_whole_number(spec, name, options[name], 0, 100)
    if sum(shares.values()) > 100:
        raise CannotRun(f"--data {spec_text(spec)}: validation and test are more than 100 percent")
    pattern = None
    if "group" in options:
        try:
            pattern = re.compile(options["group"])
        except (re.error, RecursionError, OverflowError) as error:
            raise CannotRun(
                f"--data {spec_text(spec)}: group={options['group']} is not a regular "
                f"expression: {error}"
            ) from None
    return HashSplits(shares["validation"], shares["test"], pattern)


def group_of(spec: DataSpec, pattern: re.Pattern[str], name: str) -> str:
    """Return the group of a video: what the pattern finds in its file name, or else in its path.

    With parentheses in the pattern, it is the text in them. Raises CannotRun if nothing is found.
    """
    normal = unicodedata.normalize("NFC", name)
    found = pattern.search(PurePosixPath(normal).name) or pattern.search(normal)
    if found is None:
        raise CannotRun(
            f"--data {spec_text(spec)}: group={pattern.pattern} finds nothing in `{name}`"
        )
    return "\0".join(part or "" for part in found.groups() or (found[0],))


def hash_splits(
    spec: DataSpec, names: Sequence[str], labels: Sequence[Sequence[str]], how: HashSplits
) -> list[Split]:
    """Return the split of each video; all videos of a group are in the same split.

    Each class gives its percentage to each split, rounded, but at least one group if it has three
    groups or more, and it keeps one group for training. Raises CannotRun as `group_of`.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        key = unicodedata.normalize("NFC", name)
        members[group_of(spec, how.group, name) if how.group else key].append(place)
    order = sorted(members, key=lambda key: (_digest(key), key))
    counts = {key: Counter(label for p in members[key] for label in labels[p]) for key in order}
    drawn = _draw(order, counts, how)
    found: list[Split] = ["train"] * len(names)
    for key, split in drawn.items():
        for place in members[key]:
            found[place] = split
    return found


def split_by_hash(name: str, validation: int, test: int) -> Split:
    """Return the split of a name by its hash alone; `validation` and `test` are percentages."""
    percent = int.from_bytes(_digest(name), "big") * 100 >> 64
    if percent < test:
        return "test"
    return "validation" if percent < test + validation else "train"


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _draw(order: list[str], counts: dict[str, Counter[str]], how: HashSplits) -> dict[str, Split]:
    """Return the groups that are not for training, each with its split."""
    left: Counter[str] = Counter()  # Groups of each class that are not held out.
    totals: Counter[str] = Counter()
    for counter in counts.values():
        totals.update(counter)
        left.update(counter.keys())
    wanted = {label: _wanted(totals[label], left[label], how) for label in totals}
    held: dict[Split, Counter[str]] = {split: Counter() for split in _HELD_OUT}
    drawn: dict[str, Split] = {}
    keep = 0 if how.validation + how.test == 100 else 1

    def take(key: str, split: Split) -> None:
        drawn[key] = split
        held[split].update(counts[key])
        left.subtract(counts[key].keys())

    def gain(key: str, split: Split) -> int:
        missing = {c: wanted[c][split] - held[split][c] for c in counts[key]}
        return sum(abs(missing[c]) - abs(missing[c] - n) for c, n in counts[key].items())

    for key in order:
        gains = [gain(key, split) for split in _HELD_OUT]
        if max(gains) > 0 and all(left[label] > keep for label in counts[key]):
            take(key, _HELD_OUT[gains.index(max(gains))])
    for split in _HELD_OUT:
        for label in sorted(wanted):
            # All groups are larger than the share of the class: the smallest one is the nearest.
            if wanted[label][split] and not held[split][label]:
                free = [key for key in order if key not in drawn and counts[key][label]]
                free = [key for key in free if all(left[c] > keep for c in counts[key])]
                if free:
                    take(min(free, key=lambda key: counts[key].total()), split)
    return drawn


def _wanted(videos: int, groups: int, how: HashSplits) -> dict[Split, int]:
    """Return the number of videos of a class in each split; few groups are for training first."""
    wanted = {split: (videos * how.share(split) + 50) // 100 for split in _HELD_OUT}
    if how.validation + how.test == 100:
        wanted["test"] = videos - wanted["validation"]
        return wanted
    for rank, split in enumerate(reversed(_HELD_OUT), 2):
        if how.share(split):
            wanted[split] = max(wanted[split], 1) if groups >= rank else 0
    while sum(wanted.values()) > max(videos - 1, 0):
        wanted[max(_HELD_OUT, key=lambda split: wanted[split])] -= 1
    return wanted
