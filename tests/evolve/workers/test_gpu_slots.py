"""GPUs of --gpus: positions in CUDA_VISIBLE_DEVICES, or names."""

from __future__ import annotations

import re

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.workers.executors import check_workers
from anetdsl.evolve.workers.gpu_slots import gpu_slots


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
    ],
)
def test_the_gpus_of_trials(
    gpus: list[str], visible: str | None, expected: tuple[str, ...]
) -> None:
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
