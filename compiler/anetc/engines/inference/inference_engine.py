"""The network as a module that runs faster than the reference module, and `compile_network`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from anetc.engines.accelerator.portable import PortableModule
from anetc.engines.constants import State
from anetc.engines.folded import fold_constants
from anetc.engines.inference.plan_module import PlanModule
from anetc.modules.network import NetworkModule, NetworkParts, build_network, check_inputs
from anetc.plan.lower import lower
from anetc.plan.passes import optimise
from anetc.plan.plan import Plan
from anetc.weights.files import load_weights
from anetdsl.ir import Network

_DEVICES = ("cpu", "cuda")
"""Types of devices that plans run on."""
_PLANS = 4
"""Number of prepared plans that an engine keeps. Each holds a copy of the weights."""


class InferenceEngine(NetworkParts):
    """A network that computes logits by optimised plans. It is called as the reference module is.

    The engine shares the parts of the reference module, so that the two have one set of weights
    and equal state dicts. For each clip size (T, H, W) it prepares a plan at the first call:
    batch normalisations are folded and the weights are packed. The plans are prepared again after
    the weights change, except where `Tensor.data` was written to.

    Plans run in inference mode, in float32, or in bfloat16 under autocast: on a CPU by oneDNN, on
    an NVIDIA GPU (or everywhere, with `portable`) by PyTorch's ordinary operations. Their logits
    are float32 and carry no gradient. Everything else runs on the reference module: training mode,
    other devices, other types under autocast, empty batches, and processors without oneDNN or
    without bfloat16.
    """

    def __init__(self, reference: NetworkModule, *, portable: bool = False) -> None:
        super().__init__()
        self.network = reference.network
        self.nodes = reference.nodes
        self.sink = reference.sink
        # In a tuple: as a child, the reference would repeat all names of the state dict.
        self._reference = (reference,)
        self._portable = portable
        self._plans: dict[tuple[object, ...], Callable[[Mapping[str, Tensor]], Tensor]] = {}
        self._state: dict[str, Tensor] = {}
        self._weights_version: tuple[object, ...] = ()

    @property
    def reference(self) -> NetworkModule:
        """The reference module whose weights the engine uses."""
        return self._reference[0]

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits (N, classes) for inputs (N, channels, T, H, W) by input name.

        Raise InputError for inputs that do not fit the network.
        """
        check_inputs(self.network, inputs)
        device = next(iter(inputs.values())).device
        dtype = _autocast_dtype(device.type)
        if not self._has_plans(inputs, device, dtype):
            return cast(Tensor, self.reference(inputs))
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return self._plan(inputs, device, dtype)(inputs)

    def _has_plans(
        self, inputs: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """Return whether a plan can compute the logits of these inputs."""
        tensors = (self.sink.fc.weight, *inputs.values())
        if self.training or any(tensor.device != device for tensor in tensors):
            return False
        if len(tensors[-1]) == 0:
            return False
        if self._uses_portable_plans(device):
            return dtype in (torch.float32, torch.bfloat16)
        return device.type == "cpu" and _processor_computes(dtype)

    def _uses_portable_plans(self, device: torch.device) -> bool:
        return self._portable or device.type == "cuda"

    def _plan(
        self, inputs: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """Return the plan for inputs of this size, prepared for the weights as they are now."""
        version = tuple(_version_of(tensor) for tensor in self._tensors())
        if version != self._weights_version:
            self._plans.clear()
            self._weights_version = version
            # The engine keeps the old tensors until here, so that no new one has their address.
            self._state = self.state_dict()
        frames, height, width = next(iter(inputs.values())).shape[2:]
        key = (frames, height, width, dtype, device)
        if key not in self._plans:
            if len(self._plans) == _PLANS:
                del self._plans[next(iter(self._plans))]
            plan = optimise(lower(self.network, frames=frames, size=(height, width)))
            if self._uses_portable_plans(device):
                self._plans[key] = _portable_plan(plan, self._state, device, dtype)
            else:
                self._plans[key] = PlanModule(plan, self._state, dtype=dtype)
        return self._plans[key]

    def _tensors(self) -> Iterator[Tensor]:
        """Yield all parameters and buffers, in a tenth of the time that `state_dict` takes."""
        for part in self.modules():
            for tensor in (*part._parameters.values(), *part._buffers.values()):
                if tensor is not None:
                    yield tensor


def compile_network(
    network: Network | NetworkModule,
    *,
    seed: int = 0,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> InferenceEngine:
    """Return the fast engine of a network, in inference mode, on a device.

    A Network gets initial weights drawn from `seed`. A module from `build_network` is not copied:
    it shares its weights with the engine, moves to the device and goes into inference mode.
    `weights` is a weights file (safetensors) to load.

    Raise AnetError for a network with errors, and WeightsError for weights that cannot be read or
    do not fit the network.
    """
    reference = network if isinstance(network, NetworkModule) else build_network(network, seed=seed)
    if weights is not None:
        load_weights(reference, weights)
    return InferenceEngine(reference).to(device).eval()


def _portable_plan(
    plan: Plan, state: State, device: torch.device, dtype: torch.dtype
) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Return the function that runs a plan by ordinary operations on a device."""
    module = PortableModule(fold_constants(plan, state, dtype), dtype=dtype).to(device)
    names = [op.name for op in plan.ops if op.kind == "input"]
    return lambda inputs: cast(Tensor, module(*(inputs[name] for name in names)))


def _autocast_dtype(device: str) -> torch.dtype:
    """Return the type that plans have to compute in: float32 unless autocast is on."""
    has_autocast = device in _DEVICES and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if has_autocast else torch.float32


def _processor_computes(dtype: torch.dtype) -> bool:
    """Return whether oneDNN runs convolutions of this type on this processor."""
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and dtype == torch.float32


def _version_of(tensor: Tensor) -> object:
    """Return a value that differs after the tensor has changed in place or in memory."""
    if tensor.is_inference():  # PyTorch does not count the changes of such tensors
        return object()
    return tensor.data_ptr(), tensor._version
