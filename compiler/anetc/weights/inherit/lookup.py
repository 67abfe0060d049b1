"""Whose weights a weights file holds: the text that belongs to it, and inheritance from both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from anetc.modules.network import NetworkModule, NetworkParts
from anetc.weights.files import read_weights
from anetc.weights.inherit.inheritance import Inheritance, inherit
from anetdsl.checking import check_file
from anetdsl.errors import CannotRun
from anetdsl.terminal import visible

if TYPE_CHECKING:
    from anetdsl.evolve.operations import Operation
    from anetdsl.ir import Network

_BESIDE = ("model.anet", "trained.anet")
"""What `anetc train` and `anetc trial` call the text that they write beside the weights."""


def inherit_file(
    model: NetworkParts,
    weights: str | Path,
    text: str | Path | None = None,
    operations: Sequence[Operation] = (),
) -> Inheritance:
    """Copy into a model what the weights of its parent give; see `inherit`.

    `text` is the parent's; without it that beside the weights (`model.anet`, `trained.anet`), or
    the model's own if the weights are of that. `operations` lead from the
    parent to the model's network; without them nodes of equal names correspond. Raises CannotRun
    where a file cannot be read, and where the weights are of another text.
    """
    weights = Path(weights)
    _, tensors = read_weights(weights)
    if text is not None:
        parent = _load(Path(text))
        if (problem := misfit(parent, tensors)) is not None:
            raise CannotRun(f"{weights}: not the weights of {text}: {problem}")
    else:
        parent = _found(model.network, weights, tensors)
    return inherit(model, parent, tensors, operations)


def misfit(network: Network, tensors: dict[str, Tensor]) -> str | None:
    """Why tensors are not those of a network; None where they are."""
    with torch.device("meta"):
        expected = NetworkModule(network).state_dict()
    for name, tensor in expected.items():
        if name.endswith(".num_batches_tracked"):
            continue
        if name not in tensors:
            return f"there is no {name}"
        if tensors[name].shape != tensor.shape:
            shapes = (" x ".join(map(str, t.shape)) for t in (tensors[name], tensor))
            return f"{name} is {' for '.join(shapes)}"
    return None


def _found(own: Network, weights: Path, tensors: dict[str, Tensor]) -> Network:
    """The network whose weights these are, of those that may be."""
    beside = (weights.with_name(name) for name in _BESIDE)
    for path in beside:
        if path.is_file() and misfit(parent := _load(path), tensors) is None:
            return parent
    if misfit(own, tensors) is None:
        return own
    raise CannotRun(
        f"{weights}: whose weights these are is not said: there is no {' or '.join(_BESIDE)} "
        "of theirs beside them, and they are not this network's; name their text"
    )


def _load(path: Path) -> Network:
    checked = check_file(path)
    if checked.network is None:
        raise CannotRun(
            f"{visible(str(path))}: has errors, `anetc check` shows them; "
            "it cannot be the text of weights"
        )
    return checked.network
