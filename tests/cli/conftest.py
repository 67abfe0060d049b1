"""Files for the tests of the command line, and functions that run `anetc`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import Result, anetc

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE_4 = REPOSITORY / "examples" / "assemblenet.anet"
CLIP = REPOSITORY / "tests" / "media" / "city_cc0.mp4"

GOOD = """\
anet 1

network demo  D=[8, 16, 32, 64]

input rgb  channels=3

node s0  level=0  C=128  r=4  stride=4  inputs=[rgb]
node a1  level=1  C=16   r=1  stride=1  inputs=[s0]
node a2  level=2  C=32   r=1  stride=2  inputs=[a1]
node a3  level=3  C=64   r=1  stride=2  inputs=[a2]
node a4  level=4  C=64   r=1  stride=2  inputs=[a3]

sink  inputs=[a4]  classes=10
"""
UNTIDY = re.sub(" +", " ", GOOD)
OTHER = GOOD.replace("r=1  stride=2  inputs=[a2]", "r=2  stride=2  inputs=[a2, a1]")
BAD = GOOD.replace("inputs=[a3]", "inputs=[a33]")
ODD = GOOD.replace("C=16", "C=8")  # A602, a warning


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with some texts in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    texts = {"good": GOOD, "untidy": UNTIDY, "other": OTHER, "bad": BAD, "odd": ODD}
    for name, text in texts.items():
        (tmp_path / f"{name}.anet").write_text(text, encoding="utf-8")
    (tmp_path / "binary.anet").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "empty.anet").write_bytes(b"")
    (tmp_path / "list.json").write_text(anetc("export", "good.anet").out, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    return tmp_path


def command_on(name: str, file: object) -> list[object]:
    """Return arguments that run a command on a file."""
    return {
        "check": ["check", file],
        "fmt": ["fmt", "--check", file],
        "stats": ["stats", file],
        "diff": ["diff", file, "good.anet"],
        "render": ["render", file, "-o", "-", "--format", "dot"],
        "dump": ["dump", file],
        "import": ["import", file],
        "export": ["export", file],
        "run": ["run", file, "--video", CLIP, "--size", "32", "--frames", "2"],
    }[name]


FILE_COMMANDS = ("check", "fmt", "stats", "diff", "render", "dump", "import", "export", "run")


def assert_refused(result: Result, *parts: str) -> None:
    """Check that a command could not run and printed the reason without a traceback."""
    assert result.code == 2
    for part in parts:
        assert part in result.err
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    assert result.data == b""


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process that runs this checkout."""
    paths = [str(REPOSITORY), str(REPOSITORY / "compiler")]
    # Unbuffered output would hide errors of the last flush.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths), **changes}


def process(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run `anetc` in a separate process."""
    settings = {"capture_output": True, "timeout": 60, "check": False, "env": environment()}
    command = [sys.executable, "-m", "anetc", *map(str, arguments)]
    return subprocess.run(command, **{**settings, **options})  # type: ignore[call-overload]
