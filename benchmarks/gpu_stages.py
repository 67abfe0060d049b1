"""The stages of `make gpu-check` (`gpu_check.py`): functions from a `Setting` to a `Stage`.

With `tiny` a stage runs in seconds on a CPU, on small networks and few steps: so does
tests/test_gpu_check.py. The numbers mean nothing then; the tests show that stages run and compare.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.bench.ceiling import Ceiling, EventClock
from anetc.devices import Device, resolve, set_up
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.training import TrainingModule
from anetc.memory import is_out_of_memory
from anetc.modules.initial import randomise_norms
from anetc.modules.layers import BatchNorm
from anetc.modules.network import NetworkModule
from anetc.training.batch_norm import set_decay
from anetc.video.flow.fields import whole_flow
from anetdsl.cost import cost
from anetdsl.ir import Network

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Clips = dict[str, Tensor]


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


@attrs.define
class Stage:
    """Results of a stage: numbers by name, failed checks, and aims that are missed."""

    numbers: dict[str, Any] = attrs.Factory(dict)
    failures: list[str] = attrs.Factory(list)
    missed: list[str] = attrs.Factory(list)

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


# Device and numbers


def device_stage(setting: Setting) -> Stage:
    """Name the device, its memory and the versions."""
    found: dict[str, Any] = {
        **setting.device.to_json(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
    }
    if setting.device.is_cuda:
        properties = torch.cuda.get_device_properties(setting.device.name)
        found["memory_bytes"] = properties.total_memory
        found["capability"] = f"{properties.major}.{properties.minor}"
        found["cudnn"] = torch.backends.cudnn.version()
        found["gpus"] = torch.cuda.device_count()
    return Stage(found)


def numbers_stage(setting: Setting) -> Stage:
    """Compare all engines on the device with the reference module on a CPU in float64."""
    stage = Stage()
    set_up(attrs.evolve(setting.device, precision="ieee"))
    network = anetdsl.load(str(EXAMPLES / "small_assemblenet.anet"))
    size = (2, 4, 32) if setting.tiny else (4, 8, 64)
    for dtype, limit in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        model, clips = _made(network, *size)
        models = {"": model}
        if dtype == torch.float32:
            # Rounding opens or closes a ReLU whose input is near 0, and its whole gradient changes.
            models["far from 0, "] = far_from_zero(copy.deepcopy(model))
        for kind, given in models.items():
            expected = _gradients(copy.deepcopy(given).double(), _converted(clips, torch.float64))
            for name, make in _engines().items():
                module = make(copy.deepcopy(given).to(setting.device.name, dtype))
                got = _gradients(module, _converted(clips, dtype, setting.device.name))
                logits, gradients = _differences(got, expected)
                stage.check(f"{kind}{name} {str(dtype)[6:]}: logits", logits, limit)
                key = f"{kind}{name} {str(dtype)[6:]}: gradients"
                if kind or dtype == torch.float64:
                    stage.check(key, gradients, limit)
                else:
                    stage.numbers[key] = gradients
        engine = InferenceEngine(model.float().to(setting.device.name), portable=True).eval()
        if dtype == torch.float32:
            with torch.no_grad():
                own = engine(_converted(clips, dtype, setting.device.name)).double().cpu()
                logits = model.cpu().double().eval()(_converted(clips, torch.float64))
            error = float((own - logits).abs().max() / logits.abs().max())
            stage.check("inference float32", error, limit)
    set_up(setting.device)
    losses = {
        dtype: _curve(setting, network, dtype, 3 if setting.tiny else 30)
        for dtype in (torch.float32, torch.bfloat16)
    }
    exact, rounded = (statistics.fmean(curve) for curve in losses.values())
    stage.check("mean loss in bfloat16, relative error", abs(rounded / exact - 1), 0.1)
    pixels = _moving_square(4 if setting.tiny else 16, 24 if setting.tiny else 112)
    one, other = whole_flow(pixels), whole_flow(pixels, setting.device.name)
    stage.check("share of other int8 values of flow", float(np.mean(one != other)), 1e-3)
    return stage


def waiting_stage(setting: Setting) -> Stage:
    """Train steps 3 to 6 while PyTorch refuses everything that waits for the device."""
    stage = Stage()
    module, optimiser, clips, targets = _trainer(setting, setting.small, compiled=False)
    for step in range(6):
        guard = _refused_waiting(setting) if step >= 2 else contextlib.nullcontext()
        try:
            with guard:
                set_decay(module, step)
                _step(setting, module, optimiser, clips, targets)
        except RuntimeError as error:
            stage.failures.append(f"step {step + 1} waits: {str(error).splitlines()[0]}")
            break
    try:
        torch.empty(2**55, dtype=torch.uint8, device=setting.device.name)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            stage.failures.append(f"not recognised as out of memory: {str(error)[:100]}")
    return stage


# Commands


def commands_stage(setting: Setting) -> Stage:
    """Train, kill, resume, evaluate, and train by torchrun with one process."""
    stage = Stage()
    network = str(EXAMPLES / "small_two_stream_level4.anet")
    run, steps = setting.folder / "run", 4 if setting.tiny else 200
    device = ("--device", "cpu" if not setting.device.is_cuda else "cuda")
    data = ("--data", "motion:clips=24" if setting.tiny else "motion:clips=240")
    train = (
        "train",
        network,
        *data,
        "--batch",
        "8",
        "--iterations",
        str(steps),
        "--save-every",
        "1",
    )
    began = time.monotonic()
    quiet = {**_quiet(), "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(_anetc(*train, "--out", str(run), *device), **quiet)
    while process.poll() is None and not list((run / "checkpoints").glob("*.safetensors")):
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    commands = {
        "train --resume": (*train, "--out", str(run), "--resume", *device),
        "eval": (
            *("eval", str(run / "model.anet"), "--weights", str(run / "weights.safetensors")),
            *(*data, *device, "--json"),
        ),
    }
    for name, arguments in commands.items():
        _run(stage, name, _anetc(*arguments))
    if (run / "result.json").is_file():
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        stage.numbers["device of the run"] = result["device"]["hardware"]
        stage.numbers["share of time waiting for clips"] = result["waiting"]
    if not setting.tiny:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1"]
        torchrun += ["-m", "anetc", *train, "--out", str(setting.folder / "processes"), *device]
        _run(stage, "torchrun", torchrun)
        evolve = ("evolve", *data, "--preset", "small", "--candidates", "2", "--population", "2")
        evolve += ("--iterations", "20", "--out", str(setting.folder / "search"))
        slots = ("--gpus", "all", "--per-gpu", "2") if setting.device.is_cuda else ()
        _run(stage, "evolve on two slots", _anetc(*evolve, *slots))
    stage.numbers["seconds"] = time.monotonic() - began
    return stage


# Speed


def speed_stage(setting: Setting) -> Stage:
    """Time training steps and inference of the network of Table 4 by all engines, in turns."""
    stage = Stage()
    set_up(setting.device)
    clips, frames, side = (1, 2, 32) if setting.tiny else (8, 16, 112)
    rounds = 2 if setting.tiny else 5
    shape = (clips, frames, side)
    makers = {
        "engine, compiled": lambda m: AcceleratorModule(m, compiled=not setting.tiny),
        "engine": AcceleratorModule,
        "plain": lambda m: m,
        "plain, channels last": lambda m: m.to(memory_format=torch.channels_last_3d),
        "plain, compiled": lambda m: m if setting.tiny else torch.compile(m, dynamic=False),
    }
    seconds = _training_seconds(setting, makers, shape, rounds)
    for name, value in seconds.items():
        stage.numbers[f"{name}: step ms"] = 1000 * value
    ours, eager = seconds["engine, compiled"], seconds["engine"]
    stage.aim("compiled / compiled plain", ours / seconds["plain, compiled"], 1.0)
    stage.aim("compiled / plain", ours / seconds["plain"], 0.7)
    stage.aim("eager / plain", eager / seconds["plain"], 1.0)
    flop = 6 * clips * cost(setting.large, frames=frames, size=(side, side)).multiply_adds
    ceiling = Ceiling.of(_dtype(setting), setting.device.name)
    clock = EventClock() if setting.device.is_cuda else time.perf_counter
    fastest = max(ceiling.gflops(clock) for _ in range(4))
    stage.numbers["MFU of a compiled step"] = flop / ours / (1e9 * fastest)
    stage.numbers["clips/s"] = clips / ours
    model, inputs = _made(setting.large, *shape)
    model = model.eval().to(setting.device.name)
    inputs = _converted(inputs, torch.float32, setting.device.name)
    engine = InferenceEngine(model, portable=True).eval()
    times: dict[str, list[float]] = {"reference": [], "engine": []}
    for _ in range(rounds + 1):
        for name, module in (("reference", model), ("engine", engine)):
            with torch.no_grad(), _autocast(setting):
                times[name].append(_timed(setting, lambda m=module: m(inputs)))
    found = {name: statistics.median(values[1:]) for name, values in times.items()}
    stage.numbers |= {f"inference by {n}: ms": 1000 * value for n, value in found.items()}
    stage.aim("inference / reference", found["engine"] / found["reference"], 1.0)
    if setting.device.is_cuda:
        stage.numbers["peak memory, bytes"] = torch.cuda.max_memory_allocated()
    return stage


def small_stage(setting: Setting) -> Stage:
    """Time the steps of a small network, which is bound by launches."""
    stage = Stage()
    set_up(setting.device)
    shape, rounds = ((2, 2, 16), 2) if setting.tiny else ((16, 8, 32), 30)
    makers = {
        "engine, compiled": lambda m: AcceleratorModule(m, compiled=not setting.tiny),
        "engine": AcceleratorModule,
        "plain": lambda m: m,
    }
    small = attrs.evolve(setting, tiny=True)
    seconds = _training_seconds(small, makers, shape, rounds, network=setting.small)
    stage.numbers |= {f"{name}: steps/s": 1 / value for name, value in seconds.items()}
    stage.aim("eager / plain", seconds["engine"] / seconds["plain"], 1.0)
    return stage


STAGES: dict[str, tuple[Callable[[Setting], Stage], int]] = {
    "device": (device_stage, 20),
    "numbers": (numbers_stage, 70),
    "waiting": (waiting_stage, 20),
    "commands": (commands_stage, 110),
    "speed": (speed_stage, 170),
    "small": (small_stage, 40),
}
"""Stages of this module in order, each with its deadline in seconds."""


# Parts of stages


def _engines() -> dict[str, Callable[[NetworkModule], nn.Module]]:
    return {
        "reference": lambda model: model,
        "handwritten": TrainingModule,
        "accelerator": AcceleratorModule,
        "accelerator, recomputing": lambda model: AcceleratorModule(model, checkpoint=True),
    }


def _made(network: Network, clips: int, frames: int, side: int) -> tuple[NetworkModule, Clips]:
    model = build_network(network, seed=0).train()
    randomise_norms(model, 0)
    generator = torch.Generator().manual_seed(0)
    return model, {
        value.name: torch.randn(clips, value.channels, frames, side, side, generator=generator)
        for value in network.inputs
    }


def far_from_zero(model: NetworkModule, distance: float = 6.0) -> NetworkModule:
    """Return the model with batch normalisations that keep all inputs of ReLUs far from 0.

    Normalised values have the mean 0 and the variance 1. So with the bias 6 a ReLU is open for all
    cells, and with -6 closed. A third of the channels are closed where a ReLU follows directly.
    """
    for name, part in model.named_modules():
        if isinstance(part, BatchNorm):
            with torch.no_grad():
                part.weight.fill_(1.0)
                part.bias.fill_(distance)
                if name.endswith(("conv1_bn", "conv2_bn")):
                    part.bias[::3] = -distance
    return model


def _converted(clips: Mapping[str, Tensor], dtype: torch.dtype, device: str = "cpu") -> Clips:
    return {name: clip.to(device, dtype) for name, clip in clips.items()}


def _gradients(module: nn.Module, clips: Clips) -> dict[str, Tensor]:
    logits = module(clips)
    targets = torch.arange(len(logits), device=logits.device) % logits.shape[1]
    functional.cross_entropy(logits, targets).backward()
    found = {n: p.grad.double().cpu() for n, p in module.named_parameters() if p.grad is not None}
    return {"logits": logits.detach().double().cpu(), **found}


def _differences(got: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[float, float]:
    """Return the relative error of the logits, and that of all gradients as one vector."""
    errors = []
    for names in ({"logits"}, expected.keys() & got.keys() - {"logits"}):
        one, other = (torch.cat([x[n].flatten() for n in sorted(names)]) for x in (got, expected))
        errors.append(float((one - other).norm() / other.norm()))
    return errors[0], errors[1]


def _curve(setting: Setting, network: Network, dtype: torch.dtype, steps: int) -> list[float]:
    own = attrs.evolve(setting, device=attrs.evolve(setting.device, precision=str(dtype)[6:]))
    module, optimiser, clips, targets = _trainer(own, network, compiled=False)
    losses = []
    for step in range(steps):
        set_decay(module, step)
        losses.append(float(_step(own, module, optimiser, clips, targets)))
    return losses


def _trainer(
    setting: Setting, network: Network, *, compiled: bool
) -> tuple[nn.Module, torch.optim.Optimizer, Clips, Tensor]:
    model, clips = _made(network, *((2, 2, 16) if setting.tiny else (8, 8, 64)))
    device = setting.device.name
    module = AcceleratorModule(model.to(device), compiled=compiled)
    optimiser = torch.optim.SGD(
        module.parameters(), lr=0.01, momentum=0.9, fused=setting.device.is_cuda
    )
    given = _converted(clips, torch.float32, device)
    targets = torch.arange(len(next(iter(given.values()))), device=device)
    return module, optimiser, given, targets


def _step(
    setting: Setting,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    clips: Clips,
    targets: Tensor,
) -> Tensor:
    with _autocast(setting):
        loss = functional.cross_entropy(module(clips).float(), targets)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.detach()


def _training_seconds(
    setting: Setting,
    makers: Mapping[str, Callable[[NetworkModule], nn.Module]],
    shape: tuple[int, int, int],
    rounds: int,
    network: Network | None = None,
) -> dict[str, float]:
    """Return the median seconds of a step by each engine, in turns, after two steps each."""
    device = setting.device.name
    model, clips = _made(network or setting.large, *shape)
    clips = _converted(clips, torch.float32, device)
    targets = torch.arange(shape[0], device=device)
    modules = {name: make(copy.deepcopy(model).to(device)) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(rounds + 2):
        for name, module in modules.items():
            optimiser = torch.optim.SGD(module.parameters(), lr=0.0)
            step = lambda m=module, o=optimiser: _step(setting, m, o, clips, targets)  # noqa: E731
            times[name].append(_timed(setting, step))
    return {name: statistics.median(values[2:]) for name, values in times.items()}


def _timed(setting: Setting, function: Callable[[], object]) -> float:
    if setting.device.is_cuda:
        torch.cuda.synchronize()
    began = time.perf_counter()
    function()
    if setting.device.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _dtype(setting: Setting) -> torch.dtype:
    return torch.bfloat16 if setting.device.precision == "bfloat16" else torch.float32


def _autocast(setting: Setting) -> torch.autocast:
    enabled = setting.device.precision == "bfloat16"
    return torch.autocast(setting.device.kind, torch.bfloat16, enabled=enabled)


@contextlib.contextmanager
def _refused_waiting(setting: Setting) -> Iterator[None]:
    if not setting.device.is_cuda:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _moving_square(frames: int, side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 80, (1, side, side, 3), dtype=np.uint8).repeat(frames, axis=0)
    for frame in range(frames):
        pixels[frame, 5 : 5 + side // 3, 4 + frame : 4 + frame + side // 3] = 200
    return pixels


def _anetc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "anetc", *arguments]


def _quiet() -> dict[str, Any]:
    roots = [str(EXAMPLES.parent), str(EXAMPLES.parent / "compiler")]
    paths = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        "env": {**os.environ, "PYTHONPATH": paths},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def _run(stage: Stage, name: str, command: list[str]) -> None:
    done = subprocess.run(command, check=False, **_quiet())
    stage.numbers[f"exit code of {name}"] = done.returncode
    if done.returncode:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        stage.failures.append(f"{name}: exit code {done.returncode}: {last[:200]}")


def setting_of(name: str, folder: Path, *, tiny: bool) -> Setting:
    """Return the setting of a device. Raise CannotRun if PyTorch cannot use it."""
    return Setting(resolve(name), folder, tiny)
