"""A command in several processes of this machine: their variables, failures and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import numpy as np
import pytest

from anetc import local_processes
from anetc.cli.process_options import DevicesType, WorkersType, without_devices
from anetc.data.values import DataSpec
from anetc.evaluation.predictions.prediction_files import read_predictions
from anetc.local_processes import run_processes
from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from anetc.worker_processes import automatic_workers
from tests.command_line import anetc
from tests.evolve.workers.test_trials import is_alive, paths, until
from tests.training.conftest import clips
from tests.training.running import TEXT, losses
from tests.training.toys import network

__all__ = ["clips"]


def script(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the processes run Python code, with the rank in `rank`."""
    start = "import os, signal, sys, time, pathlib\nrank = int(os.environ['RANK'])\n"
    command = (sys.executable, "-I", "-S", "-c", start + code)
    monkeypatch.setattr(local_processes, "COMMAND", command)


def test_variables_are_those_of_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    code = f"values = [os.environ[name] for name in {names}]\n"
    code += "port = int(os.environ['MASTER_PORT']); assert os.environ['OMP_NUM_THREADS'] >= '1'\n"
    code += "pathlib.Path(sys.argv[1], str(rank)).write_text(' '.join(values) + f' {port}')"
    script(monkeypatch, code)
    assert run_processes([str(tmp_path)], 3) == 0
    found = [(tmp_path / str(rank)).read_text().split() for rank in range(3)]
    assert [words[:5] for words in found] == [
        [str(rank), str(rank), "3", "3", "127.0.0.1"] for rank in range(3)
    ]
    assert len({words[5] for words in found}) == 1


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [
        ("sys.exit(3 if rank == 0 else 0)", 3, ""),
        ("sys.exit(0 if rank == 0 else 'no GPU')", 1, "no GPU\nanetc: process 1 ended with exit"),
        (
            "if rank: os.kill(os.getpid(), 9)\ntime.sleep(600)",
            137,
            "process 1 was ended by SIGKILL",
        ),
    ],
)
def test_failure_of_one_process_ends_all(
    code: str,
    expected: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(local_processes, "_GRACE_SECONDS", 0.2)
    script(monkeypatch, code)
    began = time.monotonic()
    assert run_processes([], 2) == expected
    assert time.monotonic() - began < 60
    assert message in capsys.readouterr().err


def test_signal_goes_to_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
def stop(number, _):
    pathlib.Path(sys.argv[1], f"stopped{rank}").touch()
    sys.exit(130)
signal.signal(signal.SIGINT, stop)
pathlib.Path(sys.argv[1], str(rank)).touch()
time.sleep(600)
"""
    script(monkeypatch, code)

    def interrupt() -> None:
        until(lambda: all((tmp_path / str(rank)).exists() for rank in range(2)))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run_processes([str(tmp_path)], 2) == 130
    thread.join()
    assert all((tmp_path / f"stopped{rank}").exists() for rank in range(2))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a kernel function of Linux")
def test_killed_command_leaves_no_process(tmp_path: Path) -> None:
    code = (
        "import sys; from anetc import local_processes\n"
        "local_processes.COMMAND = (sys.executable, '-I', '-S', '-c', 'import os, sys, time\\n"
        'open(sys.argv[1] + os.environ["RANK"], "w").write(str(os.getpid()))\\n'
        "time.sleep(600)')\n"
        "local_processes.run_processes([sys.argv[1]], 2)"
    )
    command = subprocess.Popen([sys.executable, "-c", code, f"{tmp_path}/"], env=paths())
    files = [tmp_path / str(rank) for rank in range(2)]
    until(lambda: all(file.exists() and file.read_text() for file in files))
    command.kill()
    command.wait()
    until(lambda: not any(is_alive(int(file.read_text())) for file in files))


@pytest.mark.integration
def test_training_in_two_processes(clips: object, tmp_path: Path) -> None:
    """`--devices 2` trains with gloo on the CPU."""
    (tmp_path / "toy.anet").write_text(TEXT)
    words = [sys.executable, "-m", "anetc", "train", "toy.anet", "--devices", "2"]
    words += ["--data", f"arrays:{clips.path}", "--out", "run", "--device", "cpu"]  # type: ignore[attr-defined]
    words += ["--iterations", "2", "--batch", "4", "--frames", "4", "--size", "16"]
    done = subprocess.run(
        words, cwd=tmp_path, env=paths(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("top1 ")
    assert done.stderr.count("wrote run/model.anet") == 1
    assert len(losses(tmp_path / "run")) == 2


@pytest.mark.integration
def test_evaluation_in_two_processes_equals_that_in_one(clips: DataSpec, tmp_path: Path) -> None:
    """`--devices 2` shares the videos by gloo on the CPU; only the first process prints."""
    toy = network()
    (tmp_path / "toy.anet").write_text(str(toy))
    save_weights(build_network(toy, seed=1), tmp_path / "w.safetensors")
    words = ["eval", str(tmp_path / "toy.anet"), "--weights", str(tmp_path / "w.safetensors")]
    words += ["--data", f"arrays:{clips.path}", "--split", "validation", "--device", "cpu"]
    words += ["--frames", "4", "--size", "16", "--json", "--save"]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    alone = anetc(*words, one)
    assert alone.code == 0, alone.err
    together = subprocess.run(
        [sys.executable, "-m", "anetc", *words, str(two), "--devices", "2"],
        env=paths(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert together.returncode == 0, together.stderr
    counts = [together.stderr.count(text) for text in ("on the CPU: ", f"wrote {two}")]
    assert counts == [1, 1]
    expected, found = json.loads(alone.out), json.loads(together.stdout)
    assert found["measures"] == pytest.approx(expected["measures"], rel=1e-6)
    assert {**found, "measures": 0} == {**expected, "measures": 0}
    first, second = read_predictions(str(one)), read_predictions(str(two))
    assert second.names == first.names
    np.testing.assert_allclose(second.scores, first.scores, rtol=1e-5)


@pytest.mark.slow
def test_mistake_in_an_evaluation_is_printed_once(clips: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "toy.anet").write_text(str(network(4)))
    save_weights(build_network(network(4), seed=1), tmp_path / "w.safetensors")
    words = ["eval", "toy.anet", "--weights", "w.safetensors", "--data", f"arrays:{clips.path}"]
    words += ["--split", "validation", "--frames", "4", "--size", "16", "--devices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "anetc", *words],
        cwd=tmp_path,
        env=paths(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("has 4 classes, but the data have") == 1


# Options


def test_words_without_devices() -> None:
    words = ["train", "a.anet", "--devices", "2", "--out", "r", "--devices=all"]
    assert without_devices(words) == ["train", "a.anet", "--out", "r"]


@pytest.mark.parametrize(
    ("cores", "processes", "workers"), [(1, 1, 1), (2, 1, 1), (8, 1, 7), (64, 1, 16), (64, 8, 7)]
)
def test_automatic_workers(cores: int, processes: int, workers: int) -> None:
    assert automatic_workers(cores, processes) == workers


def test_workers_are_a_number_or_auto(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("anetc.cli.process_options.processor_count", lambda: 6)
    assert WorkersType().convert("3", None, None) == 3
    assert WorkersType().convert("auto", None, None) == 5
    assert capsys.readouterr().err == "--workers auto: 5 (of 6 cores)\n"
    with pytest.raises(click.BadParameter):
        WorkersType().convert("many", None, None)


def test_devices_are_a_number_or_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    assert DevicesType().convert("all", None, None) == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(click.BadParameter, match="no NVIDIA GPU"):
        DevicesType().convert("all", None, None)


def test_devices_within_torchrun_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    (tmp_path / "toy.anet").write_text(TEXT)
    found = anetc(
        "train", tmp_path / "toy.anet", "--data", "motion", "--out", tmp_path / "r", "--devices", 2
    )
    assert found.code == 2
    assert "--devices: these processes were started by torchrun" in found.err
