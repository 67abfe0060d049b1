"""The device of a search's trials: its line, and the loader processes that `--workers auto` gives.

The driver of a search does not touch CUDA: a context of its own would take memory from the trials.
"""

from __future__ import annotations

import os
import subprocess
import sys

import attrs

from anetc.devices import Device, processor_name
from anetc.process_start import describe_threads, processor_count
from anetc.training.settings import TrainSettings
from anetc.worker_processes import automatic_workers
from anetdsl.errors import CannotRun
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.workers.executors import trials_on_this_machine
from anetdsl.evolve.workers.gpu_slots import VARIABLE
from anetdsl.settings_reader import named_values, read_value

_SECONDS = 120.0
_PROGRAM = """\
import sys
from anetc.devices import resolve
from anetdsl.errors import CannotRun
name, precision, engine, deterministic, steps = sys.argv[1:]
try:
    device = resolve(name, precision, engine=engine, deterministic=deterministic == "True")
except CannotRun as error:
    sys.exit(str(error))
print(device.for_training(int(steps)).line())
"""


def search_device_line(settings: RunSettings) -> str:
    """Return the line about the device that trains the candidates; empty for a cluster.

    Where the candidates may train on a GPU, a process that is started for it asks PyTorch. Raise
    CannotRun, with PyTorch's reason, if PyTorch cannot use a device that the settings name.
    """
    if _is_on_cluster(settings):
        return ""
    training, slots = _training(settings), _trials(settings)[1]
    if not slots and training.device in ("auto", "cpu"):
        precision = "float32" if training.precision == "auto" else training.precision
        device = Device(
            name="cpu",
            hardware=processor_name(),
            precision=precision,
            engine=training.engine,
            deterministic=training.deterministic,
        )
        return device.line(describe_threads(training.threads or 1))
    if ":" in training.device:
        raise CannotRun(
            f"--device {training.device}: each trial of a search sees one GPU only; use "
            "--device cuda, and choose the GPUs with --gpus"
        )
    return _line_of_process(training, {VARIABLE: slots[0]} if slots else {})


def with_automatic_workers(settings: RunSettings) -> RunSettings:
    """Return the settings whose trials together load clips by all processors of this machine.

    Raise CannotRun for trials on a cluster, whose machines are not known.
    """
    if _is_on_cluster(settings):
        raise CannotRun("--workers auto: the machines of a cluster are not known; give a number")
    workers = automatic_workers(processor_count(), _trials(settings)[0])
    trial = dict(settings.trial)
    trial["settings"] = {**trial.get("settings", {}), "workers": workers}
    return attrs.evolve(settings, trial=trial)


def _training(settings: RunSettings) -> TrainSettings:
    values = dict(settings.trial.get("settings", {}))
    if (device := settings.trial.get("device")) is not None:
        values["device"] = device
    return read_value(named_values(values, "[trial.settings]"), TrainSettings)


def _is_on_cluster(settings: RunSettings) -> bool:
    return settings.running.executor.startswith("dask:")


def _trials(settings: RunSettings) -> tuple[int, tuple[str, ...]]:
    """Return the number of trials at a time on this machine, and the slots of its GPUs."""
    running = settings.running
    on_cpu = _training(settings).device == "cpu"
    return trials_on_this_machine(running.executor, running.gpus, running.per_gpu, on_cpu=on_cpu)


def _line_of_process(training: TrainSettings, environment: dict[str, str]) -> str:
    words = (training.device, training.precision, training.engine, training.deterministic)
    command = [sys.executable, "-P", "-c", _PROGRAM, *map(str, words), str(training.iterations)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRun(f"--device {training.device}: PyTorch does not answer: {error}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CannotRun(lines[-1])
    return done.stdout.strip()
