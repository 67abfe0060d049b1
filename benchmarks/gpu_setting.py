"""Shared parts of the stages of `make gpu-check`: settings, results, networks, clips, steps."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.devices import Device, resolve
from anetc.modules.initial import randomise
from anetc.modules.network import NetworkModule
from anetdsl.ir import Network

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
Clips = dict[str, Tensor]
Makers = Mapping[str, Callable[[NetworkModule], nn.Module]]


@attrs.frozen
class Setting:
    """Device, folder and size of a stage."""

    device: Device
    folder: Path
    """Folder for the files of the stage."""
    tiny: bool = False
    """True for small networks and few steps."""

    @property
    def large(self) -> Network:
        """The network of Table 4, or its small form."""
        name = "small_assemblenet" if self.tiny else "assemblenet"
        return anetdsl.load(str(EXAMPLES / f"{name}.anet"))

    @property
    def small(self) -> Network:
        """A network as those of small searches."""
        return anetdsl.load(str(EXAMPLES / "small_two_stream_level4.anet"))

    @property
    def dtype(self) -> torch.dtype:
        """Data type of convolutions."""
        return torch.bfloat16 if self.device.precision == "bfloat16" else torch.float32


def setting_of(name: str, folder: Path, *, tiny: bool) -> Setting:
    """Return the setting of a device. Raise CannotRun if PyTorch cannot use it."""
    return Setting(resolve(name), folder, tiny)


@attrs.define
class Stage:
    """Results of a stage: numbers by name, failed checks, and aims that are missed."""

    numbers: dict[str, Any] = attrs.Factory(dict)
    failures: list[str] = attrs.Factory(list)
    missed: list[str] = attrs.Factory(list)
    keep: Callable[[Stage], None] = attrs.field(default=lambda _: None, eq=False, repr=False)
    """Function that keeps the results so far, for a stage that its deadline may end."""

    def check(self, name: str, value: float, limit: float) -> None:
        """Record a number that must be at most `limit`."""
        self.numbers[name] = value
        if not value <= limit:
            self.failures.append(f"{name} is {value:.3g}, above {limit:g}")

    def aim(self, name: str, value: float, limit: float) -> None:
        """Record a number that should be at most `limit`."""
        self.numbers[name] = value
        if not value <= limit:
            self.missed.append(f"{name} is {value:.3g}, above {limit:g}")

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON."""
        return {"numbers": self.numbers, "failures": self.failures, "missed": self.missed}


# Networks and steps


def made(network: Network, clips: int, frames: int, side: int) -> tuple[NetworkModule, Clips]:
    """Return a network in training mode and clips, both random."""
    model = build_network(network, seed=0).train()
    randomise(model, 0)
    generator = torch.Generator().manual_seed(0)
    return model, {
        value.name: torch.randn(clips, value.channels, frames, side, side, generator=generator)
        for value in network.inputs
    }


def converted(clips: Mapping[str, Tensor], dtype: torch.dtype, device: str = "cpu") -> Clips:
    """Return the clips on a device, in a data type."""
    return {name: clip.to(device, dtype) for name, clip in clips.items()}


def one_step(
    setting: Setting,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    clips: Clips,
    targets: Tensor,
) -> Tensor:
    """Compute a training step, and return the loss before it."""
    with autocast(setting):
        loss = functional.cross_entropy(module(clips).float(), targets)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.detach()


def autocast(setting: Setting) -> torch.autocast:
    """Return the autocast of the setting's precision."""
    enabled = setting.device.precision == "bfloat16"
    return torch.autocast(setting.device.kind, torch.bfloat16, enabled=enabled)


def timed(setting: Setting, function: Callable[[], object]) -> float:
    """Return the seconds of a function, with the work of the device."""
    if setting.device.is_cuda:
        torch.cuda.synchronize()
    began = time.perf_counter()
    function()
    if setting.device.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


# Processes


def anetc_command(*arguments: str) -> list[str]:
    """Return the command line of `anetc`."""
    return [sys.executable, "-m", "anetc", *arguments]


def environment() -> dict[str, str]:
    """Return the environment of a process that imports this checkout."""
    roots = [str(ROOT), str(ROOT / "compiler")]
    paths = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": paths}
