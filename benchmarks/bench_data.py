"""Measure how long training waits for clips: 32 frames of 112 x 112 px with cached flow.

    python -m pytest benchmarks/bench_data.py -o python_files='bench_*.py' -o addopts=

A step is forward, cross-entropy, backward and an SGD step of small_two_stream_level4 on 4 clips,
with one thread per processor. At the same time `workers` processes decode, crop and mirror clips
and read their flow; with 0 workers the training process does it between the steps. `wait` is the
fraction of the time spent waiting for the next batch. The target is less than 5% with one worker on
two processors. The videos are copies of the film of tests/media: four seconds of 256 x 144 px,
H.264. `on the fly` is the time of a clip whose flow is computed instead, in one thread.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn import functional

import anetdsl
from anetc import build_network
from anetc.data.batches.loader import Batch, network_inputs, training_batches
from anetc.data.formats.video_dataset import flow_folder
from anetc.data.open import open_data
from anetc.data.spec import parse_spec
from anetc.data.upkeep.flow_cache import video_flow
from anetc.data.upkeep.flow_files import FlowKey
from anetc.data.values import Dataset
from anetc.engines.training import TrainingModule
from anetc.video.clips import Recipe
from anetc.video.decode import probe
from benchmarks.tables import print_table, replay

REPOSITORY = Path(__file__).resolve().parent.parent
FILM = REPOSITORY / "tests" / "media" / "city_cc0.mp4"
NETWORK = REPOSITORY / "examples" / "small_two_stream_level4.anet"
VIDEOS, BATCH, WARMUP, STEPS = 24, 4, 3, 12
RECIPE = Recipe(
    frames=32, size=(112, 112), short_side=128, when="random", where="random", flip=True
)

_table: list[tuple[str, ...]] = [("workers", "step ms", "waiting ms", "wait", "clip ms")]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a data set of copies of the film in two classes, with their flow."""
    root = tmp_path_factory.mktemp("data")
    spec = parse_spec(f"folder:{root}")
    folder = flow_folder(spec, root, FlowKey.of(RECIPE))
    fields = video_flow(probe(FILM), folder.key)
    for number in range(VIDEOS):
        name = f"train/{'ab'[number % 2]}/{number:02d}.mp4"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILM, root / name)
        folder.write(name, probe(root / name), fields)
    return open_data(spec, "train", RECIPE, flow=True)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_waiting(benchmark: BenchmarkFixture, data: Dataset, workers: int) -> None:
    network = anetdsl.load(NETWORK)
    module = TrainingModule(build_network(network, seed=0))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def step(batch: Batch) -> None:
        loss = functional.cross_entropy(module(network_inputs(network, batch)), batch.targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    steps, waits = [], []
    batches = training_batches(data, batch=BATCH, seed=0, workers=workers)
    with closing(batches):
        for number in range(WARMUP + STEPS):
            start = time.perf_counter()
            batch = next(batches)
            received = time.perf_counter()
            step(batch)
            if number >= WARMUP:
                waits.append(received - start)
                steps.append(time.perf_counter() - start)
    replay(benchmark, steps)
    clip = _clip_seconds(data)
    share = sum(waits) / sum(steps)
    benchmark.extra_info.update(wait=round(share, 4))
    _table.append(
        (
            str(workers),
            f"{1000 * statistics.median(steps):.0f}",
            f"{1000 * statistics.mean(waits):.1f}",
            f"{100 * share:.1f} %",
            f"{1000 * clip:.0f}",
        )
    )


def _clip_seconds(data: Dataset) -> float:
    """Return the median time of reading a clip in this process."""
    times = []
    for index in islice(range(len(data)), 8):
        start = time.perf_counter()
        data.sample(index, seed=0, epoch=0)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def test_on_the_fly(benchmark: BenchmarkFixture, data: Dataset) -> None:
    """Measure a clip whose flow is computed."""
    spec = parse_spec(f"folder:{data.spec.path}?flow=none")
    fresh = open_data(spec, "train", RECIPE, flow=True)
    torch.set_num_threads(1)
    start = time.perf_counter()
    fresh.sample(0, seed=0, epoch=0)
    seconds = time.perf_counter() - start
    torch.set_num_threads(os.cpu_count() or 1)
    replay(benchmark, [seconds])
    _table.append(("on the fly", "", "", "", f"{1000 * seconds:.0f}"))
