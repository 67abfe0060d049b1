"""`anetc` as a process: standard streams, terminals, and imported modules."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import BAD, FILE_COMMANDS, command_on, environment, process
from tests.command_line import anetc


def test_a_process_behaves_like_the_call_in_tests(folder: Path) -> None:
    """`tests.command_line.anetc` gives the exit code and output that a shell sees."""
    for command in (["check", "odd.anet"], ["dump", "good.anet"], ["stats", "nope"], ["--bad"]):
        result, expected = process(*command), anetc(*command)
        assert (result.returncode, result.stdout) == (expected.code, expected.data)
        assert result.stderr.decode() == expected.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", [["dump", "good.anet"], ["check", "bad.anet"], ["--help"]])
def test_a_full_disk_under_standard_output(folder: Path, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = process(*command, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 2
        assert result.stderr == b"anetc: the output cannot be written: No space left on device\n"
        both = process(*command, capture_output=False, stdout=full, stderr=full)
        assert both.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", [["--bad"], ["check", "nope.anet"]])
def test_a_full_disk_under_standard_error(folder: Path, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = process(*command, capture_output=False, stdout=subprocess.PIPE, stderr=full)
    assert (result.returncode, result.stdout) == (2, b"")


@pytest.mark.parametrize("command", [["dump", "good.anet"], ["check", "bad.anet"], ["--help"]])
def test_a_closed_pipe(folder: Path, command: list[str]) -> None:
    """`anetc dump x | true` prints no message and exits with 2."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = process(*command, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (2, b"")


def test_closed_streams(folder: Path) -> None:
    """A daemon or a cron job may have closed streams."""
    shell = f"{sys.executable} -m anetc"
    for line, code in (
        (f"{shell} check good.anet >&- 2>&-", 0),
        (f"{shell} check bad.anet >&- 2>&-", 1),
        (f"{shell} dump good.anet >&-", 0),
        (f"{shell} check nope 2>&-", 2),
        (f"{shell} check - <&-", 2),
        (f"{shell} import - <&-", 2),
    ):
        done = subprocess.run(
            ["bash", "-c", line], env=environment(), capture_output=True, timeout=60, check=False
        )
        assert done.returncode == code, line
        assert b"internal error" not in done.stderr
        assert b"Traceback" not in done.stderr


def test_an_ascii_terminal(folder: Path) -> None:
    (folder / "Straße.anet").write_text(BAD, encoding="utf-8")
    for variables in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        result = process("check", "Straße.anet", env=environment(**variables))
        assert result.returncode == 1
        assert result.stdout.startswith(b"error[A302]")
        assert b"internal error" not in result.stderr


def on_terminal(*arguments: str, **variables: str) -> str:
    """Return the output of a command on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    variables = {"COLUMNS": "80", "TERM": "xterm-256color", **variables}
    cleared = {k: v for k, v in environment().items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "anetc", *arguments]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**cleared, **variables}
    )
    os.close(theirs)
    output = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        output += part
    os.close(ours)
    child.wait(60)
    return output.decode()


def test_colours_on_a_terminal_only(folder: Path) -> None:
    coloured = on_terminal("check", "bad.anet")
    assert "\x1b[1;31merror[A302]" in coloured
    assert "\x1b" not in on_terminal("check", "bad.anet", NO_COLOR="1")
    assert b"\x1b" not in process("check", "bad.anet").stdout
    table = on_terminal("stats", "good.anet")
    assert "a4" in table
    assert "total" in table
    assert "demo" in on_terminal("stats", "good.anet", NO_COLOR="1", TERM="dumb")


LOADED = "import sys; from anetc.cli.main import run\ntry: run()\nfinally: print(*sys.modules)"


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_light_commands_import_few_modules(folder: Path, name: str) -> None:
    """Only `run` imports torch. `check` imports neither numpy nor graphviz nor rich."""
    if name == "run":
        pytest.skip("imports torch")
    file = "list.json" if name == "import" else "good.anet"
    arguments = [str(part) for part in command_on(name, file)]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.rsplit("\n", 2)[-2].split())
    assert "anetdsl.checking" in modules
    heavy = {"torch", "av", "safetensors"}
    if name in ("check", "fmt", "dump", "import", "export", "stats", "diff"):
        heavy |= {"numpy", "graphviz"}
    if name == "check":
        heavy |= {
            "rich",
            "json",
            "difflib",
            "pathlib",
            "anetdsl.codes",
            "anetdsl.rendering.findings",
        }
        heavy |= {"anetdsl.text.formatting", "anetdsl.cost"}
        heavy -= {"json"}  # the parser's tables are JSON
    assert not modules & heavy
