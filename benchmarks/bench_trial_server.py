"""Tiny trials started by the server of trials, against trials that are new processes.

    python -m pytest benchmarks/bench_trial_server.py -o python_files='bench_*.py' -o addopts= -s

A trial trains `small_assemblenet` for 10 steps of 8 clips of 8 x 32 x 32 (`motion:level=1`) with
one thread, and evaluates it on 12 clips. Both kinds run in turns in each round; the medians of
their wall times are compared, so the machine should be quiet. The server has started before: a
search pays for its start (the imports) once. ROUNDS in the environment sets the number of rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from anetdsl.evolve.contract import TrialJob
from anetdsl.evolve.workers.trial_process import TrialTask, run_trial
from anetdsl.evolve.workers.trial_server import TrialServer
from benchmarks.tables import print_table, replay

NETWORK = Path(__file__).resolve().parent.parent / "examples" / "small_assemblenet.anet"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
JOB = TrialJob(
    data="motion:level=1,clips=48",
    settings={"iterations": 10, "batch": 8},
    recipe={"frames": 8, "size": [32, 32]},
    device="cpu",
)


def test_tiny_trials(
    benchmark: BenchmarkFixture, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """pytest-benchmark reports the trials of the server."""
    server = TrialServer()
    times: dict[str, list[float]] = {"new process": [], "server": []}

    def seconds(kind: str) -> float:
        folder = tmp_path / f"{kind} {len(times[kind])}"
        folder.mkdir()
        (folder / "candidate.anet").write_text(NETWORK.read_text())
        (folder / "job.json").write_text(json.dumps(JOB.to_json()))
        start = time.perf_counter()
        outcome = run_trial(
            TrialTask("g0000", str(folder)), server=server if kind == "server" else None
        )
        found = time.perf_counter() - start
        assert outcome.failure is None, outcome.message
        times[kind].append(found)
        return found

    first = seconds("server")
    times["server"].clear()
    (tmp_path / "server 0").rename(tmp_path / "first")
    for _ in range(ROUNDS):
        for kind in times:
            seconds(kind)
    server.close()
    medians = {kind: statistics.median(found) for kind, found in times.items()}
    replay(benchmark, times["server"])
    ratio = medians["server"] / medians["new process"]
    rows = [("trial started by", "seconds", "trials per hour")]
    rows += [(kind, f"{found:.2f}", f"{3600 / found:.0f}") for kind, found in medians.items()]
    rows += [
        ("server / new process", f"{ratio:.2f}", ""),
        ("first of the server", f"{first:.2f}", ""),
    ]
    print_table(request, rows)
    assert ratio < 1
