"""Stages of `make gpu-check` about whole runs: memory, feeding, and trials at a time.

They use the loop, the data and the server of trials that `anetc train` and `anetc evolve` use.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

import anetc
from anetc.data.batches.loader import training_batches
from anetc.data.open import open_data
from anetc.data.recipes import recipes_for
from anetc.data.spec import parse_spec
from anetc.engines.accelerator import AcceleratorModule
from anetc.engines.training import TrainingModule
from anetc.process_start import processor_count
from anetc.training import memory_probe
from anetc.training.loop import is_compact, make_accelerator, make_train_state, steps
from anetc.training.run import run as training_run
from anetc.training.settings import TrainSettings
from anetc.worker_processes import automatic_workers
from anetdsl.evolve.contract import JOB_SCHEMA, JOB_VERSION, TrialFolder
from anetdsl.evolve.workers.executors import open_workers
from anetdsl.evolve.workers.trial_process import TrialTask
from benchmarks.gpu_setting import EXAMPLES, Setting, Stage

NETWORK = EXAMPLES / "small_two_stream_level4.anet"


def memory_stage(setting: Setting, stage: Stage) -> None:
    """Train while a stand-in raises "out of memory" for more than half of a step's clips.

    The run must halve its parts before the first step, write that down, and compute the losses of a
    run that was given these parts.
    """
    given = {
        **{"frames": 4, "size": 16, "batch": 4, "iterations": 2 if setting.tiny else 20},
        **{"device": setting.device.name, "precision": "ieee", "seed": 1},
    }
    data = "motion:clips=24"
    expected, found = setting.folder / "given", setting.folder / "found"
    anetc.train(NETWORK, data, expected, accumulate=2, **given)
    with _limited(2) as tries:
        anetc.train(NETWORK, data, found, **given)
    stage.numbers["clips of the first tries"] = tries[:2]
    if tries[:2] != [4, 2] or max(tries[1:]) > 2:
        stage.failures.append(f"the parts have {tries[:4]} clips, not 4 and then 2")
    parts = json.loads((found / "run.json").read_text(encoding="utf-8")).get("parts")
    if parts != 2:
        stage.failures.append(f"the run records {parts} parts, not 2")
    losses = [_losses(folder) for folder in (expected, found)]
    # Atomic additions on a GPU change the order of sums.
    errors = [abs(one / other - 1) for one, other in zip(*losses, strict=True)]
    stage.check(
        "relative error of the losses", max(errors), 0.0 if not setting.device.is_cuda else 1e-2
    )


def feeding_stage(setting: Setting, stage: Stage) -> None:
    """Measure how long steps wait for clips of `motion`, with the loader processes of `auto`."""
    clips, count, warm = (2, 3, 1) if setting.tiny else (32, 120, 20)
    settings = TrainSettings(iterations=count, batch=clips, device=setting.device.name)
    network = setting.small
    state = make_train_state(network, settings, make_accelerator(settings))
    spec = parse_spec("motion:clips=24" if setting.tiny else "motion:clips=480")
    size = (4, (16, 16)) if setting.tiny else (16, (32, 32))
    training = open_data(spec, "train", recipes_for(spec, *size).train, flow=True)
    workers = 0 if setting.tiny else automatic_workers(processor_count(), 1)
    batches = training_batches(
        training, batch=clips, seed=0, workers=workers, compact=is_compact(state)
    )
    waited, began = 0.0, 0.0
    with contextlib.closing(batches):
        for step in steps(state, batches):
            if step.iteration < warm - 1:
                continue
            if step.iteration == warm - 1:
                float(step.loss)  # wait for the device
                began = time.perf_counter()
            else:
                waited += step.waited
        float(step.loss)
    seconds = time.perf_counter() - began
    stage.numbers["loader processes"] = workers
    stage.numbers["clips/s"] = clips * (count - warm) / seconds
    stage.numbers["bytes of a batch"] = clips * size[0] * size[1][0] * size[1][1] * 5
    stage.aim("share of time waiting for clips", waited / seconds, 0.1)


def trials_stage(setting: Setting, stage: Stage) -> None:
    """Measure trials per hour of the slots: short trials that the server of trials forks."""
    tasks = [_trial(setting, number) for number in range(2 if setting.tiny else 12)]
    executor = "threads" if setting.device.is_cuda else "threads:2"
    began = time.monotonic()
    with open_workers(executor, per_gpu=2, on_cpu=not setting.device.is_cuda) as workers:
        outcomes = list(workers.executor.map(workers.run, tasks))
        stage.numbers["trials at a time"] = workers.capacity()
    seconds = time.monotonic() - began
    stage.failures += [f"trial: {found.message}" for found in outcomes if found.result is None]
    devices = {str((found.result.device or {}).get("name")) for found in outcomes if found.result}
    stage.numbers["devices of the trials"] = ", ".join(sorted(devices))
    stage.numbers["trials/hour"] = 3600 * len(tasks) / seconds


@contextlib.contextmanager
def _limited(most: int) -> Iterator[list[int]]:
    """Raise "out of memory" for a forward pass of more than `most` clips; probe CPUs, too.

    Yield the list of the clips of all training passes.
    """
    counts: list[int] = []

    def limited(kind: type[nn.Module]) -> Callable[..., Tensor]:
        forward = kind.forward

        def run(self: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
            clips = len(next(iter(inputs.values())))
            result: Tensor = forward(self, inputs)
            if self.training:
                counts.append(clips)
            if self.training and clips > most:
                raise torch.OutOfMemoryError("CUDA out of memory (a stand-in of gpu-check)")
            return result

        return run

    probe = functools.partial(memory_probe.with_fitting_parts, always=True)
    with contextlib.ExitStack() as stack:
        for kind in (TrainingModule, AcceleratorModule):
            stack.enter_context(mock.patch.object(kind, "forward", limited(kind)))
        stack.enter_context(mock.patch.object(training_run, "with_fitting_parts", probe))
        yield counts


def _losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["loss"] for line in map(json.loads, lines) if "loss" in line]


def _trial(setting: Setting, number: int) -> TrialTask:
    folder = TrialFolder(setting.folder / f"trial-{number}")
    folder.path.mkdir()
    folder.candidate.write_text(NETWORK.read_text(encoding="utf-8"), encoding="utf-8")
    job = {
        "schema": JOB_SCHEMA,
        "schema_version": JOB_VERSION,
        "data": "motion:clips=24" if setting.tiny else "motion:clips=240",
        "settings": {"iterations": 1 if setting.tiny else 50, "batch": 4, "seed": number},
        "recipe": {"frames": 4, "size": [16, 16]} if setting.tiny else {},
        "device": setting.device.kind,
    }
    folder.job.write_text(json.dumps(job), encoding="utf-8")
    return TrialTask(f"trial-{number}", str(folder.path))
