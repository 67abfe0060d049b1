"""Weights files: safetensors with a model's parameters and statistics, named as in `modules.names`.

Counters of batch normalisation (`num_batches_tracked`) are left out: nothing reads them. The
header's one metadata entry, `anet`, is JSON: the format's version, the network's name and its
text's SHA-256. Nothing in such a file is ever executed.
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

from anetc.modules.names import split_name
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from anetc.modules.network import NetworkParts
    from anetdsl.ir import Network

FORMAT_VERSION = 1
_METADATA_KEY = "anet"
_LONGEST = 80
_SHOWN = 4
"""Nodes, and tensors of a node, that a message names before it says `and N more`."""


class WeightsError(CannotRun):
    """Weights that cannot be read, or do not fit the network. The message is one line."""


@attrs.frozen
class WeightsInfo:
    """What a weights file says of itself; None where it does not say."""

    network: str | None = None
    text_sha256: str | None = None
    """`text_hash` of the network that was saved. Its tensors may fit other texts too."""


def text_hash(network: Network) -> str:
    """SHA-256 of the network's canonical text, in hexadecimal."""
    return hashlib.sha256(str(network).encode()).hexdigest()


def save_weights(model: NetworkParts, path: str | Path) -> None:
    """Write a model's weights to a file, which appears complete or not at all.

    Equal models give equal bytes. Raises CannotRun when the file cannot be written.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not _is_counter(name)
    }
    # One entry: the order of several is not the same from run to run.
    about = {
        "version": FORMAT_VERSION,
        "network": model.network.name,
        "text_sha256": text_hash(model.network),
    }
    # Not `save_file`, whose files only their owner can read.
    write_atomically(path, save(tensors, {_METADATA_KEY: json.dumps(about)}))


def load_weights(model: NetworkParts, path: str | Path) -> WeightsInfo:
    """Read a weights file into a model, in place, and say what the file says of itself.

    Tensors of other floating types are converted. Raises WeightsError, and leaves the model as it
    was, when the file is missing, no safetensors file, of a newer format, or does not fit.
    """
    info, tensors = read_weights(path)
    fill(model, tensors, str(path))
    return info


def read_weights(path: str | Path) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """A weights file's tensors by name, and what it says of itself. Raises WeightsError."""
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path}: is a folder, not a weights file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            info = _parse_metadata(path, file.metadata() or {})
            return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {_reason(error)}") from error


def fill(model: NetworkParts, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors by name into a model's parameters and statistics, all of them or none.

    `source` says in messages where the tensors come from. Raises WeightsError, with what is
    missing, left over or misshapen, by node.
    """
    expected = {name: t for name, t in model.state_dict().items() if not _is_counter(name)}
    given = {name: t for name, t in tensors.items() if not _is_counter(name)}
    problems = [
        *_by_node("missing", [(name, "") for name in expected if name not in given]),
        *_by_node("not in the network", [(name, "") for name in given if name not in expected]),
        *_by_node(
            "of another shape or type",
            [
                (name, f" {_describe(given[name])} for {_describe(expected[name])}")
                for name in expected
                if name in given and not _fits(given[name], expected[name])
            ],
        ),
    ]
    if problems:
        raise WeightsError(
            f"{source}: does not fit network {model.network.name}: {'; '.join(problems)}"
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
        raise WeightsError(f"{path}: its metadata entry {_METADATA_KEY!r} is damaged") from error
    if version != FORMAT_VERSION:
        raise WeightsError(
            f"{path}: weights format {version!r} is not known; this version reads {FORMAT_VERSION}"
        )
    return WeightsInfo(str(network), str(digest))


def _by_node(problem: str, tensors: Iterable[tuple[str, str]]) -> list[str]:
    """One phrase that lists tensors, each with a remark, by node; none for no tensors."""
    nodes: dict[str, list[str]] = {}
    for name, remark in tensors:
        node, rest = map(_printable, split_name(name))
        nodes.setdefault(node, []).extend([f"{rest}{remark}"] if rest else [])
    listed = [f"{node} ({_some(rests)})" if rests else node for node, rests in nodes.items()]
    return [f"{problem}: {_some(listed)}"] if listed else []


def _some(items: list[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _printable(text: str) -> str:
    """A name from a file, which may hold anything, fit for a line."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_LONGEST])
    return shown + "..." * (len(text) > _LONGEST)


def _fits(given: Tensor, expected: Tensor) -> bool:
    return given.shape == expected.shape and given.is_floating_point()


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _reason(error: Exception) -> str:
    """The error in a few words, without the path that the message already begins with."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
