"""Open a data set by its spec. The module of a format is imported on its first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from anetc.data.values import Dataset, DataSpec, Format, Split

if TYPE_CHECKING:
    from anetc.video.clips import Recipe


class Opener(Protocol):
    """The function of a format's module that opens one split."""

    def __call__(self, spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> Dataset:
        """Open one split; with `flow` every sample has optical flow.

        Raises CannotRun for missing or unreadable data and for wrong options.
        """
        ...


_OPENERS: Mapping[Format, tuple[str, str]] = {
    "moments": ("anetc.data.formats.moments", "open_moments"),
    "charades": ("anetc.data.formats.charades", "open_charades"),
    "folder": ("anetc.data.formats.folder", "open_folder"),
    "utd-mhad": ("anetc.data.formats.mhad", "open_mhad"),
    "arrays": ("anetc.data.formats.arrays", "open_arrays"),
    "motion": ("anetc.data.formats.motion.motion", "open_motion"),
}


def open_data(spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool) -> Dataset:
    """Open one split of the data that `spec` names. Raises CannotRun as `Opener` does."""
    module, function = _OPENERS[spec.format]
    opener = cast(Opener, getattr(importlib.import_module(module), function))
    return opener(spec, split, recipe, flow=flow)
