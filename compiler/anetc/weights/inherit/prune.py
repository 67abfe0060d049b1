"""The weights of a pruned network, of those of the network as it was.

The pruned network computes what the old one does without the dropped edges: their weights and
adapters go, and the weight of an edge that became a node's only one goes into the convolutions that
read it. Where the widest inputs are gone, the adapter of those that are now the widest goes into
these convolutions too (both are linear, with nothing between), and the adapters of narrower ones
are fitted by least squares, which is not exact and is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import torch
from torch import Tensor

from anetc.modules.names import NODES, module_key, split_name

if TYPE_CHECKING:
    from anetdsl.ir import Network, Node
    from anetdsl.pruning import Pruning

_READERS = ("m0.conv1.weight", "m0.proj.weight")
"""What reads a node's input: both 1x1, (out, channels, 1, 1, 1)."""


@attrs.frozen(eq=False)
class PrunedTensors:
    """The tensors of the pruned network by name, and how well adapters could be fitted."""

    tensors: Mapping[str, Tensor]
    fitted: tuple[tuple[str, float], ...]
    """Adapters, with the relative error of what they feed into the node."""


def pruned_tensors(pruning: Pruning, tensors: Mapping[str, Tensor]) -> PrunedTensors:
    """The tensors of the network that pruning left; `tensors` are those of the old one."""
    left = {node.name for node in pruning.new.nodes}
    result = {
        name: tensor
        for name, tensor in tensors.items()
        if split_name(name)[0] in left or not name.startswith(f"{NODES}.")
    }
    fitted: list[tuple[str, float]] = []
    for node in pruning.new.nodes:
        before = pruning.old.node(node.name)
        if len(node.inputs) < len(before.inputs):
            prefix = f"{NODES}.{module_key(node.name)}."
            own = {name: t for name, t in result.items() if name.startswith(f"{prefix}fuse.")}
            for name in own:
                del result[name]
            own |= {prefix + part: result[prefix + part] for part in _READERS}
            made = _Fusion(pruning.old, before, pruning.kept[node.name], prefix, own).made()
            result |= made.tensors
            fitted.extend(made.fitted)
    return PrunedTensors(result, tuple(fitted))


@attrs.frozen(eq=False)
class _Fusion:
    """The connection of a node that loses edges, and the convolutions that read it."""

    network: Network
    node: Node
    kept: tuple[int, ...]
    prefix: str
    own: Mapping[str, Tensor]

    def made(self) -> PrunedTensors:
        """Its tensors without the dropped edges."""
        inputs = self.node.inputs
        channels = [self.network.node(edge.source).out_channels for edge in inputs]
        left = sorted({channels[place] for place in self.kept})
        old, new = max(channels), left[-1]
        w = self.own[f"{self.prefix}fuse.w"]
        made: dict[str, Tensor] = {}
        readers = {part: self._double(part) for part in _READERS}
        if len(self.kept) == 1:
            scale = torch.sigmoid(w[self.kept[0]].double())
            readers = {part: scale * weight for part, weight in readers.items()}
        else:
            made["fuse.w"] = w[list(self.kept)].clone()
        fitted: list[tuple[str, float]] = []
        if new == old:
            for width in left[:-1]:
                part = f"fuse.adapt{width}to{old}.weight"
                made[part] = self.own[self.prefix + part]
        else:
            before = torch.cat(list(readers.values()))
            through = self._double(f"fuse.adapt{new}to{old}.weight")
            readers = {part: weight @ through for part, weight in readers.items()}
            after = torch.cat(list(readers.values()))
            for width in left[:-1]:
                wanted = before @ self._double(f"fuse.adapt{width}to{old}.weight")
                adapter = torch.linalg.lstsq(after, wanted, driver="gelsd").solution
                part = f"fuse.adapt{width}to{new}.weight"
                made[part] = adapter[..., None, None, None].to(w.dtype)
                error = (after @ adapter - wanted).norm() / wanted.norm().clamp_min(1e-30)
                fitted.append((self.prefix + part, float(error)))
        for part, weight in readers.items():
            made[part] = weight[..., None, None, None].to(w.dtype)
        return PrunedTensors({self.prefix + part: t for part, t in made.items()}, tuple(fitted))

    def _double(self, part: str) -> Tensor:
        """A 1x1 convolution's weight as a float64 matrix (out, in)."""
        return self.own[self.prefix + part].double()[:, :, 0, 0, 0]
