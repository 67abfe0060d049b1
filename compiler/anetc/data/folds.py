"""Folds over groups: each group of the training videos validates in turn.

The option `folds=1,3,5,7` names groups, such as persons, and `fold=3` the group that validates; the
other groups of `folds` are for training. A search chooses the fold of each training. With
`fold=all` all groups of `folds` are for training, and there is no validation split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from anetc.data.spec import spec_text
from anetc.data.values import DataSpec, Split
from anetdsl.errors import CannotRun

OPTIONS = ("folds", "fold")
ALL = "all"
"""Value of `fold` with which all groups are for training."""


def fold_specs(spec: DataSpec) -> tuple[DataSpec, ...]:
    """Return the spec of each fold; the spec itself if it has no folds, or names one of them.

    Raises CannotRun for fewer than two folds or a repeated one.
    """
    options = dict(spec.options)
    if "folds" not in options or "fold" in options:
        return (spec,)
    return tuple(
        attrs.evolve(spec, options=(*spec.options, ("fold", fold))) for fold in _folds(spec)
    )


def with_fold(spec: DataSpec, seed: int) -> DataSpec:
    """Return the spec of the fold that a seed chooses, or the spec itself if it has no folds."""
    found = fold_specs(spec)
    return found[seed % len(found)]


def with_all_groups(spec: DataSpec) -> DataSpec:
    """Return the spec with all groups of its folds in the training split, and no validation.

    Return the spec itself if it has no folds.
    """
    if len(fold_specs(spec)) == 1:
        return spec
    return attrs.evolve(spec, options=(*spec.options, ("fold", ALL)))


def rotated(spec: DataSpec) -> dict[str, Split] | None:
    """Return the split of each group in `folds`, or None without this option.

    Raises CannotRun if no fold is chosen or it is none of the folds, and where the option
    `validation` or `train` contradicts the folds.
    """
    options = dict(spec.options)
    if "folds" not in options:
        if "fold" in options:
            raise _error(spec, "fold= needs folds=, which names the groups that validate in turn")
        return None
    for name in ("train", "validation"):
        if name in options:
            raise _error(spec, f"{name}= cannot be used with folds=, which sets this split")
    folds = _folds(spec)
    listed = ", ".join(folds)
    chosen = options.get("fold")
    if chosen is None:
        raise _error(spec, f"choose the group that validates by fold=, one of {listed}")
    if chosen not in (*folds, ALL):
        raise _error(spec, f"fold={chosen} is none of the folds; there are {listed}, and {ALL}")
    return {group: "validation" if group == chosen else "train" for group in folds}


def check_groups(spec: DataSpec, splits: Mapping[str, Split], groups: Sequence[str]) -> None:
    """Raise CannotRun if a group in `folds` is not among the groups of the data."""
    known = set(groups)
    for group in splits:
        if group not in known:
            shown = ", ".join(sorted(known)[:10])
            more = f" and {len(known) - 10} more" if len(known) > 10 else ""
            raise _error(
                spec, f"no video is of the group {group} of folds=; there are {shown}{more}"
            )


def _folds(spec: DataSpec) -> tuple[str, ...]:
    folds = tuple(dict(spec.options)["folds"].split(","))
    if len(folds) < 2 or "" in folds:
        raise _error(spec, "folds= must name two groups or more, such as folds=1,3,5,7")
    if len(set(folds)) < len(folds):
        raise _error(spec, "folds= names a group twice")
    if ALL in folds:
        raise _error(spec, f"folds= cannot name a group {ALL}, as fold={ALL} means all groups")
    return folds


def _error(spec: DataSpec, message: str) -> CannotRun:
    return CannotRun(f"--data {spec_text(spec)}: {message}")
