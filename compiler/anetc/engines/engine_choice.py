"""Choose the engine for a device, in one place.

A CPU trains by handwritten gradients and computes logits by oneDNN. An NVIDIA GPU trains and
computes logits by the engines for accelerators. The reference module runs everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.training import TrainingModule
from anetc.native.library import NO_KERNELS, library_or_none

if TYPE_CHECKING:
    from anetc.devices import Device
    from anetc.modules.network import NetworkModule


def training_engine(
    reference: NetworkModule, device: Device, *, checkpoint: bool = False, synchronise: bool = False
) -> nn.Module:
    """Return the module that trains the parameters of the reference module on a device.

    With `checkpoint` it keeps less for the backward pass; with `synchronise` the statistics of a
    batch are those of all processes. Neither concerns the reference module itself.
    """
    if device.engine == "reference":
        return reference
    if device.kind == "cpu":
        return TrainingModule(reference, checkpoint=checkpoint, synchronise=synchronise)
    return AcceleratorModule(
        reference,
        checkpoint=checkpoint,
        synchronise=synchronise,
        compiled=device.compiled,
        deterministic=device.deterministic,
    )


def training_kernels(device: Device, *, several: bool = False) -> str:
    """Return the version of the native kernels that a training uses; NO_KERNELS without them.

    Statistics that several processes share are computed without them, and so is bfloat16.
    """
    fast = device.kind == "cpu" and device.engine == "fast" and device.precision != "bfloat16"
    library = library_or_none() if fast and not several else None
    return NO_KERNELS if library is None else library.version


def evaluation_engine(reference: NetworkModule, device: Device) -> nn.Module:
    """Return the module that evaluates a model in training: the fast engine, as `anetc eval` does.

    It folds the normalisations. On a CPU it takes less than half the time of the reference module.
    """
    return reference if device.engine == "reference" else InferenceEngine(reference)
