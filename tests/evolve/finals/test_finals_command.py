"""`anetc finals`, and `anetc evolve` with finals. Most of the trainings do not train."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import anetc as package
from anetdsl.errors import CannotRun
from anetdsl.evolve.drive import search
from anetdsl.evolve.finals import finals_driver
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.plan import read_plan
from anetdsl.evolve.trainings.training_folder import read_trainings
from tests.command_line import Result, anetc
from tests.evolve.finals.made_finals import files_of
from tests.evolve.method import COMMAND
from tests.evolve.workers.test_trials import until

ROOT = Path(__file__).resolve().parents[3]
SYNTHETIC = ("{python}", str(ROOT / "tests" / "evolve" / "trainings" / "synthetic_training.py"))
EXAMPLES = [
    str(ROOT / "examples" / f"small_{name}.anet") for name in ("flow_to_rgb", "assemblenet")
]
DRIVE_FINALS, DRIVE_RUN = finals_driver.drive_finals, search.drive_run
SEARCH = ("--data", "motion:clips=96", "--preset", "small", "--candidates", 4, "--population", 2)
FEW = ("--networks", 1, "--seeds", 2, "--prune-below", 0)


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = functools.partial(finals_driver.drive_finals, command=SYNTHETIC)
    monkeypatch.setattr(finals_driver, "drive_finals", drive)
    monkeypatch.setattr(search, "drive_run", functools.partial(search.drive_run, command=COMMAND))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a search of four candidates."""
    folder = tmp_path_factory.mktemp("searched") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "drive_run", functools.partial(search.drive_run, command=COMMAND))
        result = anetc("evolve", *SEARCH, "--out", folder)
    assert result.code == 0, result.err
    assert result.err.endswith(f"next: anetc finals {folder}\n")
    return folder


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Path:
    """Copy the finished search."""
    return Path(shutil.copytree(searched, tmp_path / "run"))


def finals(*words: object) -> Result:
    return anetc("finals", *words)


def test_finals_print_results_and_next_commands(run: Path) -> None:
    result = finals(run, *FEW, "--learning-rates", "0.05,0.1", "--beside", *EXAMPLES)
    assert result.code == 0, result.err
    folder = FinalsDir.of(run)
    assert re.search(r"^on (the CPU: |NVIDIA )", result.err, re.MULTILINE), "the device"
    assert result.out == folder.table.read_text()
    assert result.out.startswith("# Finals of run\n\nThe winner is g000")
    for name in ("small_flow_to_rgb", "small_assemblenet"):
        assert f"| {name} " in result.out
    assert f"anetc eval {folder.winner} --weights {folder.weights} --data motion:" in result.err
    assert f"anetc compile {folder.winner} --weights {folder.weights}" in result.err
    assert f"anetc train {folder.winner} --data motion:clips=96 --iterations 1000 " in result.err
    plan = read_plan(folder)
    assert plan is not None
    assert (plan.steps, plan.full_steps) == (400, 1000), "2 and 5 times a candidate's 200"
    status = finals(run, "--status")
    total = 3 * 2 + 3 * 2 + 1 + 3 * 2 + 1
    assert status.out == (
        f"{folder.path}: finished\n  finals       {total} of {total}\n"
        f"  winner       {plan.contestants[0].name}\n"
    )
    assert anetc("evolve", "--status", run).out.endswith(status.out)


def test_finished_finals_are_only_displayed(run: Path) -> None:
    before = finals(run, *FEW)
    files = files_of(FinalsDir.of(run).path)
    again = finals(run)
    assert (again.code, again.out) == (0, before.out)
    assert "these finals are finished" in again.err
    assert files_of(FinalsDir.of(run).path) == files
    changed = finals(run, "--seeds", 3)
    assert (changed.code, changed.out) == (2, "")
    assert "began with other settings: seeds 2 is now 3; leave out the options" in changed.err


def test_a_search_ends_with_finals(tmp_path: Path) -> None:
    """[finals] of a settings file; the settings of the run keep it."""
    config = tmp_path / "search.toml"
    config.write_text("[finals]\nnetworks = 1\nseeds = 2\nprune_below = 0.0\n")
    run = tmp_path / "run"
    result = anetc("evolve", *SEARCH, "--config", config, "--out", run)
    assert result.code == 0, result.err
    assert "# Finals of run" in result.out
    assert FinalsDir.of(run).results.exists()
    assert "[finals]\nnetworks = 1\nseeds = 2\n" in (run / "settings.toml").read_text()
    assert "next: anetc finals" not in result.err


def test_evolve_with_the_option(tmp_path: Path) -> None:
    run = tmp_path / "run"
    one = ("--candidates", 1, "--population", 1)
    result = anetc("evolve", *SEARCH, *one, "--finals", "--out", run)
    assert result.code == 0, result.err
    plan = read_plan(FinalsDir.of(run))
    assert plan is not None
    assert (plan.settings.networks, plan.settings.seeds) == (3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[finals]\nseds = 2", "search.toml:2: there is no setting `seds` in [finals]"),
        ("[finals]\nnetworks = 0", "search.toml:2: `networks` must be at least 1"),
        ("[finals]\nbeside = ['none.anet']", "none.anet: no such file"),
    ],
)
def test_wrong_finals_stop_a_search_before_it_begins(
    text: str, message: str, tmp_path: Path
) -> None:
    config = tmp_path / "search.toml"
    config.write_text(text + "\n")
    result = anetc("evolve", *SEARCH, "--config", config, "--out", tmp_path / "run")
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", 0), "0 is not in the range"),
        (("--learning-rates", "fast"), "--learning-rates: `fast` is not a list of numbers"),
        (("--learning-rates", "0.1,0.1"), "has a rate twice"),
        (("more",), "`more`: give one search; networks to compare follow --beside"),
        (("--beside", "none.anet"), "none.anet"),
        (
            ("--beside", ROOT / "examples" / "small_assemblenet_plus.anet"),
            "small_assemblenet_plus.anet: --data motion:",
        ),
        (("--full-beside",), "no effect without networks in `beside`"),
        (("--executor", "cloud"), "neither threads"),
        (("--status", "--seeds", 2), "--status only prints the progress"),
        (("--status",), "no finals have begun here"),
        (("--gpus", ","), "name at least one GPU"),
    ],
)
def test_wrong_options(words: tuple[object, ...], message: str, run: Path) -> None:
    result = finals(run, *words)
    assert (result.code, message in result.err) == (2, True), result.err
    assert not FinalsDir.of(run).plan.exists() or "--executor" in words


def test_finals_of_data_with_folds(tmp_path: Path) -> None:
    """Each subject validates in turn; the test subjects are the same for all folds."""
    archive = tmp_path / "x.npz"
    labels = np.arange(12) % 3
    np.savez(archive, x=np.zeros((12, 4, 16, 16), np.uint8), y=labels, subj=np.arange(12) // 3)
    data = f"arrays:{archive}?folds=0,1,2&test=3"
    found = anetc(
        *("evolve", "--data", data, "--preset", "small", "--candidates", 3, "--population", 2),
        *("--frames", 4, "--size", 16, "--out", tmp_path / "run"),
    )
    assert found.code == 0, found.err
    result = finals(tmp_path / "run", *FEW)
    assert result.code == 0, result.err
    jobs = [json.loads(path.read_text()) for path in (tmp_path / "run").rglob("job.json")]
    assert {job["split"] for job in jobs} == {"validation", "test"}
    assert {job["data"] for job in jobs} == {data}


def test_not_a_search(tmp_path: Path) -> None:
    result = finals(tmp_path / "none")
    assert (result.code, "no such folder" in result.err) == (2, True)
    assert (finals(tmp_path).code, finals().code) == (2, 2)


def test_a_search_that_is_not_finished(run: Path) -> None:
    settings = run / "settings.toml"
    text = settings.read_text()
    settings.write_text(text.replace("candidates = 4", "candidates = 9"))
    assert anetc("evolve", "--status", run).code == 0
    with pytest.MonkeyPatch.context() as patch:
        # A driver that takes in the new number of candidates, and stops at once.
        patch.setattr(search, "_check", lambda _: (_ for _ in ()).throw(CannotRun("stop")))
        assert anetc("evolve", "--resume", run).code == 2
    result = finals(run, *FEW)
    assert result.code == 0, result.err
    note = "the search was not finished when the finals began: 4 of 9 candidates had a result"
    assert note in result.err
    assert note in result.out


def test_data_without_a_test_split(tmp_path: Path) -> None:
    """`motion` always has one; a folder of which all videos are for training has none."""
    run = tmp_path / "run"
    words = ("--preset", "small", "--candidates", 1, "--population", 1, "--frames", 4, "--size", 8)
    clips = tmp_path / "clips.npz"
    write_clips(clips)
    assert anetc("evolve", "--data", f"arrays:{clips}", *words, "--out", run).code == 0
    result = finals(run, *FEW)
    assert result.code == 2
    assert "--test-split validation" in result.err
    assert not FinalsDir.of(run).plan.exists()
    result = finals(run, *FEW, "--test-split", "validation")
    assert result.code == 0, result.err
    assert "no videos were held out" in result.out


def test_other_data_than_those_of_the_search(tmp_path: Path) -> None:
    run, clips = tmp_path / "run", tmp_path / "clips.npz"
    words = ("--preset", "small", "--candidates", 1, "--population", 1, "--frames", 4, "--size", 8)
    write_clips(clips)
    assert anetc("evolve", "--data", f"arrays:{clips}", *words, "--out", run).code == 0
    write_clips(clips, classes=("a", "c"))
    result = finals(run, *FEW, "--test-split", "validation")
    assert (result.code, "classes" in result.err) == (2, True), result.err


def write_clips(path: Path, classes: tuple[str, str] = ("a", "b")) -> None:
    """Write a data set without a test split."""
    import numpy as np

    rng = np.random.default_rng(0)
    np.savez(
        path,
        x=rng.integers(0, 255, (8, 4, 8, 8, 3), dtype=np.uint8),
        flow=rng.normal(size=(8, 4, 8, 8, 2)).astype(np.float32),
        y=np.arange(8) % 2,
        classes=list(classes),
        split=["train"] * 4 + ["validation"] * 4,
    )


def test_from_python(run: Path) -> None:
    result = package.finals(run, networks=1, seeds=2, prune_below=0)
    assert result.is_finished
    assert (result.winner or "").startswith("g000")
    assert result.text.exists()
    assert result.weights.exists()
    with pytest.raises(CannotRun, match="did you mean `seeds`"):
        package.finals(run, seds=2)


DRIVER = """
import functools, sys
from anetc.cli.main import run
from anetdsl.evolve.finals import finals_driver
_, name, *command = sys.argv
sys.argv = ["anetc", "finals", name, "--networks", "1", "--seeds", "2", "--prune-below", "0"]
finals_driver.drive_finals = functools.partial(finals_driver.drive_finals, command=tuple(command))
run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_signals_stop_finals(run: Path, number: signal.Signals, code: int) -> None:
    """Ctrl-C stops finals in a training; the same command continues them."""
    mark = run / "mark"
    (plan,) = [run / "finals" / "plan.json"]
    name = best_of(run)
    words = (*SYNTHETIC, "--kill", f"{name}-comparison-seed2", str(mark))
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(run), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        first = run / "finals" / "trainings" / f"{name}-comparison-seed1.json"
        until(lambda: mark.exists() and '"status": "done"' in first.read_text())
        driver.send_signal(number)
        _, err = driver.communicate(timeout=60)
    assert driver.returncode == code, err
    assert f"stopped; resume with `anetc finals {run}`" in err
    assert plan.exists()
    status = finals(run, "--status")
    assert f"stopped; resume with anetc finals {run}" in status.out
    assert "stage        comparison, 1 of 2" in status.out
    assert finals(run).code == 0
    (record,) = (
        one
        for one in read_trainings(FinalsDir.of(run).trainings)
        if one.name.endswith("comparison-seed2")
    )
    assert record.starts == 2


def best_of(run: Path) -> str:
    records = [json.loads(path.read_text()) for path in run.glob("trials/*/record.json")]
    return str(max(records, key=lambda one: one["fitness"])["name"])


# Real trainings


@pytest.mark.slow
def test_finals_with_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are those of `anetc train` and `anetc eval`."""
    monkeypatch.setattr(finals_driver, "drive_finals", DRIVE_FINALS)
    monkeypatch.setattr(search, "drive_run", DRIVE_RUN)
    run = tmp_path / "run"
    data = ("--data", "motion:clips=96")
    clips = ("--frames", 8, "--size", 16)
    small = ("--iterations", 4, "--batch", 4, *clips)
    words = ("--preset", "small", "--candidates", 2, "--population", 2, *small)
    assert anetc("evolve", *data, *words, "--out", run).code == 0
    result = finals(run, "--networks", 1, "--seeds", 1, "--steps", 6, "--full-steps", 8)
    assert result.code == 0, result.err
    folder = FinalsDir.of(run)
    document = json.loads(folder.results.read_text())
    command = next(line for line in result.err.splitlines() if "anetc eval" in line)
    found = anetc(*command.split()[1:], "--json")
    measures = json.loads(found.out)["measures"]
    assert document["full_test"][0]["measures"]["top1"] == [measures["top1"]]
    command = next(line for line in result.err.splitlines() if "anetc train" in line)
    words = command.split()[1:]
    words[words.index("--out") + 1] = str(tmp_path / "retrained")
    assert anetc(*words, "--seed", 1, "--threads", 1).code == 0
    assert (tmp_path / "retrained" / "weights.safetensors").exists()
