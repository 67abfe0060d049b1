"""Stages of `make gpu-check` about numbers: device, engines, and steps that wait for nothing."""

from __future__ import annotations

import contextlib
import copy
import platform
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import anetdsl
from anetc.data.batches.loader import training_batches
from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.devices import set_up
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import InferenceEngine
from anetc.engines.training import TrainingModule
from anetc.memory import is_out_of_memory
from anetc.modules.layers import BatchNorm
from anetc.modules.network import NetworkModule
from anetc.training.batch_norm import set_decay
from anetc.training.loop import is_compact, make_accelerator, make_train_state, steps
from anetc.training.settings import TrainSettings
from anetc.video.flow.fields import whole_flow
from anetdsl.ir import Network
from benchmarks.gpu_setting import (
    EXAMPLES,
    Clips,
    Makers,
    Setting,
    Stage,
    converted,
    made,
    one_step,
)

_WAITS_AFTER = 2
"""Number of steps that may wait: momenta become one tensor, cuDNN chooses its algorithms."""
_STEPS = 6


def device_stage(setting: Setting, stage: Stage) -> None:
    """Name the device, its memory and the versions."""
    stage.numbers |= {
        **setting.device.to_json(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
    }
    if setting.device.is_cuda:
        properties = torch.cuda.get_device_properties(setting.device.name)
        stage.numbers["memory_bytes"] = properties.total_memory
        stage.numbers["capability"] = f"{properties.major}.{properties.minor}"
        stage.numbers["cudnn"] = torch.backends.cudnn.version()
        stage.numbers["gpus"] = torch.cuda.device_count()


def numbers_stage(setting: Setting, stage: Stage) -> None:
    """Compare all engines on the device with the reference module on a CPU in float64."""
    set_up(attrs.evolve(setting.device, precision="ieee"))
    # The search for the fastest convolutions would take longer than all these steps.
    torch.backends.cudnn.benchmark = False
    network = anetdsl.load(str(EXAMPLES / "small_assemblenet.anet"))
    size = (2, 4, 32) if setting.tiny else (4, 8, 64)
    for dtype, limit in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        model, clips = made(network, *size)
        models = {"": model}
        if dtype == torch.float32:
            # Rounding opens or closes a ReLU whose input is near 0, and its whole gradient changes.
            models["far from 0, "] = far_from_zero(copy.deepcopy(model))
        for kind, given in models.items():
            expected = _gradients(copy.deepcopy(given).double(), converted(clips, torch.float64))
            for name, make in _engines().items():
                module = make(copy.deepcopy(given).to(setting.device.name, dtype))
                got = _gradients(module, converted(clips, dtype, setting.device.name))
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
                own = engine(converted(clips, dtype, setting.device.name)).double().cpu()
                logits = model.cpu().double().eval()(converted(clips, torch.float64))
            error = float((own - logits).abs().max() / logits.abs().max())
            stage.check("inference float32", error, limit)
        stage.keep(stage)
    set_up(setting.device)
    torch.backends.cudnn.benchmark = False
    losses = {
        dtype: _curve(setting, network, dtype, 3 if setting.tiny else 30)
        for dtype in (torch.float32, torch.bfloat16)
    }
    exact, rounded = (statistics.fmean(curve) for curve in losses.values())
    stage.check("mean loss in bfloat16, relative error", abs(rounded / exact - 1), 0.1)
    pixels = _moving_square(4 if setting.tiny else 16, 24 if setting.tiny else 112)
    one, other = whole_flow(pixels), whole_flow(pixels, setting.device.name)
    stage.check("share of other int8 values of flow", float(np.mean(one != other)), 1e-3)


def waiting_stage(setting: Setting, stage: Stage) -> None:
    """Train steps 3 to 6 by the training loop, while PyTorch refuses what waits for the device."""
    settings = TrainSettings(iterations=_STEPS, batch=2, device=setting.device.name)
    network = setting.small
    state = make_train_state(network, settings, make_accelerator(settings))
    recipes = recipes_for(parse_spec("motion:clips=24"), 4, (16, 16))
    training = open_data(parse_spec("motion:clips=24"), "train", recipes.train, flow=True)
    batches = training_batches(training, batch=2, seed=0, compact=is_compact(state))
    done = 0
    try:
        with contextlib.closing(batches), contextlib.ExitStack() as stack:
            for step in steps(state, batches):
                done = step.iteration + 1
                if done == _WAITS_AFTER:
                    stack.enter_context(_refused_waiting(setting))
    except RuntimeError as error:
        stage.failures.append(f"step {done + 1} waits: {str(error).splitlines()[0]}")
    stage.numbers["steps"] = done
    try:
        torch.empty(2**55, dtype=torch.uint8, device=setting.device.name)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            stage.failures.append(f"not recognised as out of memory: {str(error)[:100]}")


def _engines() -> Makers:
    return {
        "reference": lambda model: model,
        "handwritten": TrainingModule,
        "accelerator": AcceleratorModule,
        "accelerator, recomputing": lambda model: AcceleratorModule(model, checkpoint=True),
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


def _curve(setting: Setting, network: Network, dtype: torch.dtype, count: int) -> list[float]:
    own = attrs.evolve(setting, device=attrs.evolve(setting.device, precision=str(dtype)[6:]))
    module, optimiser, clips, targets = _trainer(own, network)
    losses = []
    for step in range(count):
        set_decay(module, step)
        losses.append(float(one_step(own, module, optimiser, clips, targets)))
    return losses


def _trainer(
    setting: Setting, network: Network
) -> tuple[nn.Module, torch.optim.Optimizer, Clips, Tensor]:
    model, clips = made(network, *((2, 2, 16) if setting.tiny else (8, 8, 64)))
    device = setting.device.name
    module = AcceleratorModule(model.to(device))
    optimiser = torch.optim.SGD(
        module.parameters(), lr=0.01, momentum=0.9, fused=setting.device.is_cuda
    )
    given = converted(clips, torch.float32, device)
    targets = torch.arange(len(next(iter(given.values()))), device=device)
    return module, optimiser, given, targets


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
