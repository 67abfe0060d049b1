"""Load weights of the authors' TensorFlow code into a model.

NumPy archives hold the authors' variables with names `var/nodeNN/ROLE/LEAF`. NN is the index of the
node. ROLE is a layer: `stem.conv`, `fuse.adapt32to64`, `m0.conv1`, ... LEAF is `kernel`, `gamma`,
`beta`, `moving_mean`, `moving_variance` or `agg_weights`. The classifier's variables are
`var/head/fc/kernel` and `var/head/fc/bias`. Kernels are [kh, kw, in, out], temporal kernels
[k, 1, in, out], and the kernel of the classifier is [in, out].
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anetc.modules.names import EDGES, SINK, full_name
from anetc.weights.files import WeightsError, assign_weights
from anetdsl.interchange.authors import list_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from anetc.modules.network import NetworkParts
    from anetdsl.ir import Network

_VARIABLE = re.compile(r"node(?P<index>\d+)/(?P<role>[\w.]+)/(?P<leaf>\w+)")
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
    for name, array in arrays.items():
        start, _, variable = name.partition("/")
        if start == prefix:
            tensors[parameter_name(network, variable)] = _to_torch(variable, array)
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
    found = _VARIABLE.fullmatch(variable)
    if found is None:
        raise WeightsError(f"{variable!r} is not a variable of the authors' code")
    index = int(found["index"])
    if index >= len(network.nodes):
        raise WeightsError(f"{variable!r}: network {network.name} has {len(network.nodes)} nodes")
    node = list_order(network)[index].name
    role, leaf = found["role"].removeprefix("stem."), found["leaf"]
    if leaf == "agg_weights":
        return full_name(node, EDGES)
    if leaf == "kernel":
        return full_name(node, f"{role}.weight")
    if leaf in _NORM_LEAVES:
        return full_name(node, f"{role}_bn.{_NORM_LEAVES[leaf]}")
    raise WeightsError(f"{variable!r} is not a variable of the authors' code")


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
        case [_, role, "kernel"], 4:
            frame = tensor.permute(3, 2, 0, 1)  # (out, in, kh, kw)
            is_temporal = role.endswith("tconv")
            return frame.unsqueeze(4 if is_temporal else 2).contiguous()
        case [_, _, leaf], 1 if leaf != "kernel":
            return tensor
    raise WeightsError(f"{variable!r} has a wrong number of dimensions: {tensor.ndim}")
