"""GPUs of --gpus: positions in CUDA_VISIBLE_DEVICES, or names."""

from __future__ import annotations

import re

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.workers import gpu_slots as module
from anetdsl.evolve.workers.executors import check_workers, open_workers
from anetdsl.evolve.workers.gpu_slots import gpu_slots


def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have four GPUs."""
    monkeypatch.setattr(module, "installed_gpus", lambda: ["0", "1", "2", "3"])


@pytest.mark.parametrize(
    ("gpus", "visible", "expected"),
    [
        (["0", "1"], None, ("0", "1")),
        (["0", "1"], "2,3", ("2", "3")),
        ([" 1", "0 "], " 2 , 3 ", ("3", "2")),
        (["1"], "GPU-8f2e1c,MIG-77", ("MIG-77",)),
        (["GPU-8f2e1c", "MIG-GPU-77/1/0"], "2,3", ("GPU-8f2e1c", "MIG-GPU-77/1/0")),
        (["00"], None, ("0",)),
        ([], "", ()),
        (["all"], "2,GPU-8f2e1c,MIG-77", ("2", "GPU-8f2e1c", "MIG-77")),
        (["all"], None, ("0", "1", "2", "3")),
    ],
)
def test_the_gpus_of_trials(
    gpus: list[str],
    visible: str | None,
    expected: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    four_gpus(monkeypatch)
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpu_slots(gpus, environment) == expected


@pytest.mark.parametrize(
    ("gpu", "visible", "message"),
    [
        ("2", "2,3", "there is no GPU 2: CUDA_VISIBLE_DEVICES lists 2 (2, 3), and numbers are"),
        ("0", "", "there is no GPU 0: CUDA_VISIBLE_DEVICES hides all GPUs"),
        ("1", "2,-1,3", "CUDA_VISIBLE_DEVICES lists 1 (2)"),  # CUDA stops at -1
        ("cuda:0", None, "`cuda:0` is neither a number nor a name such as GPU-... or MIG-..."),
        ("-1", None, "`-1` is neither"),
        ("all", "", "this process has no NVIDIA GPU: CUDA_VISIBLE_DEVICES hides them"),
    ],
)
def test_gpus_that_do_not_exist(gpu: str, visible: str | None, message: str) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(CannotRun, match=re.escape(message)):
        gpu_slots([gpu], environment)


def test_gpus_are_checked_before_a_search_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    check_workers("threads:2", ["0"])
    with pytest.raises(CannotRun, match="there is no GPU 1"):
        check_workers("threads:2", ["1"])


MIG = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-bb-1)
  MIG 3g.20gb     Device  1: (UUID: MIG-bb-2)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aa-2)
"""
WHOLE = "".join(line + "\n" for line in MIG.splitlines() if line.startswith("GPU"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [(MIG, ["MIG-bb-1", "MIG-bb-2", "GPU-aa-2"]), (WHOLE, ["0", "1"]), ("No devices\n", [])],
)
def test_gpus_of_the_machine(text: str, expected: list[str]) -> None:
    """A GPU that is divided into parts is replaced by its parts."""
    assert module.listed_gpus(text) == expected


def test_machine_without_gpus() -> None:
    if module.installed_gpus():
        pytest.skip("this machine has GPUs")
    with pytest.raises(CannotRun, match="--gpus all: this process has no NVIDIA GPU"):
        gpu_slots(["all"], {})


@pytest.mark.parametrize(
    ("text", "gpus", "per_gpu", "width", "line"),
    [
        ("threads", [], 1, 3, "3 trials at a time on the 3 GPUs 4, 5, 7"),
        ("threads", ["all"], 2, 6, "6 trials at a time on the 3 GPUs 4, 5, 7"),
        ("threads", ["2"], 2, 2, "2 trials at a time on GPU 7"),
        (
            *("threads:2", [], 1, 2),
            "2 trials at a time on the 2 GPUs 4, 5; 1 GPU stays idle, --executor threads uses all",
        ),
        ("threads:4", ["0", "1"], 1, 4, "4 trials at a time on the 2 GPUs 4, 5"),
        ("threads:1", ["0"], 1, 1, "1 trial at a time on GPU 4"),
    ],
)
def test_number_of_trials_at_a_time_follows_the_gpus(
    text: str,
    gpus: list[str],
    per_gpu: int,
    width: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    with open_workers(text, gpus, per_gpu) as workers:
        assert (workers.capacity(), workers.description) == (width, line)


@pytest.mark.parametrize(("visible", "on_cpu"), [("", False), ("4,5", True)])
def test_trials_without_gpus_run_one_at_a_time(
    visible: str, on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with open_workers("threads", on_cpu=on_cpu) as workers:
        assert (workers.capacity(), workers.description) == (1, "")
