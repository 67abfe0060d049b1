"""Weights of the authors' TensorFlow code, carried over to a compiled network.

Their variables are named `var/nodeNN/ROLE/LEAF` in NumPy archives: NN is the node's index, ROLE a
layer (`stem.conv`, `fuse.adapt32to64`, `m0.conv1`, ...), LEAF `kernel`, `gamma`, `beta`,
`moving_mean`, `moving_variance` or `agg_weights`; and `var/head/fc/kernel` and `/bias`. Kernels are
[kh, kw, in, out], temporal ones [k, 1, in, out], the classifier's [in, out].
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anetc.modules.names import NODES, SINK, module_key
from anetc.weights.files import WeightsError, fill
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
    """Read the authors' variables from an .npz archive into a model, in place.

    Their node NN is the network's NNth (`anetdsl.interchange.authors.list_order`). Raises
    WeightsError when the archive cannot be read or does not fit the network.
    """
    fill(model, convert(model.network, _read_archive(Path(path))), str(path))


def convert(
    network: Network, arrays: Mapping[str, np.ndarray[Any, Any]], prefix: str = "var"
) -> dict[str, Tensor]:
    """The authors' arrays that are named `prefix`/..., by our names and in our layouts, float32.

    Gradients (`grad/...`) convert like the variables. Raises WeightsError for a name that is none
    of theirs or a node that the network lacks.
    """
    tensors = {}
    for name, array in arrays.items():
        start, _, variable = name.partition("/")
        if start == prefix:
            tensors[parameter_name(network, variable)] = _to_torch(variable, array)
    return tensors


def parameter_name(network: Network, variable: str) -> str:
    """Our name of the authors' variable `nodeNN/ROLE/LEAF` or `head/fc/LEAF`, or WeightsError."""
    match variable.split("/"):
        case ["head", "fc", "kernel"]:
            return f"{SINK}.fc.weight"
        case ["head", "fc", "bias"]:
            return f"{SINK}.fc.bias"
    found = _VARIABLE.fullmatch(variable)
    if found is None:
        raise WeightsError(f"{variable!r} is no variable of the authors' networks")
    index = int(found["index"])
    if index >= len(network.nodes):
        raise WeightsError(f"{variable!r}: network {network.name} has {len(network.nodes)} nodes")
    node = f"{NODES}.{module_key(list_order(network)[index].name)}"
    role, leaf = found["role"].removeprefix("stem."), found["leaf"]
    if leaf == "agg_weights":
        return f"{node}.fuse.w"
    if leaf == "kernel":
        return f"{node}.{role}.weight"
    if leaf in _NORM_LEAVES:
        return f"{node}.{role}_bn.{_NORM_LEAVES[leaf]}"
    raise WeightsError(f"{variable!r} is no variable of the authors' networks")


def _read_archive(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The variables of an .npz archive. Raises WeightsError."""
    if not path.exists():
        raise WeightsError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path):  # np.load takes other files too
            pass
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name.startswith("var/")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"{path}: not a readable .npz archive") from error


def _to_torch(variable: str, array: np.ndarray[Any, Any]) -> Tensor:
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
    raise WeightsError(f"{variable!r} has {tensor.ndim} dimensions")
