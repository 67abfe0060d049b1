"""The time of `anetc eval` on 50 clips as a whole process, with the fast and the reference engine.

The commands run in turns, so that a slow minute of the machine affects all of them. To compare with
an older version, set ANETC_OLD to its `anetc` program, which is run without --engine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import anetdsl
from anetc.modules.initial import randomise
from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from benchmarks.tables import print_table, replay

NETWORK = Path(__file__).resolve().parent.parent / "examples" / "small_two_stream_fully.anet"
CLIPS = 50
ROUNDS = int(os.environ.get("ROUNDS", "7"))


@pytest.mark.benchmark(group="anetc eval")
@pytest.mark.parametrize("size", [32, 112])
def test_eval(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest, tmp_path: Path, size: int
) -> None:
    """50 clips of 16 frames with stored optical flow."""
    command = ["eval", str(NETWORK), *_files(tmp_path, size), "--no-per-class"]
    new = [sys.executable, "-m", "anetc", *command, "--engine"]
    commands = {"fast": [*new, "fast"], "reference": [*new, "reference"]}
    if "ANETC_OLD" in os.environ:
        commands["old"] = [os.environ["ANETC_OLD"], *command]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print_table(
        request,
        [
            (f"anetc eval, {CLIPS} clips of 16 x {size} x {size}", "median", "minimum", "ratio"),
            *(
                (
                    name,
                    f"{medians[name]:.2f} s",
                    f"{min(times[name]):.2f} s",
                    f"{medians[name] / medians['reference']:.2f}",
                )
                for name in commands
            ),
        ],
    )
    replay(benchmark, times["fast"])


def _files(folder: Path, size: int) -> list[str]:
    """Write weights and clips; return the options that name them."""
    network = anetdsl.load(NETWORK)
    model = build_network(network)
    randomise(model, 0)
    save_weights(model, folder / "w.safetensors")
    rng = np.random.default_rng(0)
    np.savez(
        folder / "clips.npz",
        x=rng.integers(0, 256, (CLIPS, 16, size, size, 3), np.uint8),
        y=np.arange(CLIPS) % network.sink.classes,
        flow8=rng.integers(-80, 80, (CLIPS, 16, 2, size, size), np.int8),
        split=np.full(CLIPS, "test"),
    )
    clip = ["--frames", "16", "--size", str(size)]
    weights = ["--weights", str(folder / "w.safetensors")]
    return [*weights, "--data", f"arrays:{folder / 'clips.npz'}", *clip]
