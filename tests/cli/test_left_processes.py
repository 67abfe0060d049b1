"""No command leaves a process: after SIGKILL of the command alone, SIGTERM and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anetc.modules.network import build_network
from anetc.weights.files import save_weights
from anetdsl.api import parse
from tests.test_worker_processes import environment, wait_until, with_variable
from tests.video.conftest import film as film
from tests.video.conftest import numbers as numbers

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

VIDEOS = 3000
"""So many that no command comes to an end before it gets the signal."""
TEXT = """\
anet 1
network n D=[4, 4, 4, 4]
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node n1 level=1 C=4 r=1 stride=1 inputs=[s0]
sink inputs=[n1] classes=2
"""
_CLIP = "--frames 4 --size 16"
_SEARCH = "--data motion:clips=48 --preset small --candidates 9 --population 4 --iterations 99999"
COMMANDS = {
    "train": f"train n.anet --data d {_CLIP} --out run --iterations 99999 --batch 2 --workers 2",
    "eval": f"eval n.anet --weights w --data d --split validation {_CLIP} --batch 2 --workers 2",
    "check": "data check d --frames 4 --workers 2",
    "flow": "data flow d --short-side 24 --workers 2",
    "compile": f"compile n.anet {_CLIP} -o out --no-cache",
    "evolve": f"evolve {_SEARCH} --executor threads:2 --out search",
}
PROCESSES = {"compile": 2}
"""Number of processes of a running command; 5 for the others.

Most have a fork server, its tracker and two workers; the search has two guards and two trials.
"""
QUICK = (
    ("train", signal.SIGKILL),
    ("eval", signal.SIGKILL),
    ("check", signal.SIGTERM),
    ("flow", signal.SIGINT),
    ("compile", signal.SIGKILL),
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EVERY = [
    pytest.param(name, number, marks=() if (name, number) in QUICK else pytest.mark.slow)
    for name in COMMANDS
    for number in SIGNALS
]


@pytest.fixture
def work(tmp_path: Path, film: Callable[..., Path]) -> Path:
    """A folder with a network, its weights, and a data set of links to one film."""
    (tmp_path / "n.anet").write_text(TEXT)
    save_weights(build_network(parse(TEXT)), tmp_path / "w")
    path = film("film.mp4", 26, size=(32, 24), options={"preset": "ultrafast"})
    for split in ("train", "validation"):
        for label in ("a", "b"):
            folder = tmp_path / "d" / split / label
            folder.mkdir(parents=True)
            for number in range(VIDEOS // 4):
                os.link(path, folder / f"{number}.mp4")
    return tmp_path


@pytest.mark.integration
@pytest.mark.parametrize(("name", "number"), EVERY)
def test_no_process_is_left(name: str, number: signal.Signals, work: Path) -> None:
    mark = f"LEFT_TEST={os.getpid()}-{name}-{number}"
    with (work / "output").open("wb") as output:
        command = subprocess.Popen(
            [sys.executable, "-m", "anetc", *COMMANDS[name].split()],
            cwd=work,
            env=environment(**dict([mark.split("=")]), OMP_NUM_THREADS="1"),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def is_at_work() -> bool:
        assert command.poll() is None, (work / "output").read_text()
        return len(with_variable(mark)) >= PROCESSES.get(name, 5)

    try:
        wait_until(is_at_work)
        # A terminal sends Ctrl-C to all processes.
        (os.killpg if number == signal.SIGINT else os.kill)(command.pid, number)
        command.wait(120)
        wait_until(lambda: not with_variable(mark))
    finally:
        command.kill()
        command.wait()
    if number != signal.SIGKILL:
        exits = {signal.SIGINT: 130, signal.SIGTERM: 130 if name == "evolve" else 143}
        assert command.returncode == exits[number]
        assert b"Traceback" not in (work / "output").read_bytes()
        assert not list(work.rglob(".anetc-*.part"))
