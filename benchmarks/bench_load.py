"""The time of a step while another process uses half of the cores, beside the quiet time.

    python -m pytest benchmarks/bench_load.py -o python_files='bench_*.py' -o addopts= -s

The benchmark makes the load itself: processes that count. The goal (issue 17) is at most 2.2 times
the quiet time with the threads and the waiting that commands choose (`anetc.process_start`). The
other rows have settings of a user: other loops, the waiting of libgomp without a setting, waiting
without a loop, and one thread. All processes are started before anything is measured, and compute
in turns.
Times are wall times, so the machine must be quiet; the first column shows whether it was. ROUNDS in
the environment sets the number of rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from anetc.process_start import processor_count
from benchmarks.tables import print_table, replay

ROUNDS = int(os.environ.get("ROUNDS", "5"))
STEPS, SECONDS = 5, 10
"""Number of steps of a process in its turn; less after some seconds."""
SETTINGS: dict[str, dict[str, str]] = {
    "as commands choose": {},
    **{
        f"GOMP_SPINCOUNT={count}": {"GOMP_SPINCOUNT": str(count)}
        for count in (100, 1000, 3000, 30000)
    },
    "libgomp's default": {"GOMP_SPINCOUNT": "300000"},
    "passive waiting": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
_STEP = """
import json, sys, time
from anetc.process_start import prepare_process
prepare_process()
import torch
import anetdsl
from anetc import build_network, compile_network
from anetc.engines.training import TrainingModule
training, path, size = sys.argv[1] == "training", sys.argv[2], int(sys.argv[3])
network = anetdsl.load(path)
inputs = {v.name: torch.randn(1, v.channels, 16, size, size) for v in network.inputs}
if training:
    module = TrainingModule(build_network(network))
    def step():
        module.zero_grad(set_to_none=True)
        module(inputs).square().mean().backward()
else:
    module = compile_network(network)
    def step():
        module(inputs)
step()
print("ready", flush=True)
for line in sys.stdin:
    times = []
    steps, seconds = map(int, line.split())
    while len(times) < steps and sum(times) < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps(times), flush=True)
"""
_BUSY = "while True: pass"
_THREAD_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextlib.contextmanager
def stepping(kind: str, path: str, size: int) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start a process that computes on request for each of the settings."""
    kept = {key: value for key, value in os.environ.items() if key not in _THREAD_VARIABLES}
    with contextlib.ExitStack() as stack:
        processes = {}
        for name, variables in SETTINGS.items():
            process = subprocess.Popen(
                [sys.executable, "-c", _STEP, kind, path, str(size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**kept, **variables},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            processes[name] = process
        yield processes


@contextlib.contextmanager
def load() -> Iterator[None]:
    """Keep half of the cores busy."""
    busy = [
        subprocess.Popen([sys.executable, "-c", _BUSY])
        for _ in range(max(1, processor_count() // 2))
    ]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def times(process: subprocess.Popen[str]) -> list[float]:
    """Have a process do some steps; return their wall times in seconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{STEPS} {SECONDS}\n")
    process.stdin.flush()
    found: list[float] = json.loads(process.stdout.readline())
    return found


@pytest.mark.skipif(processor_count() < 2, reason="needs two cores")
@pytest.mark.parametrize("kind", ["inference", "training"])
def test_step_under_load(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest, kind: str
) -> None:
    """A step of `small_assemblenet` with one clip of 16 x 112 x 112."""
    path = str(request.config.rootpath / "examples" / "small_assemblenet.anet")
    quiet: dict[str, list[float]] = {name: [] for name in SETTINGS}
    loaded: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with stepping(kind, path, 112) as processes:
        for _ in range(ROUNDS):
            for name, process in processes.items():
                quiet[name] += times(process)
            with load():
                for name, process in processes.items():
                    loaded[name] += times(process)
    first = statistics.median(quiet["as commands choose"])
    rows = [(f"{kind}, {processor_count()} cores", "quiet ms", "loaded ms", "of quiet", "of first")]
    for name in SETTINGS:
        without, with_load = statistics.median(quiet[name]), statistics.median(loaded[name])
        rows.append(
            (
                name,
                f"{1000 * without:.1f}",
                f"{1000 * with_load:.1f}",
                f"{with_load / without:.2f}",
                f"{with_load / first:.2f}",
            )
        )
    print_table(request, rows)
    replay(benchmark, loaded["as commands choose"])
