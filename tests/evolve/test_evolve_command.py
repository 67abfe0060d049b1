"""`anetc evolve`: start, stop, resume, status and rebuild. Most of its trials do not train."""

from __future__ import annotations

import functools
import os
import pty
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs
import pytest

from anetc.api import search_settings
from anetc.cli.evolve_screen import rows
from anetdsl.evolve.drive import search
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.drive.search_progress import Progress
from anetdsl.evolve.fitness_values import Fitness
from tests.command_line import Result, anetc
from tests.evolve.method import COMMAND
from tests.evolve.workers.test_trials import paths, until


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = functools.partial(search.drive_run, command=COMMAND)
    monkeypatch.setattr(search, "drive_run", drive)


PAPER = search_settings.preset("paper")
SMALL = ("--data", "motion:clips=96", "--preset", "small", "--candidates", 6, "--population", 3)


def evolve(*words: object) -> Result:
    return anetc("evolve", *words)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a search of six candidates."""
    folder = tmp_path_factory.mktemp("evolve") / "run"
    with pytest.MonkeyPatch.context() as patch:
        drive = functools.partial(search.drive_run, command=COMMAND)
        patch.setattr(search, "drive_run", drive)
        result = evolve(*SMALL, "--out", folder)
    assert result.code == 0, result.err
    assert result.out.startswith(f"{folder}: finished\n  candidates   6 of 6\n  best   ")
    assert "\n6/6  best " in result.err
    return folder


def test_the_settings_and_candidates_of_a_search(finished: Path) -> None:
    run = read_run(finished)
    assert [record.status for record in run.records] == ["done"] * 6
    assert (run.settings.candidates, run.settings.population, run.settings.method) == (
        6,
        3,
        "guided",
    )
    assert run.settings.space.classes == 12
    assert (run.settings.limits.frames, run.settings.limits.size) == (16, (32, 32))
    assert run.trial["data"] == "motion:clips=96"


def test_the_status_of_a_finished_search(finished: Path) -> None:
    result = evolve("--status", finished)
    assert result.code == 0
    assert result.out.startswith(f"{finished}: finished\n  candidates   6 of 6\n")


def test_resuming_a_finished_search_trains_nothing(finished: Path) -> None:
    result = evolve("--resume", finished)
    assert result.code == 0, result.err
    device, progress = result.err.splitlines()[:2]
    assert device.startswith("on the CPU: ")
    assert progress.startswith("6/6  best")


def test_rebuild_restores_the_database(finished: Path) -> None:
    before = read_run(finished)
    (finished / "search.db").write_bytes(b"nonsense")
    result = evolve("--status", finished)
    assert (result.code, f"`anetc evolve --rebuild {finished}`" in result.err) == (2, True)
    result = evolve("--rebuild", finished)
    assert (result.code, result.out) == (0, f"{finished / 'search.db'}: 6 candidates\n")
    assert read_run(finished).records == before.records


def test_rebuild_stops_at_a_damaged_text(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "trials" / "g0004" / "1" / "trained.anet").write_text("anet 1\nnetwork")
    result = evolve("--rebuild", run)
    assert (result.code, result.out) == (0, f"{run / 'search.db'}: 4 candidates\n")
    assert "g0004: a text in this folder has errors" in result.err


def test_the_settings_of_one_search_start_another(finished: Path, tmp_path: Path) -> None:
    config = finished / "settings.toml"
    result = evolve("--config", config, "--out", tmp_path / "again")
    assert result.code == 0, result.err
    again = read_run(tmp_path / "again")
    assert [r.text for r in again.records] == [r.text for r in read_run(finished).records]
    assert (tmp_path / "again" / "settings.toml").read_text() == config.read_text()


def test_settings_of_options_file_and_preset_are_merged(tmp_path: Path) -> None:
    """Options have precedence over the settings file, and the file over the preset."""
    config = tmp_path / "search.toml"
    config.write_text(
        "[search]\nseed = 5\ntournament = 2\n[search.limits]\ndepth = 40\n"
        "[trial.settings]\nlearning_rate = 0.5\niterations = 9\n[running]\nretries = 4\n"
    )
    words = [
        *("--config", config, "--seed", 6, "--method", "standard", "--order", "arrival"),
        *("--window", 5, "--max-params", 10**7, "--max-macs", 10**10, "--iterations", 7),
        *("--batch", 4, "--frames", 8, "--size", 16, "--executor", "threads:3", "--gpus", "0, 1"),
        *("--per-gpu", 2, "--accumulate", 2, "--workers", 1),
        *("--timeout", 60, "--inherit", "--halving", 2, "--keep-all-weights"),
    ]
    result = evolve(*SMALL, *words, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    written = tomllib.loads((tmp_path / "run" / "settings.toml").read_text())
    search, trial, running = written["search"], written["trial"], written["running"]
    expected = {"seed": 6, "tournament": 2, "method": "standard", "order": "arrival", "window": 5}
    assert expected.items() <= search.items()
    assert search["keep_weights"]
    assert search["limits"] == {
        "parameters": 10**7,
        "multiply_adds": 10**10,
        "depth": 40,
        "frames": 8,
        "size": [16, 16],
    }
    training = {"iterations": 7, "batch": 4, "accumulate": 2, "workers": 1, "learning_rate": 0.5}
    assert training.items() <= trial["settings"].items()
    assert trial["recipe"] == {"frames": 8, "size": [16, 16]}
    assert running == {
        "executor": "threads:3",
        "gpus": ["0", "1"],
        "per_gpu": 2,
        "timeout": 60.0,
        "retries": 4,
        "inherit": True,
        "halving": 2,
        "keep_all_weights": True,
    }


def test_the_paper_preset_has_the_settings_of_the_paper() -> None:
    """4.1: population 20, tournament 5, 200 candidates, 0-4 operators, 10k steps, batch 512."""
    paper = search_settings.preset("paper")
    search = paper.search
    assert (search.population, search.tournament, search.candidates, search.most_operators) == (
        *(20, 5),
        *(200, 4),
    )
    assert paper.trial["settings"] == {"iterations": 10_000, "batch": 512}
    assert search_settings.preset("small").search.candidates < 100


# Wrong options and settings


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one of --out, --resume, --status and --rebuild; not none of them"),
        (("--out", "a", "--resume", "a"), "not --out and --resume"),
        (("--out", "run"), "--data is missing"),
        (("--out", "run", "--data", "nowhere"), "--data nowhere: no such file"),
        (("--out", "run", "--data", "motion:level=99"), "level"),
        (("--out", "run", "--data", "motion", "--config", "no.toml"), "no.toml: no such file"),
        (("--out", "run", "--data", "motion", "--executor", "threads:x"), "a number from 1"),
        (("--status", "nowhere"), "nowhere: no such folder"),
        (("--resume", "nowhere"), "nowhere: no such folder"),
        (("--rebuild", "nowhere"), "nowhere: no such folder"),
        (("--resume", "run", "--method", "aging"), "--method cannot be combined with --resume"),
        (
            ("--status", "run", "--executor", "threads:2"),
            "--executor cannot be combined with --status",
        ),
        (("--out", "run", "--method", "best"), "'best' is not one of"),
    ],
)
def test_wrong_options_are_reported(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = evolve(*words)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[trial]\ndatta = 'motion'",
            ":2: there is no setting `datta` in [trial]; did you mean `data`?",
        ),
        (
            "[trial.settings]\nbach = 3",
            ":2: there is no setting `bach` in [trial.settings]; did you mean `batch`?",
        ),
        (
            "[trial.settings]\nseed = 3",
            ":2: [trial.settings] has no `seed`: each trial has its own",
        ),
        ("[trial.settings]\nbatch = 0", ":2: `batch` must be at least 1, not 0"),
        ("[trial]\nsplit = 'dev'", ':2: `split` must be one of "train", "validation", "test"'),
        ("[trial.recipe]\nframe = 3", ":2: there is no setting `frame` in [trial.recipe]"),
        ("[search]\ncandidates = 'all'", ':2: `candidates` must be a whole number, not "all"'),
    ],
)
def test_mistakes_in_settings(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text(text)
    result = evolve(
        "--data", "motion", "--config", tmp_path / "search.toml", "--out", tmp_path / "r"
    )
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "edge_rate",
            "edge_rat",
            "there is no setting `edge_rat` in [trial.settings]; did you mean",
        ),
        (
            "classes = 12",
            "classes = 1",
            "`classes` must be 12, the number of the data's classes, not 1",
        ),
        ("data =", "date =", "there is no setting `date` in [trial]; did you mean `data`?"),
        ('split = "validation"\n', "", "`split` is missing in [trial]"),
    ],
)
def test_resume_refuses_wrong_settings_before_it_trains(
    old: str, new: str, message: str, finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    text = (run / "settings.toml").read_text()
    assert old in text
    longer = text.replace("candidates = 6", "candidates = 9")
    (run / "settings.toml").write_text(longer.replace(old, new))
    result = evolve("--resume", run)
    assert result.code == 2
    assert message in result.err
    (run / "settings.toml").write_text(longer)
    assert evolve("--resume", run).code == 0
    assert [record.status for record in read_run(run).records] == ["done"] * 9


def test_an_unknown_executor_creates_no_run(tmp_path: Path) -> None:
    result = evolve(*SMALL, "--out", tmp_path / "run", "--executor", "foo")
    assert (result.code, result.err.splitlines()[-1]) == (
        2,
        "anetc: --executor: `foo` is neither threads, threads:N nor dask:ADDRESS",
    )
    assert not (tmp_path / "run").exists()


def test_an_existing_run_is_not_replaced(finished: Path) -> None:
    result = evolve(*SMALL, "--out", finished)
    assert result.code == 2
    assert f"`anetc evolve --resume {finished}` continues it" in result.err


# Stopped by a signal

SCRIPT = """
import functools, sys
from anetdsl.evolve.drive import search
from tests.evolve.method import COMMAND
search.drive_run = functools.partial(search.drive_run, command=(*COMMAND, {seconds!r}))
from anetc.cli.main import run
run()
"""


def process(seconds: float, *words: object, **options: object) -> subprocess.Popen[bytes]:
    """Start `anetc evolve` with trials that take so many seconds."""
    command = [sys.executable, "-c", SCRIPT.format(seconds=str(seconds)), "evolve"]
    return subprocess.Popen([*command, *map(str, words)], env=paths(), **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_a_signal_stopped_can_be_resumed(
    number: signal.Signals, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with process(0.4, *SMALL, "--out", folder, stderr=subprocess.PIPE) as search:
        until(
            lambda: (folder / "settings.toml").exists() and len(read_run(folder).members) >= 2, 60
        )
        search.send_signal(number)
        _, err = search.communicate(timeout=30)
    assert search.returncode == 130
    assert f"stopped; resume with `anetc evolve --resume {folder}`" in err.decode()
    assert "Traceback" not in err.decode()
    status = evolve("--status", folder)
    assert f"{folder}: stopped; resume with anetc evolve --resume {folder}" in status.out
    assert evolve("--resume", folder, "--executor", "threads:1").code == 0
    texts = [[record.text for record in read_run(path).records] for path in (folder, finished)]
    assert texts[0] == texts[1]


def test_a_terminal_shows_a_table(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with process(0.1, *SMALL, "--out", tmp_path / "run", stderr=theirs, stdout=theirs) as search:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 10_000)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert search.returncode == 0
    text = shown.decode()
    for word in ("candidates", "best", "top three", "running", "failed", "6 of 6", "\u2502"):
        assert word in text


def test_the_rows_of_the_table() -> None:
    progress = Progress(
        candidates=200,
        done=57,
        failed=2,
        running=tuple((f"g{i:04d}", 61.0 + i) for i in range(10)),
        waiting=1,
        best=("g0012", Fitness((150.0, 152.5), (4.0, 4.0))),
        top_three=150.0,
        second_looks=3,
        failures=(("g0031", "nan", "the loss is NaN"),),
        seconds_left=5000.0,
        started=0.0,
    )
    assert dict(rows(progress)) == {
        "candidates": "59 of 200",
        "best": "151.25 ± 4.19 (g0012, 2 trainings)",
        "second looks": "3",
        "top three": "150.00",
        "running": "g0000 (1 min 1 s), g0001 (1 min 2 s), g0002 (1 min 3 s), "
        "g0003 (1 min 4 s), g0004 (1 min 5 s), g0005 (1 min 6 s), g0006 (1 min 7 s), "
        "g0007 (1 min 8 s), and 2 more",
        "failed": "2, last g0031 (nan)",
        "time left": "about 1 h 23 min",
    }
    interrupted = dict(rows(progress, driven=False))
    assert "running" not in interrupted
    assert interrupted["interrupted"].startswith("g0000 (1 min 1 s), ")
    nothing = dict(rows(attrs.evolve(progress, running=()), driven=False))
    assert nothing["running"] == "none"


# Trials that train


@pytest.mark.slow
@pytest.mark.parametrize("changes", [(), ("--inherit", "--halving", 2)], ids=["plain", "inherit"])
def test_a_search_that_trains(changes: tuple[object, ...], tmp_path: Path) -> None:
    """One worker, and two workers with an interruption, give the same fitness on a CPU."""
    words = (*SMALL, "--iterations", 4, "--batch", 4, "--window", 1, *changes)
    command = [sys.executable, "-m", "anetc", "evolve"]
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(
        [*command, *map(str, words), "--executor", "threads:1", "--out", one],
        env=paths(),
        check=True,
        timeout=600,
    )
    with subprocess.Popen(
        [*command, *map(str, words), "--executor", "threads:2", "--out", two], env=paths()
    ) as search:
        until(lambda: (two / "settings.toml").exists() and len(read_run(two).members) >= 2, 300)
        search.kill()
    subprocess.run([*command, "--resume", two], env=paths(), check=True, timeout=600)
    first, second = (
        [(record.text, record.fitness, record.iterations) for record in read_run(path).records]
        for path in (one, two)
    )
    assert first == second
    assert len(first) == 6
