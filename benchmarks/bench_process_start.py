"""Page faults, time and memory of a step, with and without the settings of `anetc.process_start`.

    python -m pytest benchmarks/bench_process_start.py -o python_files='bench_*.py' -o addopts= -s

Two processes compute in turns, each on one thread. The table has medians: page faults of a step,
its processor seconds (also those of the system), and the largest resident memory of the process.
ROUNDS in the environment is the largest number of rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CASES = {
    "inference, Table 4, 16x112": ("inference", "assemblenet", 1, 16, 112, 9),
    "inference, Table 4, 32x224": ("inference", "assemblenet", 1, 32, 224, 4),
    "training, Table 4, 16x112": ("training", "assemblenet", 1, 16, 112, 5),
    "training, small, 16 clips of 16x32": ("training", "small_assemblenet", 16, 16, 32, 9),
}
"""Kind, network, clips, frames, height and width, and number of rounds."""
MOST_ROUNDS = int(os.environ.get("ROUNDS", "100"))
_STEP = """
import json, resource, sys, time
prepared, kind, path, *numbers = sys.argv[1:]
if prepared == "True":
    from anetc.process_start import prepare_process
    prepare_process()
import torch
import anetdsl
from anetc import build_network, compile_network
from anetc.engines.training import TrainingModule
torch.set_num_threads(1)
batch, frames, size = map(int, numbers)
network = anetdsl.load(path)
inputs = {v.name: torch.randn(batch, v.channels, frames, size, size) for v in network.inputs}
if kind == "training":
    module = TrainingModule(build_network(network))
    def step():
        module.zero_grad(set_to_none=True)
        module(inputs).square().mean().backward()
else:
    module = compile_network(network)
    def step():
        module(inputs)

def used():
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_minflt, now.ru_utime + now.ru_stime, now.ru_stime

step()
step()
print("ready", flush=True)
for line in sys.stdin:
    before = used()
    step()
    after = used()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([*(b - a for a, b in zip(before, after)), peak]), flush=True)
"""
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@pytest.mark.parametrize("case", CASES)
def test_step(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, case: str) -> None:
    """The step with the settings is the measured one."""
    kind, name, *numbers, rounds = CASES[case]
    environment = {key: value for key, value in os.environ.items() if key not in _MALLOC}
    processes = {
        prepared: subprocess.Popen(
            [sys.executable, "-c", _STEP, str(prepared), kind, str(EXAMPLES / f"{name}.anet")]
            + [str(number) for number in numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"OMP_NUM_THREADS": "1"},
        )
        for prepared in (False, True)
    }
    turns: dict[bool, list[list[float]]] = {prepared: [] for prepared in processes}
    with contextlib.ExitStack() as stack:
        for process in processes.values():
            stack.enter_context(process)
            stack.callback(process.kill)
        for process in processes.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for _ in range(min(rounds, MOST_ROUNDS)):
            for prepared, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("step\n")
                process.stdin.flush()
                turns[prepared].append(json.loads(process.stdout.readline()))
    rows = [(case, "page faults", "CPU ms", "of first", "system ms", "peak MiB")]
    first = statistics.median(turn[1] for turn in turns[False])
    for prepared, values in turns.items():
        faults, seconds, system, peak = (statistics.median(column) for column in zip(*values))
        rows.append(
            (
                "with the settings" if prepared else "without",
                f"{faults:.0f}",
                f"{1000 * seconds:.0f}",
                f"{seconds / first:.3f}",
                f"{1000 * system:.0f}",
                f"{peak:.0f}",
            )
        )
    print_table(request, rows)
    replay(benchmark, [turn[1] for turn in turns[True]])
