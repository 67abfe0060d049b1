"""Open a data set by its spec. The module of a format is imported on its first use."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from anetc.data.mirrored_classes import exchange_classes
from anetc.data.plugins import load_plugin
from anetc.data.spec import spec_text
from anetc.data.values import Dataset, DataSpec, Split
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.video.clips import Recipe


class Opener(Protocol):
    """The function of a format's module that opens one split."""

    def __call__(
        self,
        spec: DataSpec,
        split: Split,
        recipe: Recipe,
        *,
        flow: bool,
        objects: int | None = None,
    ) -> Dataset:
        """Open one split; with `flow` every sample has optical flow.

        With `objects` every sample has object maps, for an object input with this number of
        channels. A format without object maps need not have this parameter.

        Raises CannotRun for missing or unreadable data and for wrong options.
        """
        ...


_OPENERS: Mapping[str, tuple[str, str]] = {
    "moments": ("anetc.data.formats.moments", "open_moments"),
    "charades": ("anetc.data.formats.charades", "open_charades"),
    "folder": ("anetc.data.formats.folder", "open_folder"),
    "list": ("anetc.data.formats.lists.open_list", "open_list"),
    "utd-mhad": ("anetc.data.formats.mhad", "open_mhad"),
    "arrays": ("anetc.data.formats.arrays", "open_arrays"),
    "motion": ("anetc.data.formats.motion.motion", "open_motion"),
}


def open_data(
    spec: DataSpec, split: Split, recipe: Recipe, *, flow: bool, objects: int | None = None
) -> Dataset:
    """Open one split of the data that `spec` names. Raises CannotRun as `Opener` does.

    `objects` is the number of channels of an object input (`anetc.data.values.object_channels`).
    Raises CannotRun if it is given and the format has no object maps.
    """
    if spec.format in _OPENERS:
        module, function = _OPENERS[spec.format]
        opener = cast(Opener, getattr(importlib.import_module(module), function))
    else:
        opener = cast(Opener, load_plugin(spec.format))
    if objects is None:
        dataset = opener(spec, split, recipe, flow=flow)
    elif "objects" in inspect.signature(opener).parameters:
        dataset = opener(spec, split, recipe, flow=flow, objects=objects)
    else:
        raise CannotRun(
            f"--data {spec_text(spec)}: the network has an object input, but the format "
            f"{spec.format} has no object maps; use a network without object inputs"
        )
    return exchange_classes(dataset, recipe.mirror) if recipe.mirror else dataset
