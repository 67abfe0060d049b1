"""The time of a whole trial of a search: the process, and its parts.

    python -m pytest benchmarks/bench_trial.py -o python_files='bench_*.py' -o addopts= -s

A trial trains `small_assemblenet` for 100 steps of 16 clips of 16 x 32 x 32 (`motion:level=1`),
evaluates it on the validation split, and writes the result. It has one thread. To compare with an
older version, set ANETC_OLD to its `anetc` program; the two then run in turns. All times are
processor seconds of the process, because other work on the machine does not change these much.
STEPS and ROUNDS in the environment set the number of steps and of rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.tables import print_table, replay

NETWORK = Path(__file__).resolve().parent.parent / "examples" / "small_assemblenet.anet"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
STEPS = int(os.environ.get("STEPS", "100"))

_PARTS = """
import functools, json, sys, time
from pathlib import Path
clock = time.process_time
from anetc.process_start import prepare_process
prepare_process()
import anetc.cli.commands.trial_command
from anetc.trial import trial
from anetdsl.evolve.contract import TrialFolder

parts = {"start and imports": clock()}
stack = []

def timed(part, function):
    @functools.wraps(function)
    def call(*args, **options):
        start = clock()
        stack.append(0.0)
        try:
            return function(*args, **options)
        finally:
            total = clock() - start
            parts[part] = parts.get(part, 0.0) + total - stack.pop()
            if stack:
                stack[-1] += total
    return call

class Batches:
    def __init__(self, inner):
        self.inner = inner
        self.close = inner.close
    def __iter__(self):
        return self
    @functools.partial(timed, "data")
    def __next__(self):
        return next(self.inner)

make_batches = trial.training_batches
trial.training_batches = lambda *args, **options: Batches(make_batches(*args, **options))
for part, names in {
    "data": ["_open"],
    "network": ["make_train_state", "make_accelerator"],
    "steps": ["_train"],
    "evaluation": ["validate"],
    "writing": ["save_weights", "trained_text", "write_atomically"],
}.items():
    for name in names:
        setattr(trial, name, timed(part, getattr(trial, name)))
assert trial.run_trial(TrialFolder(Path(sys.argv[1]))) == "done"
parts["rest"] = clock() - sum(parts.values())
print(json.dumps(parts))
"""


def make_job(folder: Path) -> Path:
    """Make the folder of a trial."""
    folder.mkdir()
    (folder / "candidate.anet").write_text(NETWORK.read_text(encoding="utf-8"))
    document = {
        "schema": "anetdsl-trial-job",
        "schema_version": 1,
        "data": "motion:level=1",
        "settings": {"iterations": STEPS, "batch": 16, "learning_rate": 0.2, "threads": 1},
        "recipe": {"frames": 16, "size": [32, 32]},
        "split": "validation",
        "init_from": None,
        "timeout": None,
        "device": "cpu",
    }
    (folder / "job.json").write_text(json.dumps(document))
    return folder


def processor_seconds(command: list[str]) -> float:
    """Run a command; return its seconds of processor time."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


@pytest.mark.benchmark(group="a whole trial")
def test_trial(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The trials of two versions as whole processes, in turns."""
    commands = {"now": [sys.executable, "-P", "-m", "anetc", "trial"]}
    if "ANETC_OLD" in os.environ:
        commands["old"] = [os.environ["ANETC_OLD"], "trial"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS):
        for name, words in commands.items():
            folder = make_job(tmp_path / f"{name}-{number}")
            seconds[name].append(processor_seconds([*words, str(folder)]))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    last = list(commands)[-1]
    rows = [(f"a trial of {STEPS} steps", "median CPU s", "ratio")]
    rows += [
        (name, f"{value:.2f}", f"{value / medians[last]:.2f}") for name, value in medians.items()
    ]
    print_table(request, rows)
    replay(benchmark, seconds["now"])


@pytest.mark.benchmark(group="parts of a trial")
def test_parts(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The parts of one trial."""
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS):
        folder = make_job(tmp_path / str(number))
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PARTS, str(folder)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    medians = {part: statistics.median(one[part] for one in rounds) for part in rounds[0]}
    whole = sum(medians.values())
    rows = [(f"part of a trial of {STEPS} steps", "median CPU s", "share")]
    rows += [
        (part, f"{value:.2f}", f"{value / whole:.2f}")
        for part, value in (*medians.items(), ("whole trial", whole))
    ]
    print_table(request, rows)
    replay(benchmark, [sum(one.values()) for one in rounds])
