"""Measure the overhead of `anetc train`: the loop, the optimiser and the loading of clips.

    python -m pytest benchmarks/bench_loop.py -o python_files='bench_*.py' -o addopts=

A step of `anetc.training.loop` on `motion`, with clips loaded in the training process, is compared
with forward, loss and backward of the bare module on one batch. Both run on one thread, in turns in
each round; the medians of CPU seconds are compared. `loading` and `optimiser` are also measured
alone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import anetdsl
from anetc.data.batches.loader import network_inputs, training_batches
from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.training.loop import make_accelerator, make_train_state, steps
from anetc.training.losses import loss_of
from anetc.training.settings import TrainSettings
from benchmarks.tables import print_table, replay

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ROUNDS = 9
SETTINGS = TrainSettings(iterations=ROUNDS + 1, batch=32, device="cpu")

_table: list[tuple[str, ...]] = [
    ("case", "bare ms", "step ms", "step / bare", "loading ms", "optimiser ms")
]


@pytest.fixture(scope="module", autouse=True)
def _report(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    if len(_table) > 1:
        print_table(request, _table)


def seconds(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


@pytest.mark.parametrize("name", ["small_assemblenet", "small_single_stream_flow"])
def test_step(benchmark: BenchmarkFixture, name: str) -> None:
    """pytest-benchmark reports the step of the loop. The table has all parts."""
    network = anetdsl.load(EXAMPLES / f"{name}.anet")
    spec = parse_spec("motion")
    data = open_data(spec, "train", recipes_for(spec).train, flow=True)
    state = make_train_state(network, SETTINGS, make_accelerator(SETTINGS))
    batches = training_batches(data, batch=SETTINGS.batch, seed=0)
    batch = next(batches)
    inputs = network_inputs(network, batch)

    def bare() -> None:
        state.model.zero_grad(set_to_none=True)
        loss_of(state.wrapped(inputs), batch.targets, SETTINGS.label_smoothing).backward()

    loop = steps(state, batches)
    parts: dict[str, Callable[[], object]] = {
        "step": lambda: next(loop),
        "loading": lambda: next(batches),
        "bare": bare,
        "optimiser": state.optimiser.step,  # uses the gradients of `bare`
    }
    next(loop)
    bare()
    state.model.zero_grad(set_to_none=True)
    rounds = []
    for _ in range(ROUNDS):
        rounds.append({part: seconds(run) for part, run in parts.items()})
        state.model.zero_grad(set_to_none=True)
    medians = {part: statistics.median(r[part] for r in rounds) for part in parts}
    ms = {part: f"{1000 * value:.1f}" for part, value in medians.items()}
    ratio = f"{medians['step'] / medians['bare']:.3f}"
    _table.append((name, ms["bare"], ms["step"], ratio, ms["loading"], ms["optimiser"]))
    benchmark.extra_info.update({**ms, "step / bare": ratio})
    replay(benchmark, [r["step"] for r in rounds])
