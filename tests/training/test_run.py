"""Runs in a folder: the files they write, and resumed runs, which equal uninterrupted ones."""

from __future__ import annotations

import json
import math
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

import anetdsl
from anetc.data.values import DataSpec
from anetc.modules.network import build_network
from anetc.training.run import checkpoint, records
from anetc.training.settings import Parent
from anetc.weights.files import load_weights, read_weights
from anetdsl.errors import CannotRun
from anetdsl.source import SourceFile
from tests.training.running import (
    ITERATIONS,
    TEXT,
    Interrupted,
    StopsAt,
    losses,
    metrics,
    outcome,
    run,
)

# The files of a run


def test_metrics_hold_each_step_and_each_validation_once(whole: Path) -> None:
    lines = metrics(whole)
    assert [line["iteration"] for line in lines if "loss" in line] == list(range(ITERATIONS))
    assert [line["iteration"] for line in lines if "validation" in line] == [6, 12]
    assert all(set(line) == {"iteration", "loss", "learning_rate"} for line in lines[:6])
    # round(0.24 x 12) = 3 steps of warm-up.
    assert [line["learning_rate"] for line in lines[:4]] == pytest.approx(
        [0.05 / 3, 0.1 / 3, 0.05, 0.05]
    )
    assert lines[0]["loss"] == pytest.approx(math.log(3), abs=0.1)


def test_a_run_reduces_the_loss(whole: Path) -> None:
    assert losses(whole)[-1] < losses(whole)[0] - 0.05


def test_the_text_agrees_with_the_weights_file(whole: Path) -> None:
    """Edge weights are the sigmoids of the file's; the score is that of the last validation."""
    model = build_network(anetdsl.load(whole / "model.anet"))
    load_weights(model, whole / "weights.safetensors")
    found = torch.sigmoid(model.get_parameter("nodes.n2.fuse.w")).tolist()
    network = anetdsl.load(whole / "model.anet")
    assert [edge.weight for edge in network.node("n2").inputs] == pytest.approx(found, abs=1e-6)
    assert network.score is not None
    score = dict(network.score.values)
    last = metrics(whole)[-1]["validation"]
    assert score == {name: pytest.approx(value, abs=1e-4) for name, value in last.items()}
    result = json.loads((whole / "result.json").read_text())
    assert result["measures"] == last
    assert result["iterations"] == ITERATIONS


def test_only_learned_numbers_change_in_the_text(whole: Path, golden: Any) -> None:
    """Comments, blanks and lines stay. Numbers, which depend on the machine, are replaced by N."""
    text = (whole / "model.anet").read_text()
    lines = text.splitlines()
    before = TEXT.splitlines()
    assert [line for line in lines if line not in before] == [
        next(line for line in lines if line.startswith("score ")),
        *(line for line in lines if "@" in line),
    ]
    masked = [mask_numbers(line) if line not in before else line for line in lines]
    golden("training/model.anet", "\n".join(masked) + "\n")


def mask_numbers(line: str) -> str:
    return re.sub(r"\d+\.\d+", "N", line)


def test_the_last_two_checkpoints_are_kept(whole: Path) -> None:
    names = [path.name for path in checkpoint.checkpoints(whole / "checkpoints")]
    assert names == ["00000008.safetensors", "00000012.safetensors"]
    assert sorted(path.name for path in whole.iterdir()) == [
        "checkpoints",
        "metrics.jsonl",
        "model.anet",
        "result.json",
        "run.json",
        "speed.jsonl",
        "videos.jsonl",
        "weights.safetensors",
    ]


def test_a_run_is_deterministic(whole: Path, clips: DataSpec, tmp_path: Path) -> None:
    """The interval of checkpoints has no effect; the seed has one."""
    run(tmp_path / "again", clips, save_every=5, threads=1)
    assert outcome(tmp_path / "again") == outcome(whole)
    run(tmp_path / "other", clips, seed=1)
    assert outcome(tmp_path / "other") != outcome(whole)


@pytest.mark.parametrize("stop", [1, 4, 6, 8, 12])
def test_a_resumed_run_equals_an_uninterrupted_one(
    stop: int, whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    """Interrupted before the first checkpoint, before and at validations, and at the end."""
    with pytest.raises(Interrupted):
        run(tmp_path, clips, watch=StopsAt(stop))
    torch.manual_seed(99)  # as in another process
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


def test_resume_restores_the_random_generator_of_pytorch(clips: DataSpec, tmp_path: Path) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    with pytest.raises(Interrupted):
        run(tmp_path, clips, watch=StopsAt(6))
    torch.manual_seed(8)
    run(tmp_path, clips, resume=True)
    assert torch.equal(torch.get_rng_state(), state)


def test_resuming_a_finished_run_writes_its_results_again(
    whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    run(tmp_path, clips)
    for name in ("model.anet", "weights.safetensors", "result.json"):
        (tmp_path / name).unlink()
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


def test_a_run_is_not_overwritten_without_resume(whole: Path, clips: DataSpec) -> None:
    before = outcome(whole)
    with pytest.raises(CannotRun, match="--resume"):
        run(whole, clips)
    assert outcome(whole) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 4}, "--batch: 8 in this run, 4 now"),
        ({"seed": 5}, "--seed: 0 in this run, 5 now"),
        ({"source": SourceFile("x", TEXT.replace("C=2", "C=3"))}, "another text of the network"),
    ],
)
def test_resume_requires_the_same_run(
    changes: dict[str, Any], message: str, whole: Path, clips: DataSpec
) -> None:
    with pytest.raises(CannotRun, match=message):
        run(whole, clips, resume=True, **changes)


COMMAND = (
    "import sys; from pathlib import Path; sys.path[:0] = sys.argv[4:]\n"
    "from anetc.data.spec import parse_spec\n"
    "from tests.training.running import run\n"
    "import torch; torch.set_num_threads(1)\n"
    "run(Path(sys.argv[1]), parse_spec(sys.argv[2]), resume=True,\n"
    "    iterations=int(sys.argv[3]), evaluate_every=50)\n"
)


def start(out: Path, clips: DataSpec, iterations: int) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    data = f"arrays:{clips.path}"
    arguments = [str(out), data, str(iterations), str(root), str(root / "compiler")]
    return subprocess.Popen([sys.executable, "-c", COMMAND, *arguments])


def kill_after(process: subprocess.Popen[bytes], out: Path, steps: int) -> None:
    """Send SIGKILL after so many lines of metrics. The process must not have ended."""
    path = out / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < steps:
        assert process.poll() is None, "the process ended before it was killed"
        assert time.monotonic() < deadline, "the process writes no metrics"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_run_can_be_resumed(clips: DataSpec, tmp_path: Path) -> None:
    """SIGKILL ends it during training; another process resumes it."""
    process = start(tmp_path / "killed", clips, 80)
    kill_after(process, tmp_path / "killed", 10)
    run(tmp_path / "killed", clips, resume=True, iterations=80, evaluate_every=50)
    run(tmp_path / "whole", clips, iterations=80, evaluate_every=50)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_of_a_minute_can_be_killed_five_times(clips: DataSpec, tmp_path: Path) -> None:
    """At random moments, also while files are written; the curve is bit-identical."""
    began = time.monotonic()
    run(tmp_path / "first", clips, iterations=200, evaluate_every=50)
    iterations = round(200 * 60 / (time.monotonic() - began))
    rng = random.Random(0)
    run(tmp_path / "long", clips, iterations=iterations, evaluate_every=50)
    for _ in range(5):
        process = start(tmp_path / "killed", clips, iterations)
        time.sleep(4 + rng.uniform(0, 8))
        assert process.poll() is None, "the process ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "killed", clips, iterations).wait() == 0
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "long")


# Ways to compute


def test_plain_and_recomputed_runs_have_the_same_losses(
    whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    run(tmp_path / "plain", clips, engine="reference")
    run(tmp_path / "less", clips, recompute=True)
    for name in ("plain", "less"):
        assert losses(tmp_path / name) == pytest.approx(losses(whole), abs=1e-4)


def test_bfloat16_has_similar_losses(whole: Path, clips: DataSpec, tmp_path: Path) -> None:
    """The saved weights are float32."""
    run(tmp_path, clips, precision="bfloat16")
    assert losses(tmp_path) == pytest.approx(losses(whole), abs=0.05)
    assert losses(tmp_path) != losses(whole)
    _, tensors = read_weights(tmp_path / "weights.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_unequal_parts_are_refused(clips: DataSpec, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="8 clips cannot be shared equally by 1 processes with 3"):
        run(tmp_path, clips, accumulate=3)


def test_a_run_starts_from_a_parent_s_weights(whole: Path, clips: DataSpec, tmp_path: Path) -> None:
    messages: list[str] = []
    watch = mock.Mock(message=messages.append)
    parent = Parent(whole / "weights.safetensors")
    run(tmp_path, clips, init_from=parent, iterations=1, watch=watch)
    assert messages[0].startswith("on the CPU: ")
    assert messages[1].startswith("inherited ")
    assert losses(tmp_path)[0] < losses(whole)[0] - 0.05


def test_losses_are_read_after_the_first_step_and_ten_others_or_some_seconds(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a loss waits for the device."""
    reads: list[int] = []
    real = records.step_lines

    def counted(state: Any, pending: Any) -> Any:
        reads.append(len(pending))
        return real(state, pending)

    monkeypatch.setattr("anetc.training.run.run_loop.step_lines", counted)
    monkeypatch.setattr("anetc.training.run.run_loop._SECONDS_PER_REPORT", math.inf)
    run(tmp_path, clips, iterations=25, save_every=100, evaluate_every=0)
    assert reads == [1, 10, 10, 4]
    reads.clear()
    monkeypatch.setattr("anetc.training.run.run_loop._SECONDS_PER_REPORT", 0.0)
    run(tmp_path / "slow", clips, iterations=3, save_every=100, evaluate_every=0)
    assert reads == [1, 1, 1]
