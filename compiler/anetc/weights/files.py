"""Weights files: safetensors files with the parameters and statistics of a model.

`anetc.modules.names` defines the names of the tensors. Counters of batch normalisations
(`num_batches_tracked`) are not stored, because no computation uses them. The header describes the
network and what it was trained on (`anetc.weights.metadata`). No content of such a file is
executed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from safetensors.torch import save

from anetc.modules.names import SINK, is_counter, split_name
from anetc.weights.metadata import WeightsError, WeightsInfo, info_of_metadata, unreadable
from anetc.weights.network_structure import structure_hash
from anetc.weights.trained_on import TrainedOn, listed_classes
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from anetc.modules.network import NetworkParts
    from anetdsl.ir import Network

__all__ = [
    "WeightsError",
    "WeightsInfo",
    "assign_weights",
    "load_weights",
    "read_weights",
    "save_weights",
    "text_hash",
]

_MAX_NAME = 80
"""Longest name in a message, in characters."""
_MAX_ITEMS = 4
"""Most nodes, and most tensors of a node, in a message."""


def text_hash(network: Network) -> str:
    """Return the SHA-256 of the network's canonical text, in hexadecimal."""
    return hashlib.sha256(str(network).encode()).hexdigest()


def save_weights(
    model: NetworkParts,
    path: str | Path,
    trained_on: TrainedOn | None = None,
    validation: Mapping[str, Any] | None = None,
) -> None:
    """Write the weights of a model to a file, atomically. Equal models give equal bytes.

    `trained_on` describes the training; without it, commands know neither the names of the classes
    nor the size of the clips. `validation` is as in WeightsInfo. Raise CannotRun if the file cannot
    be written, and if `trained_on` has another number of classes than the model.
    """
    if trained_on is not None and len(trained_on.classes) != model.network.sink.classes:
        raise CannotRun(
            f"{path}: not written: network {model.network.name} has {model.network.sink.classes} "
            f"classes, but the training had {listed_classes(trained_on.classes)}; pass the "
            "training of this network"
        )
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not is_counter(name)
    }
    network = model.network
    info = WeightsInfo(
        network.name, text_hash(network), trained_on, validation, structure_hash(network)
    )
    # `save_file` would write a file that only its owner can read.
    write_atomically(path, save(tensors, info.to_metadata()))


def load_weights(model: NetworkParts, path: str | Path) -> WeightsInfo:
    """Load a weights file into a model and return the description in the file.

    Tensors of other floating-point types are converted. Raise WeightsError, without a change of the
    model, for a file that is missing, damaged, of a newer format, or of another network.
    """
    info, tensors = read_weights(path)
    assign_weights(model, tensors, str(path))
    return info


def read_weights(path: str | Path) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """Return the description in a weights file and its tensors by name.

    Raise WeightsError for a file that cannot be read, and for one that names more or fewer classes
    than its classifier has.
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path}: a folder, not a weights file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            info = info_of_metadata(path, file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise unreadable(path, error) from error
    bias = tensors.get(f"{SINK}.fc.bias")
    if info.trained_on is not None and bias is not None and bias.ndim == 1:
        names, rows = len(info.trained_on.classes), len(bias)
        if names != rows:
            raise WeightsError(
                f"{path}: the file is damaged: it has the names of {names} classes, but its "
                f"classifier has {rows}; use another copy of the weights"
            )
    return info, tensors


def assign_weights(model: NetworkParts, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors by name into the parameters and statistics of a model, all of them or none.

    Messages name the tensors' `source`, such as a path. Raise WeightsError, which lists by node the
    tensors that are missing, unknown, or of a wrong shape.
    """
    state = model.state_dict()
    if problem := find_misfit(state, tensors):
        raise WeightsError(
            f"{source}: weights do not fit network {model.network.name}: {problem}; use the text "
            "that the weights were trained with"
        )
    with torch.no_grad():
        for name, tensor in state.items():
            if not is_counter(name):
                tensor.copy_(tensors[name])


def find_misfit(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """Return in words why tensors do not fit a state dict, or None if they fit.

    The text lists by node the tensors that are missing, unknown, or of a wrong shape or type.
    """
    expected = {name: t for name, t in state.items() if not is_counter(name)}
    given = {name: t for name, t in tensors.items() if not is_counter(name)}
    problems = [
        *_by_node("missing", [(name, "") for name in expected if name not in given]),
        *_by_node("not in the network", [(name, "") for name in given if name not in expected]),
        *_by_node(
            "of another shape or type",
            [
                (name, f" {_describe(given[name])} instead of {_describe(expected[name])}")
                for name in expected
                if name in given and not _fits(given[name], expected[name])
            ],
        ),
    ]
    return "; ".join(problems) or None


def _by_node(problem: str, tensors: Iterable[tuple[str, str]]) -> list[str]:
    """Return a phrase that lists tensors by node, each with a remark; none for no tensors."""
    nodes: dict[str, list[str]] = {}
    for name, remark in tensors:
        node, rest = map(_printable, split_name(name))
        nodes.setdefault(node, []).extend([f"{rest}{remark}"] if rest else [])
    items = [f"{node} ({_first(rests)})" if rests else node for node, rests in nodes.items()]
    return [f"{problem}: {_first(items)}"] if items else []


def _first(items: list[str]) -> str:
    """Return the first items as a list in words, with the number of the others."""
    more = len(items) - _MAX_ITEMS
    return ", ".join(items[:_MAX_ITEMS]) + (f" and {more} more" if more > 0 else "")


def _printable(text: str) -> str:
    """Return a name from a file, which may hold any characters, for a message of one line."""
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_MAX_NAME])
    return escaped + "..." * (len(text) > _MAX_NAME)


def _fits(given: Tensor, expected: Tensor) -> bool:
    return given.shape == expected.shape and given.is_floating_point()


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
