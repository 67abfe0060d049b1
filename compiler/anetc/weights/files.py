"""Weights files: safetensors files with the parameters and statistics of a model.

`anetc.modules.names` defines the names of the tensors. Counters of batch normalisations
(`num_batches_tracked`) are not stored, because no computation uses them. The header has one
metadata entry, `anet`, which is JSON: the version of the format, the name of the network, and the
SHA-256 of its text. No content of such a file is executed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import safetensors
import torch
from safetensors.torch import save

from anetc.modules.names import is_counter, split_name
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from anetc.modules.network import NetworkParts
    from anetdsl.ir import Network

FORMAT_VERSION = 1
_METADATA_KEY = "anet"
_MAX_NAME = 80
"""Longest name in a message, in characters."""
_MAX_ITEMS = 4
"""Most nodes, and most tensors of a node, in a message."""


class WeightsError(CannotRun):
    """Weights cannot be read or do not fit the network. The message is one line."""


@attrs.frozen
class WeightsInfo:
    """The description in a weights file; None where the file has none."""

    network: str | None = None
    """Name of the network."""
    text_sha256: str | None = None
    """`text_hash` of the network. The tensors may fit other texts, too."""


def text_hash(network: Network) -> str:
    """Return the SHA-256 of the network's canonical text, in hexadecimal."""
    return hashlib.sha256(str(network).encode()).hexdigest()


def save_weights(model: NetworkParts, path: str | Path) -> None:
    """Write the weights of a model to a file, atomically. Equal models give equal bytes.

    Raise CannotRun if the file cannot be written.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not is_counter(name)
    }
    # Only one entry, because the order of several entries differs between runs.
    about = {
        "version": FORMAT_VERSION,
        "network": model.network.name,
        "text_sha256": text_hash(model.network),
    }
    # `save_file` would write a file that only its owner can read.
    write_atomically(path, save(tensors, {_METADATA_KEY: json.dumps(about)}))


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

    Raise WeightsError for a file that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path}: a folder, not a weights file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            info = _parse_metadata(path, file.metadata() or {})
            return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {_reason(error)}") from error


def assign_weights(model: NetworkParts, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors by name into the parameters and statistics of a model, all of them or none.

    Messages name the tensors' `source`, such as a path. Raise WeightsError, which lists by node the
    tensors that are missing, unknown, or of a wrong shape.
    """
    expected = {name: t for name, t in model.state_dict().items() if not is_counter(name)}
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
    if problems:
        raise WeightsError(
            f"{source}: weights do not fit network {model.network.name}: {'; '.join(problems)}"
        )
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(given[name])


def _parse_metadata(path: Path, metadata: Mapping[str, str]) -> WeightsInfo:
    if _METADATA_KEY not in metadata:
        return WeightsInfo()
    try:
        about: Any = json.loads(metadata[_METADATA_KEY])
        version, network, digest = about["version"], about["network"], about["text_sha256"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(f"{path}: the metadata entry {_METADATA_KEY!r} is damaged") from error
    if version != FORMAT_VERSION:
        raise WeightsError(
            f"{path}: unknown weights format {version!r}; this version of anetc reads format "
            f"{FORMAT_VERSION}"
        )
    return WeightsInfo(str(network), str(digest))


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


def _reason(error: Exception) -> str:
    """Return the reason of an error in one line, without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
