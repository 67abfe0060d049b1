"""Any data set of anetc as a map-style data set of PyTorch, for one's own training loop.

dataset = torch_dataset("folder:videos", "train", network=network, frames=16, size=(112, 112))
loader = DataLoader(dataset, batch_size=8, shuffle=True, collate_fn=collate)
for epoch in range(10):
    dataset.set_epoch(epoch)
    for inputs, targets in loader:
        loss = functional.cross_entropy(model(inputs), targets)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as MapDataset

from anetc.arguments import Kinds, check_arguments, check_type
from anetc.data.batches.loader import named_inputs, needs_flow, object_tensor, scaled
from anetc.data.open import open_data
from anetc.data.recipes import ClipSettings, clip_arguments, recipes_of
from anetc.data.spec import parse_spec
from anetc.data.values import Dataset, Split, object_channels
from anetc.video.clips import Recipe
from anetc.video.source import VideoError
from anetdsl.errors import CannotRun
from anetdsl.ir import Input, Network
from anetdsl.settings_reader import named_values, read_value

Item = tuple[dict[str, Tensor], Tensor]
"""Inputs of a network by name, and the target of a video."""

_log = logging.getLogger("anetc.data")


class VideoClips(MapDataset[Item]):
    """The videos of one split. Item k is `(inputs, target)` of video k; see `torch_dataset`.

    It can be pickled for the workers of a DataLoader, whichever way these are started.
    """

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        *,
        network: Network | None = None,
        objects: int | None = None,
        seed: int = 0,
        replace_unreadable: bool = False,
    ) -> None:
        """Wrap a data set that was opened with `recipe`; `torch_dataset` has the arguments."""
        self.dataset = dataset
        self.recipe = recipe
        self.network = network
        self.objects = objects
        self.seed = seed
        self.replace_unreadable = replace_unreadable
        # In shared memory, so that workers that live for several epochs see the change.
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the targets."""
        return self.dataset.classes

    @property
    def multi_label(self) -> bool:
        """True if targets are float32 (classes,) of zeros and ones, False if class numbers."""
        return self.dataset.multi_label

    @property
    def epoch(self) -> int:
        """The epoch whose clips are cut."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Cut other clips from now on. Clips are functions of (seed, epoch, video)."""
        self._epoch.fill_(epoch)

    def name(self, index: int) -> str:
        """Return the name of a video."""
        return self.dataset.name(self._index(index))

    def target(self, index: int) -> int | NDArray[np.float32]:
        """Return the class of a video, or its classes as float32 (classes,); reads no video."""
        return self.dataset.target(self._index(index))

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Item:
        """Return the inputs and the target of a video.

        Raises VideoError for a video that cannot be read; with `replace_unreadable` the next
        readable video takes its place, and the log (`anetc.data`) names it.
        """
        index, count = self._index(index), len(self)
        for step in range(count):
            try:
                return self._item((index + step) % count)
            except VideoError as error:
                if not self.replace_unreadable:
                    raise
                _log.warning("replaced by the next video: %s", error)
        raise CannotRun(f"none of the {count} videos of the {self.dataset.split} split can be read")

    def _index(self, index: int) -> int:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"there are {count} videos, not {index}")
        return index % count

    def _item(self, index: int) -> Item:
        sample = self.dataset.sample(index, seed=self.seed, epoch=self.epoch)
        clips = {"rgb": _channels_first(sample.rgb)}
        if sample.flow is not None:
            clips["flow"] = _channels_first(sample.flow)
        if sample.objects is not None:
            clips["object"] = _channels_first(sample.objects)
        clips = scaled(clips)
        if self.network is not None:
            inputs = named_inputs(self.network, clips)
        else:
            inputs = clips
            if self.objects is not None:
                value = Input("object", self.objects, "object")
                inputs["object"] = object_tensor(value, clips.get("object"))
        if self.recipe.clips == 1:
            inputs = {name: clip[0] for name, clip in inputs.items()}
        target = sample.target
        if isinstance(target, np.ndarray):
            return inputs, torch.from_numpy(target.astype(np.float32))
        return inputs, torch.tensor(target, dtype=torch.int64)


_KINDS: Kinds = {
    "split": (Split, None),
    "format": (str | None, None),
    "seed": (int, None),
    "flow": (bool | None, None),
    "objects": (int | None, None),
    "training": (bool | None, None),
}


def torch_dataset(
    data: str | os.PathLike[str],
    split: Split,
    *,
    network: Network | None = None,
    format: str | None = None,
    flow: bool | None = None,
    objects: int | None = None,
    training: bool | None = None,
    seed: int = 0,
    replace_unreadable: bool = False,
    **clips: Any,
) -> VideoClips:
    """Open a split of a data set of any format for PyTorch.

    An item is `(inputs, target)`. `inputs` holds a tensor for each input of the network, or,
    without a network, `rgb`, `flow` and `object`: float32 (C, T, H, W), RGB in [0, 1], flow in
    [-1, 1], and object maps one-hot or in [0, 1].
    Several clips per video are (clips, C, T, H, W). `target` is int64 (), or float32 (classes,) of
    zeros and ones if a video may have several labels. `collate` makes batches.

    Args:
        data: Name of the data set, as for `--data`: a path, or `FORMAT:PATH?option=value`.
        split: `train`, `validation` or `test`.
        network: Network whose inputs are wanted. It decides whether flow and object maps are
            needed.
        format: Format of `data`, if its path does not show it.
        flow: Also return optical flow; by default if the network has an input for it.
        objects: Also return object maps, with this number of channels; by default if the network
            has an input for them.
        training: Cut clips at random places, as for training; by default for `train` only. Other
            clips are those of the validation.
        seed: Seed of random clips.
        replace_unreadable: Replace a video that cannot be read by the next one.
        **clips: Fields of `anetc.data.recipes.ClipSettings`: frames, size, flip, crop_area, ...

    Raises:
        CannotRun: The data cannot be opened, or an argument is wrong.
    """
    arguments = {"split": split, "format": format, "seed": seed, "flow": flow, "training": training}
    check_arguments("torch_dataset", arguments | {"objects": objects}, _KINDS)
    if network is not None:
        check_type("torch_dataset", "network", network, Network)
        channels = object_channels(network)
        if objects not in (None, channels):
            raise CannotRun(
                f"torch_dataset: `objects` must be {channels}, as in the network, or left out"
            )
        objects = channels
    spec = parse_spec(data, format)
    given = named_values(clip_arguments(clips), "torch_dataset")
    recipes = recipes_of(spec, read_value(given, ClipSettings))
    is_training = split == "train" if training is None else training
    recipe = recipes.train if is_training else recipes.validation
    with_flow = network is not None and needs_flow(network) if flow is None else flow
    dataset = open_data(spec, split, recipe, flow=with_flow, objects=objects)
    return VideoClips(
        dataset,
        recipe,
        network=network,
        objects=objects,
        seed=seed,
        replace_unreadable=replace_unreadable,
    )


def collate(items: Sequence[Item]) -> Item:
    """Make a batch of items: inputs (N * clips, C, T, H, W), and targets (N,) or (N, classes).

    Consecutive clips belong to one video. For one clip per video, the default function of
    DataLoader returns the same.
    """
    names = items[0][0]
    inputs = {name: _join([inputs[name] for inputs, _ in items]) for name in names}
    return inputs, torch.stack([target for _, target in items])


def _join(clips: Sequence[Tensor]) -> Tensor:
    """Join tensors (C, T, H, W), or (clips, C, T, H, W), along the first axis."""
    return torch.stack(list(clips)) if clips[0].ndim == 4 else torch.cat(list(clips))


def _channels_first(clips: NDArray[Any]) -> Tensor:
    """Return arrays (clips, T, H, W, C) as a tensor (clips, C, T, H, W); others as they are."""
    moved = np.moveaxis(clips, -1, 1) if clips.ndim == 5 else clips
    return torch.from_numpy(np.ascontiguousarray(moved))
