"""Every command: exit codes, standard input, help, unusual file names and missing files.

Exit codes: 0 clean, 1 findings, 2 could not run.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

import anetdsl
from anetc.cli import main
from tests.cli.conftest import BAD, FILE_COMMANDS, GOOD, assert_refused, command_on
from tests.command_line import anetc

TESTED_ELSEWHERE = {
    *("compile", "bench", "data", "train", "trial", "eval", "prune"),
    *("connect", "mutate", "evolve", "finals", "study"),
    *("preview", "dashboard", "report", "lsp"),
}
"""Commands that have tests in folders of their own, such as tests/export and tests/training."""


def test_every_command_is_tested() -> None:
    assert {*FILE_COMMANDS, "explain", *TESTED_ELSEWHERE} == set(main._COMMANDS)


@pytest.mark.parametrize("name", [name for name in FILE_COMMANDS if name not in ("import", "run")])
def test_a_file_without_findings_gives_0(folder: Path, name: str) -> None:
    result = anetc(*command_on(name, "good.anet"))
    assert (result.code, result.err) == (0, "")
    silent = name in ("check", "fmt")
    assert bool(result.out) != silent


@pytest.mark.parametrize("name", [name for name in FILE_COMMANDS if name != "import"])
@pytest.mark.parametrize("file", ["bad.anet", "binary.anet", "empty.anet"])
def test_errors_in_a_text_give_1(folder: Path, name: str, file: str) -> None:
    """`check` prints findings on standard output, other commands on standard error."""
    result = anetc(*command_on(name, file))
    if name == "fmt" and file != "binary.anet":
        assert (result.code, result.err) == (0, "")  # it checks the syntax only
        return
    assert result.code == 1
    shown, other = (result.out, result.err) if name == "check" else (result.err, result.out)
    assert re.match(r"error\[A\d+\]: .*\n +--> \w+\.anet:\d+:\d+\n +\|\n", shown)
    assert other == ("1 error\n" if name == "check" else "")


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_dash_is_standard_input(folder: Path, name: str) -> None:
    given = (folder / ("list.json" if name == "import" else "good.anet")).read_bytes()
    if name == "run":
        assert anetc(*command_on(name, "-"), stdin=BAD).err.startswith("error[A302]")
        return
    from_file = anetc(*command_on(name, "list.json" if name == "import" else "good.anet"))
    assert anetc(*command_on(name, "-"), stdin=given) == from_file


@pytest.mark.parametrize("name", [name for name in FILE_COMMANDS if name != "import"])
def test_findings_in_standard_input_name_it(folder: Path, name: str) -> None:
    text = BAD.replace("[a1]", "[a1")
    result = anetc(*command_on(name, "-"), stdin=text)
    assert result.code == 1
    assert "--> <stdin>:9:" in result.out + result.err


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_missing_file(folder: Path, name: str) -> None:
    assert_refused(anetc(*command_on(name, "nope.anet")), "nope.anet: no such file")


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_folder_in_place_of_a_file(folder: Path, name: str) -> None:
    result = anetc(*command_on(name, "empty"))
    reason = (
        "there is no .anet file" if name in ("check", "fmt") else "cannot be read: Is a directory"
    )
    assert_refused(result, f"empty: {reason}")


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_file_that_cannot_be_read(folder: Path, name: str) -> None:
    """A file without permission; for root, which may read every file, one with an I/O error."""
    secret = folder / "secret.anet"
    secret.write_text(GOOD)
    secret.chmod(0)
    if os.geteuid() != 0:
        assert_refused(
            anetc(*command_on(name, secret)), "secret.anet: cannot be read: Permission denied"
        )
    elif Path("/proc/self/mem").exists():
        assert_refused(
            anetc(*command_on(name, "/proc/self/mem")), "mem: cannot be read: Input/output error"
        )
    else:
        pytest.skip("root reads everything here")


@pytest.mark.parametrize("name", [*FILE_COMMANDS, "explain"])
def test_unknown_options_and_missing_arguments(folder: Path, name: str) -> None:
    assert_refused(anetc(name, "--frobnicate"), f"Usage: anetc {name}", "--frobnicate")
    if name != "explain":
        assert_refused(anetc(name), f"Usage: anetc {name}", "Missing")


@pytest.mark.parametrize("name", [*FILE_COMMANDS, "explain"])
def test_help_of_each_command(name: str) -> None:
    for option in ("--help", "-h"):
        result = anetc(name, option)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(f"Usage: anetc {name} ")
        assert "--help" in result.out
        first = result.out.split("\n")[2]
        assert first.startswith("  ")
        assert first[2].isupper()


def test_help_of_anetc() -> None:
    result = anetc("--help")
    assert result.code == 0
    assert result.out.startswith("Usage: anetc ")
    for name, meaning in main._COMMANDS.items():
        assert f"\n  {name} " in result.out
        assert meaning[:20] in result.out
    assert "0 clean, 1 findings, 2 could not run" in " ".join(result.out.split())


def test_version_and_unknown_commands() -> None:
    assert anetc("--version").out == f"anetc, version {anetdsl.__version__}\n"
    assert_refused(anetc("frobnicate"), "No such command 'frobnicate'")
    assert anetc().code == 2
    assert "Usage: anetc" in anetc().err


@pytest.mark.parametrize("name", ["a b.anet", "Straße 網.anet", "-x.anet", "%s{0}[b].anet"])
def test_unusual_names_of_files(folder: Path, name: str) -> None:
    """Spaces, other scripts, a leading dash, characters with a meaning for formatters."""
    (folder / name).write_text(BAD, encoding="utf-8")
    result = anetc("check", "--format", "concise", "--", name)
    assert result.code == 1
    assert result.out.startswith(f"{name}:11:")
    (folder / name).write_text(GOOD, encoding="utf-8")
    assert anetc("render", "--format", "dot", "--", name).code == 0
    assert (folder / name).with_suffix(".dot").exists()
    assert anetc("stats", "--", name).code == 0


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_control_characters_in_file_names_are_replaced(folder: Path, name: str) -> None:
    """An escape sequence in a name is made visible, not sent to the terminal."""
    evil = "\x1b[2Jx\x07\n.anet"
    result = anetc(*command_on(name, evil))
    assert result.code == 2
    assert "␛[2Jx␇" in result.err
    assert all(char == "\n" or char.isprintable() for char in result.err)
    if name != "import":
        (folder / evil).write_text(BAD.replace("[a1]", "[a1"), encoding="utf-8")
        result = anetc(*command_on(name, evil))
        assert result.code == 1
        assert all(char == "\n" or char.isprintable() for char in result.out + result.err)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
@pytest.mark.parametrize("name", ["check", "fmt", "stats", "dump", "render"])
def test_file_names_that_are_not_utf8(folder: Path, name: str) -> None:
    odd = os.fsdecode(b"caf\xe9.anet")
    (folder / odd).write_text(GOOD, encoding="utf-8")
    assert anetc(*command_on(name, odd)).code == 0
    (folder / odd).write_text(BAD.replace("[a1]", "[a1"), encoding="utf-8")
    result = anetc(*command_on(name, odd))
    assert result.code == 1
    assert "caf�.anet" in result.out + result.err
