"""Load weights of the authors' TensorFlow code into a model.

NumPy archives hold the authors' variables with names `var/nodeNN/ROLE/LEAF`. NN is the index of the
node. ROLE is a layer: `stem.conv`, `fuse.adapt32to64`, `m0.conv1`, ... LEAF is `kernel`, `gamma`,
`beta`, `moving_mean`, `moving_variance` or `agg_weights`. The classifier's variables are
`var/head/fc/kernel` and `var/head/fc/bias`. Kernels are [kh, kw, in, out], temporal kernels
[k, 1, in, out], and the kernel of the classifier is [in, out].

AssembleNet++ adds `attend.peerMM/kernel|bias`, the linear layer of peer MM, [in, out];
`attend.edgeMM/mix`, the mixture h of the connection from node MM, with one number per peer in the
order of `Network.peers_by_level`; and `attend.edgeMM/kernel|bias`, the linear layer of this
connection. Kernels of lite networks are [kt, kh, kw, in, out], and their sink has `head/conv1` and
`head/conv2`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anetc.modules.names import EDGES, MIXTURE, SINK, full_name, module_key
from anetc.weights.files import WeightsError, assign_weights
from anetdsl.interchange.authors import list_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from anetc.modules.network import NetworkParts
    from anetdsl.ir import Network, Node

_VARIABLE = re.compile(r"node(?P<index>\d+)/(?P<role>[\w.]+)/(?P<leaf>\w+)")
_ATTEND = re.compile(r"attend\.(?P<kind>peer|edge)(?P<index>\d+)")
_NORM_LEAVES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def load_authors_weights(model: NetworkParts, path: str | Path) -> None:
    """Load the authors' variables from an .npz archive into a model.

    The authors' node NN is node NN of `anetdsl.interchange.authors.list_order`. Raise WeightsError
    for an archive that cannot be read or does not fit the network.
    """
    tensors = convert_variables(model.network, _read_archive(Path(path)))
    assign_weights(model, tensors, str(path))


def convert_variables(
    network: Network, arrays: Mapping[str, np.ndarray[Any, Any]], prefix: str = "var"
) -> dict[str, Tensor]:
    """Return the arrays with names `prefix`/... with our names and layouts, in float32.

    The prefix `var` selects variables, `grad` gradients. Raise WeightsError for an unknown name,
    and for a node that the network does not have.
    """
    tensors = {}
    rows: dict[str, dict[int, Tensor]] = {}
    for name, array in arrays.items():
        start, _, variable = name.partition("/")
        if start != prefix:
            continue
        tensor = _to_torch(variable, array)
        if variable.endswith("/mix"):
            node, place = _connection(network, variable)
            rows.setdefault(full_name(node.name, MIXTURE), {})[place] = tensor
        else:
            tensors[parameter_name(network, variable)] = tensor
    for name, mixtures in rows.items():
        tensors[name] = torch.stack([mixtures[place] for place in sorted(mixtures)])
    return tensors


def parameter_name(network: Network, variable: str) -> str:
    """Return our name for the authors' variable `nodeNN/ROLE/LEAF` or `head/fc/LEAF`.

    Raise WeightsError for an unknown variable.
    """
    match variable.split("/"):
        case ["head", "fc", "kernel"]:
            return f"{SINK}.fc.weight"
        case ["head", "fc", "bias"]:
            return f"{SINK}.fc.bias"
        case ["head", "conv1" | "conv2" as layer, leaf] if leaf in ("kernel", *_NORM_LEAVES):
            part = "" if leaf == "kernel" else "_bn"
            return f"{SINK}.{layer}{part}.{_NORM_LEAVES.get(leaf, 'weight')}"
    found = _variable(variable)
    node = _node(network, found["index"], variable).name
    role, leaf = found["role"].removeprefix("stem."), found["leaf"]
    if attend := _ATTEND.fullmatch(role):
        if leaf in ("kernel", "bias"):
            part = "weight" if leaf == "kernel" else "bias"
            if attend["kind"] == "edge":
                _, place = _connection(network, variable)
                return full_name(node, f"fuse.attention.scales.{place}.{part}")
            peer = module_key(_node(network, attend["index"], variable).name)
            return full_name(node, f"fuse.attention.peers.{peer}.{part}")
    elif leaf == "agg_weights":
        return full_name(node, EDGES)
    elif leaf == "kernel":
        return full_name(node, f"{role}.weight")
    elif leaf in _NORM_LEAVES:
        return full_name(node, f"{role}_bn.{_NORM_LEAVES[leaf]}")
    raise WeightsError(f"{variable!r} is not a variable of the authors' code")


def _variable(variable: str) -> re.Match[str]:
    found = _VARIABLE.fullmatch(variable)
    if found is None:
        raise WeightsError(f"{variable!r} is not a variable of the authors' code")
    return found


def _node(network: Network, index: str, variable: str) -> Node:
    """Return the authors' node with this index."""
    if int(index) >= len(network.nodes):
        raise WeightsError(f"{variable!r}: network {network.name} has {len(network.nodes)} nodes")
    return list_order(network)[int(index)]


def _connection(network: Network, variable: str) -> tuple[Node, int]:
    """Return the node of a variable `nodeNN/attend.edgeMM/LEAF`, and the place of this input."""
    found = _variable(variable)
    node = _node(network, found["index"], variable)
    attend = _ATTEND.fullmatch(found["role"])
    if attend is not None and attend["kind"] == "edge":
        source = _node(network, attend["index"], variable).name
        for place, edge in enumerate(node.inputs):
            if edge.source == source:
                return node, place
    raise WeightsError(f"{variable!r} is no connection of network {network.name}")


def _read_archive(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the variables of an .npz archive. Raise WeightsError if it cannot be read."""
    if not path.exists():
        raise WeightsError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path):  # np.load also accepts files that are no archives
            pass
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name.startswith("var/")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"{path}: not a readable .npz archive") from error


def _to_torch(variable: str, array: np.ndarray[Any, Any]) -> Tensor:
    """Return an array of the authors as a tensor in our layout."""
    tensor = torch.from_numpy(np.asarray(array, dtype=np.float32))
    match variable.split("/"), tensor.ndim:
        case ["head", _, "kernel"], 2:
            return tensor.T.contiguous()
        case [_, role, "kernel"], 2 if _ATTEND.fullmatch(role):
            return tensor.T.contiguous()
        case [_, _, "kernel"], 5:
            return tensor.permute(4, 3, 0, 1, 2).contiguous()  # (out, in, kt, kh, kw)
        case [_, role, "kernel"], 4:
            frame = tensor.permute(3, 2, 0, 1)  # (out, in, kh, kw)
            is_temporal = role.endswith("tconv")
            return frame.unsqueeze(4 if is_temporal else 2).contiguous()
        case [_, _, leaf], 1 if leaf != "kernel":
            return tensor
    raise WeightsError(f"{variable!r} has a wrong number of dimensions: {tensor.ndim}")
