"""Stages of `make gpu-check` about speed: steps and inference, compiled steps, small networks."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anetc.bench.allocation import allocated
from anetc.bench.ceiling import Ceiling, EventClock
from anetc.devices import set_up
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.inference.inference_engine import InferenceEngine
from anetdsl.cost import cost
from anetdsl.ir import Network
from benchmarks.gpu_setting import (
    Makers,
    Setting,
    Stage,
    autocast,
    converted,
    made,
    one_step,
    timed,
)

Shape = tuple[int, int, int]
"""Clips, frames and pixels."""
_WARM_UPS = 2


def speed_stage(setting: Setting, stage: Stage) -> None:
    """Time training steps and inference of the network of Table 4 without a compiler, in turns."""
    set_up(setting.device)
    shape, rounds = _shape(setting), 2 if setting.tiny else 5
    makers: Makers = {
        "engine": AcceleratorModule,
        "plain": lambda model: model,
        "plain, channels last": lambda model: model.to(memory_format=torch.channels_last_3d),
    }
    seconds = _training_seconds(setting, makers, shape, rounds, setting.large, stage)
    for name, value in seconds.items():
        stage.numbers[f"{name}: step ms"] = 1000 * value
    stage.numbers["clips/s"] = shape[0] / seconds["engine"]
    stage.aim("eager / plain", seconds["engine"] / seconds["plain"], 1.0)
    stage.keep(stage)
    model, clips = made(setting.large, *shape)
    model = model.eval().to(setting.device.name)
    inputs = converted(clips, torch.float32, setting.device.name)
    engine = InferenceEngine(model, portable=True).eval()
    times: dict[str, list[float]] = {"reference": [], "engine": []}
    for _ in range(rounds + 1):
        for name, module in (("reference", model), ("engine", engine)):
            with torch.no_grad(), autocast(setting):
                times[name].append(timed(setting, lambda m=module: m(inputs)))
    found = {name: statistics.median(values[1:]) for name, values in times.items()}
    stage.numbers |= {f"inference by {n}: ms": 1000 * value for n, value in found.items()}
    stage.aim("inference / reference", found["engine"] / found["reference"], 1.0)


def compiled_stage(setting: Setting, stage: Stage) -> None:
    """Time compiled steps of the network of Table 4: of the engine, then of the reference module.

    Compilations take most of the time. Results are kept after each, if the deadline ends the stage.
    """
    set_up(setting.device)
    shape, rounds = _shape(setting), 2 if setting.tiny else 5
    real = not setting.tiny  # the compiler for CPUs would take minutes
    makers: Makers = {
        "plain": lambda model: model,
        "engine, compiled": lambda model: AcceleratorModule(model, compiled=real),
    }
    began = time.perf_counter()
    seconds = _training_seconds(setting, makers, shape, rounds, setting.large, stage)
    stage.numbers["seconds, with the compilation"] = time.perf_counter() - began
    ours = seconds["engine, compiled"]
    for name, value in seconds.items():
        stage.numbers[f"{name}: step ms"] = 1000 * value
    stage.aim("compiled / plain", ours / seconds["plain"], 0.7)
    clips, frames, side = shape
    flop = 6 * clips * cost(setting.large, frames=frames, size=(side, side)).multiply_adds
    ceiling = Ceiling.of(setting.dtype, setting.device.name)
    clock = EventClock() if setting.device.is_cuda else time.perf_counter
    fastest = max(ceiling.gflops(clock) for _ in range(4))
    stage.numbers["MFU of a compiled step"] = flop / ours / (1e9 * fastest)
    stage.numbers["clips/s"] = clips / ours
    stage.keep(stage)
    plain: Makers = {"plain, compiled": lambda m: torch.compile(m, dynamic=False) if real else m}
    other = _training_seconds(setting, plain, shape, rounds, setting.large, stage)
    stage.numbers["plain, compiled: step ms"] = 1000 * other["plain, compiled"]
    stage.aim("compiled / compiled plain", ours / other["plain, compiled"], 1.0)


def small_stage(setting: Setting, stage: Stage) -> None:
    """Time the steps of a small network, which is bound by launches; also as one CUDA graph."""
    set_up(setting.device)
    shape, rounds = ((2, 2, 16), 2) if setting.tiny else ((16, 8, 32), 30)
    makers: Makers = {"engine": AcceleratorModule, "plain": lambda model: model}
    seconds = _training_seconds(setting, makers, shape, rounds, setting.small, stage)
    stage.aim("eager / plain", seconds["engine"] / seconds["plain"], 1.0)
    stage.numbers |= {f"{name}: steps/s": 1 / value for name, value in seconds.items()}
    stage.keep(stage)
    try:
        graph, error = _graph_of_step(setting, shape, rounds)
        stage.numbers["engine as a CUDA graph: steps/s"] = 1 / graph
        stage.check("error of the graph's loss", error, 1e-2)
    except RuntimeError as problem:
        stage.numbers["engine as a CUDA graph"] = f"not recorded: {str(problem).splitlines()[0]}"
    stage.keep(stage)
    compiled: Makers = {
        "engine, compiled": lambda model: AcceleratorModule(model, compiled=not setting.tiny)
    }
    seconds = _training_seconds(setting, compiled, shape, rounds, setting.small, stage)
    stage.numbers["engine, compiled: steps/s"] = 1 / seconds["engine, compiled"]


def _shape(setting: Setting) -> Shape:
    return (1, 2, 32) if setting.tiny else (8, 16, 112)


def _training_seconds(
    setting: Setting, makers: Makers, shape: Shape, rounds: int, network: Network, stage: Stage
) -> dict[str, float]:
    """Return the median seconds of a step by each engine, in turns, after two steps each.

    On a GPU the stage gets the memory of a step, besides the network itself.
    """
    device = setting.device.name
    model, clips = made(network, *shape)
    clips = converted(clips, torch.float32, device)
    targets = torch.arange(shape[0], device=device)
    modules = {name: make(copy.deepcopy(model).to(device)) for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in modules}

    def step(module: nn.Module) -> Tensor:
        optimiser = torch.optim.SGD(module.parameters(), lr=0.0)
        return one_step(setting, module, optimiser, clips, targets)

    for _ in range(rounds + _WARM_UPS):
        for name, module in modules.items():
            times[name].append(timed(setting, lambda m=module: step(m)))
    if setting.device.is_cuda:
        for name, module in modules.items():
            peak = allocated(lambda m=module: step(m), device).peak
            stage.numbers[f"{name}: memory of a step, bytes"] = peak
    return {name: statistics.median(values[_WARM_UPS:]) for name, values in times.items()}


def _graph_of_step(setting: Setting, shape: Shape, rounds: int) -> tuple[float, float]:
    """Return the seconds of a step that is recorded once, and the relative error of its loss."""
    device = setting.device.name
    model, clips = made(setting.small, *shape)
    module = AcceleratorModule(model.to(device))
    clips = converted(clips, torch.float32, device)
    targets = torch.arange(shape[0], device=device)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.0)
    losses: list[Tensor] = []

    def step() -> None:
        losses[:] = [one_step(setting, module, optimiser, clips, targets)]

    step()
    expected = float(losses[0])
    replay = recorded(step) if setting.device.is_cuda else step
    seconds = statistics.median(timed(setting, replay) for _ in range(rounds))
    return seconds, abs(float(losses[0]) / expected - 1)


def recorded(step: Callable[[], object]) -> Callable[[], None]:
    """Return a function that replays the kernels of a step, which are recorded as a CUDA graph."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # libraries prepare themselves before the recording
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay  # type: ignore[no-any-return]
