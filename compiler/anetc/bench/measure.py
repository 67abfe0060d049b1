"""Run a benchmark: in each round, the machine's ceilings and then every backend."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from anetc.bench.allocation import allocated
from anetc.bench.backends import Backend, Times, make_backend
from anetc.bench.ceiling import Ceiling, Clock, Copy, EventClock
from anetc.bench.results import REST, BackendResult, Bench, NodeTime
from anetc.bench.traffic import traffic
from anetc.devices import Device, processor_name
from anetc.modules.initial import randomise
from anetc.modules.network import build_network
from anetdsl.cost import Cost, cost
from anetdsl.ir import Network


def bench(
    network: Network,
    *,
    frames: int = 16,
    size: tuple[int, int] = (112, 112),
    batch: int = 1,
    backends: Sequence[str] = ("plain", "plan"),
    repeats: int = 5,
    threads: int | None = None,
    seed: int = 0,
    device: Device | None = None,
    clock: Clock | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Bench:
    """Run a network on random clips with each of the backends (`anetc.bench.backends`).

    Every backend runs once before anything is timed. Each of the `repeats` rounds then runs the
    ceilings and every backend once, so that a slow minute of the machine affects all of them. The
    results are medians of wall times, on `threads` threads (None: PyTorch's default). With one
    thread, the clock `time.thread_time` does not count other processes. `device` is the CPU by
    default; on a GPU the clock is by CUDA events. `report` receives a line about each step. Raise
    CannotRun for a backend that cannot run here.
    """
    place = "cpu" if device is None else device.name
    if clock is None:
        clock = time.perf_counter if place == "cpu" else EventClock()
    with _threads(threads), torch.no_grad():
        model = build_network(network, seed=seed).eval()
        randomise(model, seed)
        model.to(place)
        generator = torch.Generator().manual_seed(seed)
        inputs = {
            value.name: torch.randn(batch, value.channels, frames, *size, generator=generator).to(
                place
            )
            for value in network.inputs
        }
        prepared: list[Backend] = []
        for name in backends:
            report(f"preparing {name}")
            prepared.append(make_backend(name, model, inputs))
        logits: dict[str, Tensor] = {}
        peaks = {
            backend.name: allocated(partial(_run_and_keep, backend, inputs, logits), place).peak
            for backend in prepared
        }
        report(f"measuring, {repeats} rounds")
        ceilings = {backend.dtype: Ceiling.of(backend.dtype, place) for backend in prepared}
        copy = Copy.of(device=place)
        for ceiling in ceilings.values():
            ceiling.gflops(clock)
        copied: list[float] = []
        reached: dict[torch.dtype, list[float]] = {dtype: [] for dtype in ceilings}
        rounds: dict[str, list[tuple[float, Times]]] = {name: [] for name in backends}
        for _ in range(repeats):
            copied.append(copy.bytes_per_second(clock))
            for dtype, ceiling in ceilings.items():
                reached[dtype].append(ceiling.gflops(clock))
            for backend in prepared:
                start = clock()
                times = backend.timed(inputs)
                rounds[backend.name].append((clock() - start, times))
        costs = cost(network, frames=frames, size=size)
        results = [
            _result(
                backend,
                rounds[backend.name],
                costs,
                batch,
                statistics.median(reached[backend.dtype]),
                peaks[backend.name],
                _error(logits[backend.name], logits.get("plain")),
            )
            for backend in prepared
        ]
        return Bench(
            network.name,
            frames,
            *size,
            batch,
            torch.get_num_threads(),
            repeats,
            processor_name() if device is None else device.hardware,
            torch.__version__,
            statistics.median(copied),
            tuple(results),
        )


def _result(
    backend: Backend,
    rounds: Sequence[tuple[float, Times]],
    costs: Cost,
    batch: int,
    ceiling: float,
    peak: int,
    error: float | None,
) -> BackendResult:
    moved = traffic(backend.plan, batch, backend.dtype.itemsize)
    seconds = tuple(total for total, _ in rounds)
    nodes: list[NodeTime] = []
    if rounds[0][1]:
        for row in (*costs.nodes, costs.sink):
            median = statistics.median(times.get(row.name, 0.0) for _, times in rounds)
            nodes.append(
                NodeTime(row.name, median, batch * row.multiply_adds, moved.get(row.name, 0))
            )
        rest = statistics.median(total - sum(times.values()) for total, times in rounds)
        nodes.append(NodeTime(REST, max(rest, 0.0), 0, 0))
    return BackendResult(
        backend.name,
        str(backend.dtype).removeprefix("torch."),
        seconds,
        batch,
        batch * costs.multiply_adds,
        sum(moved.values()),
        ceiling,
        peak,
        backend.weight_bytes,
        backend.prepare_seconds,
        error,
        tuple(nodes),
    )


def _run_and_keep(backend: Backend, inputs: dict[str, Tensor], logits: dict[str, Tensor]) -> None:
    logits[backend.name] = backend.forward(inputs)


def _error(got: Tensor, expected: Tensor | None) -> float | None:
    if expected is None:
        return None
    return float((got.float() - expected).abs().max() / expected.abs().max())


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    yield
    torch.set_num_threads(before)
