"""`make gpu-check` without a GPU: it says so, and its stages run on a CPU at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.version import Version

from anetc.devices import resolve
from benchmarks import gpu_check, gpu_memory, gpu_number_stages
from benchmarks.gpu_setting import Setting, Stage
from benchmarks.gpu_stages import ALL_STAGES, STAGES
from tests.conftest import REPOSITORY
from tests.evolve.workers.test_trials import until


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main([]) == 2
    assert "needs a GPU, and there is none here: --device cuda: " in capsys.readouterr().err


def test_documented_memory_is_the_computed_one() -> None:
    assert gpu_memory.table() in (REPOSITORY / "docs" / "gpu.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["2.13.0", "2.14.0"], "2.13.0"),  # the default index on Linux: CUDA
        (["2.13.0+cpu"], "2.13.0+cpu"),
        (["2.13.0+cu130"], "2.13.0+cu130"),
        (["2.13.0", "2.13.0+cpu"], "2.13.0+cpu"),
    ],
)
def test_pip_takes_the_build_of_pytorch_that_the_index_offers(
    offered: list[str], chosen: str
) -> None:
    """A pin with a suffix, such as 2.13.0+cpu, would install PyTorch without CUDA everywhere."""
    pins = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = (Requirement(line) for line in pins if line.startswith("torch=="))
    assert str(max(pin.specifier.filter(map(Version, offered)))) == chosen


def test_deadlines_are_below_nine_minutes() -> None:
    assert sum(deadline for _, deadline in STAGES.values()) < 9 * 60


@pytest.mark.integration
@pytest.mark.parametrize("name", ALL_STAGES)
def test_stages_run_on_a_cpu(name: str, tmp_path: Path) -> None:
    stage = Stage()
    ALL_STAGES[name][0](Setting(resolve("cpu"), tmp_path, tiny=True), stage)
    assert stage.failures == []
    assert stage.numbers
    json.dumps(stage.to_json())


def test_checks_and_aims() -> None:
    """A check that is exceeded fails the stage; NaN exceeds every limit. An aim is only named."""
    stage = Stage()
    stage.check("error", 1e-3, 1e-4)
    stage.check("other", float("nan"), 1.0)
    stage.aim("ratio", 0.9, 0.7)
    assert stage.failures == ["error is 0.001, above 0.0001", "other is nan, above 1"]
    assert stage.missed == ["ratio is 0.9, above 0.7"]


def test_waiting_for_the_device_fails_its_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(*_: object) -> None:
        raise RuntimeError("called a synchronizing CUDA operation\nmore")

    monkeypatch.setattr(gpu_number_stages, "steps", steps)
    stage = Stage()
    gpu_number_stages.waiting_stage(Setting(resolve("cpu"), tmp_path, tiny=True), stage)
    assert stage.failures == ["step 1 waits: called a synchronizing CUDA operation"]


def test_a_stage_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its results so far are kept, and the commands that it has started end, too."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import json, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(json.dumps({'numbers': {'child': child.pid}, 'failures': [], 'missed': []}))\n"
        "print('other output', flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(gpu_check, "__file__", str(script))
    found = gpu_check.checked_stage("device", "cpu", 3, tiny=True)
    assert found["failures"] == ["not finished after 3 s"]
    state = Path("/proc", str(found["numbers"]["child"]), "stat")

    def has_ended() -> bool:
        try:
            return state.read_text(encoding="utf-8").split()[2] == "Z"
        except OSError:
            return True

    until(has_ended)


def test_a_crash_is_a_failure_of_the_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "crash.py"
    script.write_text("raise SystemExit('illegal memory access')")
    monkeypatch.setattr(gpu_check, "__file__", str(script))
    found = gpu_check.checked_stage("device", "cpu", 60, tiny=True)
    assert found["failures"] == ["exit code 1: illegal memory access"]
    gpu_check.print_table({"device": found})
    assert "device: FAILED" in capsys.readouterr().out
