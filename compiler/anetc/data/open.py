"""From a spec to a data set: each format has a module, loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from anetc.data.values import Dataset, DataSpec, Format, Split

if TYPE_CHECKING:
    from anetc.video.clips import Recipe


class Opener(Protocol):
    """What each format's module has. `flow` asks for optical flow with every sample.

    `seed` is of what is drawn for a whole data set, such as one that is generated; that of clips is
    given with each sample. Raises CannotRun for what is missing, unreadable or not asked for well.
    """

    def __call__(
        self, spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, seed: int = 0
    ) -> Dataset:
        """Open one split."""
        ...


_OPENERS: Mapping[Format, tuple[str, str]] = {
    "moments": ("anetc.data.formats.moments", "open_moments"),
    "charades": ("anetc.data.formats.charades", "open_charades"),
    "folder": ("anetc.data.formats.folder", "open_folder"),
    "utd-mhad": ("anetc.data.formats.mhad", "open_mhad"),
    "arrays": ("anetc.data.formats.arrays", "open_arrays"),
    "motion": ("anetc.data.formats.motion.motion", "open_motion"),
}


def open_data(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, seed: int = 0
) -> Dataset:
    """Open one split of the data that `spec` names. Raises CannotRun as `Opener` says."""
    module, function = _OPENERS[spec.format]
    opener = cast(Opener, getattr(importlib.import_module(module), function))
    return opener(spec, split, recipe, flow=flow, seed=seed)
