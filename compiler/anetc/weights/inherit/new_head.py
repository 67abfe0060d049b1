"""A new classifier for other classes: rows of classes that the parent has are inherited by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import SINK
from anetc.weights.trained_on import TrainedOn, are_numbered, listed_classes, match_classes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anetdsl.ir import Network


@attrs.frozen
class NewHead:
    """The rows of a new classifier that are inherited."""

    numbers: tuple[int | None, ...]
    """For each class its number in the parent; None for a class with initial values."""
    note: str
    """A sentence about the classes, for the report."""

    @property
    def rows(self) -> tuple[list[int], list[int]]:
        """The numbers of the inherited classes, here and in the parent."""
        pairs = [(row, number) for row, number in enumerate(self.numbers) if number is not None]
        return [row for row, _ in pairs], [number for _, number in pairs]

    def copy_rows(self, found: Tensor, target: Tensor) -> int | str:
        """Copy rows of the parent's classifier into the new one.

        Return the number of copied values, or the reason why none is copied.
        """
        here, there = self.rows
        if not here:
            return "no class of the parent has the name of one here"
        if found.shape[1:] != target.shape[1:] or max(there) >= len(found):
            return "shape of the parent's classifier"
        if not found.isfinite().all():
            return "the parent's values are not finite"
        target[torch.tensor(here)] = found[torch.tensor(there)].to(target)
        return len(here) * target[0].numel()


def new_head(trained_on: TrainedOn | None, classes: Sequence[str]) -> NewHead:
    """Return which rows a classifier of `classes` inherits from a network trained on others.

    Without names on one side, all rows are new.
    """
    nothing = (None,) * len(classes)
    if trained_on is None:
        return NewHead(nothing, "classifier: new; the parent's weights hold no names of classes")
    if are_numbered(trained_on.classes) or are_numbered(classes):
        return NewHead(nothing, "classifier: new; the classes have no names, only numbers")
    numbers = match_classes(trained_on.classes, classes).numbers
    kept = [name for name, number in zip(classes, numbers) if number is not None]
    new = [name for name, number in zip(classes, numbers) if number is None]
    parts = []
    if kept:
        parts.append(f"inherited by name: {listed_classes(kept)}")
    if new:
        parts.append(f"new: {listed_classes(new)}")
    return NewHead(tuple(numbers), f"classifier: {'; '.join(parts)}")


def with_classes_of(network: Network, tensors: Mapping[str, Tensor]) -> Network:
    """Return a network with as many classes as the classifier in these tensors."""
    bias = tensors.get(f"{SINK}.fc.bias")
    if bias is None or bias.ndim != 1:
        return network
    return attrs.evolve(network, sink=attrs.evolve(network.sink, classes=len(bias)))
