"""SIGINT and SIGTERM stop a run after a checkpoint; the resumed run has the same numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anetc.data.batches.loader import Batch, training_batches
from anetc.data.values import DataSpec
from anetc.training.failures import BadData
from anetc.training.run import run_loop
from anetc.training.run.checkpoint import saved_steps
from anetc.training.run.stop_request import SIGNALS, StopRequest
from anetc.training.schedule import learning_rate
from anetdsl.errors import CannotRun
from tests.training.running import ITERATIONS, TEXT, metrics, outcome, run

REPOSITORY = Path(__file__).resolve().parents[2]
EACH_SIGNAL = pytest.mark.parametrize("number", SIGNALS, ids=["SIGINT", "SIGTERM"])


@pytest.fixture(autouse=True)
def _sigint_is_handled() -> Iterator[None]:
    """The tests may run in the background, where SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send_in_step(monkeypatch: pytest.MonkeyPatch, step: int, *numbers: int) -> None:
    """Send signals to this process while it computes a step (counted from 1)."""

    def send(iteration: int, *arguments: Any) -> float:
        if iteration + 1 == step:
            for number in numbers:
                os.kill(os.getpid(), number)
        return learning_rate(iteration, *arguments)

    monkeypatch.setattr("anetc.training.loop.learning_rate", send)


def stopped_run(out: Path, clips: DataSpec) -> StopRequest:
    stop = StopRequest()
    with pytest.raises(KeyboardInterrupt), stop.installed():
        run(out, clips, stop=stop)
    return stop


@EACH_SIGNAL
@pytest.mark.parametrize("step", [1, 5, 6, 8, ITERATIONS])
def test_a_stopped_run_keeps_each_finished_step(
    number: signal.Signals,
    step: int,
    whole: Path,
    clips: DataSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps without anything due, and steps after which a validation or a checkpoint is due."""
    send_in_step(monkeypatch, step, number)
    stop = stopped_run(tmp_path, clips)
    monkeypatch.undo()
    assert stop.exit_code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert saved_steps(tmp_path / "checkpoints") == step
    assert [line["iteration"] for line in metrics(tmp_path) if "loss" in line] == [*range(step)]
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


def test_a_validation_is_interrupted_at_once(
    whole: Path, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps before it are saved; the resumed run validates again."""

    def validate(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the validation continued")

    monkeypatch.setattr(run_loop, "validate", validate)
    stopped_run(tmp_path, clips)
    monkeypatch.undo()
    assert saved_steps(tmp_path / "checkpoints") == 6
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


@EACH_SIGNAL
def test_a_wait_for_clips_is_interrupted_at_once(
    number: signal.Signals,
    whole: Path,
    clips: DataSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading a batch may take minutes. The steps before it are saved."""

    def batches(*arguments: Any, **options: Any) -> Iterator[Batch]:
        real = training_batches(*arguments, **options)
        for _ in range(5):
            yield next(real)
        os.kill(os.getpid(), number)
        pytest.fail("the wait went on")

    monkeypatch.setattr("anetc.training.run.run.training_batches", batches)
    stopped_run(tmp_path, clips)
    monkeypatch.undo()
    assert saved_steps(tmp_path / "checkpoints") == 5
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


def test_a_second_signal_stops_at_once(
    whole: Path, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_in_step(monkeypatch, 6, signal.SIGTERM, signal.SIGINT)
    stop = stopped_run(tmp_path, clips)
    monkeypatch.undo()
    assert stop.exit_code == 130
    assert saved_steps(tmp_path / "checkpoints") == 4
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


def test_repeated_signals_are_ignored_in_several_processes() -> None:
    """torchrun sends Ctrl-C to its processes a second time."""
    stop = StopRequest()
    stop.ignores_repeats = True
    with stop.installed(), stop.deferred():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), stop.immediate():
            pytest.fail("the block was entered")


def test_a_signal_that_also_ends_the_loader_s_workers_loses_nothing(
    whole: Path, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batches(*arguments: Any, **options: Any) -> Iterator[Batch]:
        real = training_batches(*arguments, **options)
        for _ in range(5):
            yield next(real)
        os.kill(os.getpid(), signal.SIGTERM)
        raise CannotRun("a process that reads videos was killed")

    monkeypatch.setattr("anetc.training.run.run.training_batches", batches)
    stopped_run(tmp_path / "stopped", clips)
    assert saved_steps(tmp_path / "stopped" / "checkpoints") == 5
    monkeypatch.setattr(os, "kill", lambda *_: None)
    with pytest.raises(BadData, match="was killed"):
        run(tmp_path / "failed", clips)
    monkeypatch.undo()
    run(tmp_path / "stopped", clips, resume=True)
    assert outcome(tmp_path / "stopped") == outcome(whole)


def test_signal_handlers_are_restored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = [signal.getsignal(number) for number in SIGNALS]
    stop = StopRequest()
    with stop.installed():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == stop._handle
    assert [signal.getsignal(number) for number in SIGNALS] == before


# The command

COMMAND = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from anetc.training import loop
from anetc.cli.main import run
step, number = map(int, sys.argv[1:3])
real = loop.learning_rate
def learning_rate(iteration, *arguments):
    if iteration + 1 == step:
        os.kill(os.getpid(), number)
    return real(iteration, *arguments)
loop.learning_rate = learning_rate
sys.argv[1:3] = []
run()
"""


def train_command(
    folder: Path, clips: DataSpec, *options: object, step: int = 0, number: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `anetc train`, which sends itself a signal while it computes a step."""
    (folder / "toy.anet").write_text(TEXT)
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    arguments: list[object] = ["train", "toy.anet", "--data", clips.path, "--frames", 4]
    arguments += [
        "--size",
        16,
        "--iterations",
        9,
        "--batch",
        8,
        "--device",
        "cpu",
        "--threads",
        1,
        *options,
    ]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, (step, int(number), *arguments))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": roots},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    done = train_command(folder, clips, "--out", "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@EACH_SIGNAL
def test_the_command_says_what_is_saved_and_how_to_resume(
    number: signal.Signals, finished: Path, clips: DataSpec, tmp_path: Path
) -> None:
    stopped = train_command(tmp_path, clips, "--out", "run", step=7, number=number)
    assert stopped.returncode == 128 + number, stopped.stderr
    assert "stopping after this step; a second signal stops" in stopped.stderr
    assert stopped.stderr.endswith(
        "anetc: interrupted; 7 of 9 steps are saved in run; "
        "the same command with --resume continues the run\n"
    )
    resumed = train_command(tmp_path, clips, "--out", "run", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after step 7" in resumed.stderr
    assert outcome(tmp_path / "run") == outcome(finished)
