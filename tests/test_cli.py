"""The command line: exit codes, streams, files and what goes wrong with them, for every command.

Exit codes: 0 clean, 1 findings, 2 could not run.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import attrs
import click
import pytest

import anetdsl
from anetc.cli import main
from anetdsl import parse
from anetdsl.codes import CODES
from tests.command_line import Result, anetc

REPOSITORY = Path(__file__).resolve().parent.parent
TABLE_4 = REPOSITORY / "examples" / "assemblenet.anet"
CLIP = REPOSITORY / "tests" / "data" / "city_cc0.mp4"

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
    """A folder to work in, with some texts."""
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
    """A way to run each command on a file."""
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
TESTED_ELSEWHERE = {
    *("compile", "bench", "data", "train", "trial", "eval", "prune"),
    *("mutate", "evolve", "report"),
}
"""tests/compile, tests/test_bench_command.py, tests/data_sets, training, evolve and report."""


def assert_told(result: Result, *parts: str) -> None:
    """The command could not run, and says why in a line or a usage text, without a traceback."""
    assert result.code == 2
    for part in parts:
        assert part in result.err
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    assert result.data == b""


# Every command


def test_commands_are_all_tested() -> None:
    assert {*FILE_COMMANDS, "explain", *TESTED_ELSEWHERE} == set(main._COMMANDS)


@pytest.mark.parametrize("name", [name for name in FILE_COMMANDS if name not in ("import", "run")])
def test_a_clean_file_gives_0(folder: Path, name: str) -> None:
    result = anetc(*command_on(name, "good.anet"))
    assert (result.code, result.err) == (0, "")
    silent = name in ("check", "fmt")
    assert bool(result.out) != silent


@pytest.mark.parametrize("name", [name for name in FILE_COMMANDS if name != "import"])
@pytest.mark.parametrize("file", ["bad.anet", "binary.anet", "empty.anet"])
def test_errors_in_the_text_give_1(folder: Path, name: str, file: str) -> None:
    """Findings are the output of `check`; other commands put them on standard error."""
    result = anetc(*command_on(name, file))
    if name == "fmt" and file != "binary.anet":
        assert (result.code, result.err) == (0, "")  # it looks at syntax alone
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
def test_a_file_that_is_not_there(folder: Path, name: str) -> None:
    assert_told(anetc(*command_on(name, "nope.anet")), "nope.anet: No such file or directory")


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_folder_in_place_of_a_file(folder: Path, name: str) -> None:
    result = anetc(*command_on(name, "empty"))
    reason = "there is no .anet file" if name in ("check", "fmt") else "Is a directory"
    assert_told(result, f"empty: {reason}")


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_a_file_that_cannot_be_read(folder: Path, name: str) -> None:
    """Without the right to read it; and, as everybody may for root, one that fails in reading."""
    secret = folder / "secret.anet"
    secret.write_text(GOOD)
    secret.chmod(0)
    if os.geteuid() != 0:
        assert_told(anetc(*command_on(name, secret)), "secret.anet: Permission denied")
    elif Path("/proc/self/mem").exists():
        assert_told(anetc(*command_on(name, "/proc/self/mem")), "mem: Input/output error")
    else:
        pytest.skip("root reads everything here")


@pytest.mark.parametrize("name", [*FILE_COMMANDS, "explain"])
def test_unknown_options_and_missing_arguments(folder: Path, name: str) -> None:
    assert_told(anetc(name, "--frobnicate"), f"Usage: anetc {name}", "--frobnicate")
    if name != "explain":
        assert_told(anetc(name), f"Usage: anetc {name}", "Missing")


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


def test_help_of_all() -> None:
    result = anetc("--help")
    assert result.code == 0
    assert result.out.startswith("Usage: anetc ")
    for name, meaning in main._COMMANDS.items():
        assert f"\n  {name} " in result.out
        assert meaning[:20] in result.out
    assert "0 clean, 1 findings, 2 could not run" in " ".join(result.out.split())


def test_version_and_wrong_commands() -> None:
    assert anetc("--version").out == f"anetc, version {anetdsl.__version__}\n"
    assert_told(anetc("frobnicate"), "No such command 'frobnicate'")
    assert anetc().code == 2
    assert "Usage: anetc" in anetc().err


@pytest.mark.parametrize("name", ["a b.anet", "Straße 網.anet", "-x.anet", "%s{0}[b].anet"])
def test_odd_names_of_files(folder: Path, name: str) -> None:
    """Spaces, other scripts, a leading dash, signs that mean something to formatters."""
    (folder / name).write_text(BAD, encoding="utf-8")
    result = anetc("check", "--format", "concise", "--", name)
    assert result.code == 1
    assert result.out.startswith(f"{name}:11:")
    (folder / name).write_text(GOOD, encoding="utf-8")
    assert anetc("render", "--format", "dot", "--", name).code == 0
    assert (folder / name).with_suffix(".dot").exists()
    assert anetc("stats", "--", name).code == 0


@pytest.mark.parametrize("name", FILE_COMMANDS)
def test_names_do_not_reach_the_terminal_as_they_are(folder: Path, name: str) -> None:
    """An escape sequence in a file's name is shown, not sent; nor is it lost."""
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
def test_names_that_are_not_utf8(folder: Path, name: str) -> None:
    odd = os.fsdecode(b"caf\xe9.anet")
    (folder / odd).write_text(GOOD, encoding="utf-8")
    assert anetc(*command_on(name, odd)).code == 0
    (folder / odd).write_text(BAD.replace("[a1]", "[a1"), encoding="utf-8")
    result = anetc(*command_on(name, odd))
    assert result.code == 1
    assert "caf�.anet" in result.out + result.err


# check


def test_check_of_several_files_and_folders(folder: Path) -> None:
    """Folders are searched for .anet files, and a file is checked once."""
    (folder / "deep" / "er").mkdir(parents=True)
    shutil.copy("bad.anet", "deep/er/first.anet")
    (folder / "deep" / "folder.anet").mkdir()
    (folder / "deep" / "notes.txt").write_text("no network")
    result = anetc("check", "--format", "concise", "odd.anet", "good.anet", "deep", "odd.anet")
    assert [line.split(":")[0] for line in result.out.splitlines()] == [
        "odd.anet",
        "deep/er/first.anet",
    ]
    assert (result.code, result.err) == (1, "")


def test_check_counts_what_it_found(folder: Path) -> None:
    result = anetc("check", "odd.anet", "bad.anet")
    assert result.err == "1 error and 1 warning\n"
    assert result.out.count("-->") == 2


def test_check_as_json(folder: Path) -> None:
    """One document for all files, with findings or without."""
    result = anetc("check", "--format", "json", "good.anet", "odd.anet", "bad.anet")
    assert (result.code, result.err) == (1, "")
    document = json.loads(result.out)
    assert document["schema_version"] == 1
    assert [(f["path"], len(f["diagnostics"])) for f in document["files"]] == [
        ("good.anet", 0),
        ("odd.anet", 1),
        ("bad.anet", 1),
    ]
    clean = anetc("check", "--format", "json", "good.anet")
    assert clean.code == 0
    assert json.loads(clean.out)["files"][0]["diagnostics"] == []


def test_check_allows_warnings(folder: Path) -> None:
    assert anetc("check", "odd.anet").code == 1
    assert anetc("check", "--allow", "A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601,A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601", "--allow", "A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601", "odd.anet").code == 1
    assert_told(anetc("check", "--allow", "A302", "good.anet"), "A302 is an error")
    assert_told(anetc("check", "--allow", "A6O2", "good.anet"), "A6O2", "did you mean A602?")


def test_check_judges_as_the_search_does(folder: Path) -> None:
    (folder / "idle.anet").write_text(GOOD + "input flow channels=2\n", encoding="utf-8")
    assert anetc("check", "--allow", "A606", "idle.anet").code == 0
    result = anetc("check", "--search", "--allow", "A606", "idle.anet")
    assert result.code == 1
    assert result.out.startswith("error[A606]")


def test_text_is_cut_after_some_hundred_findings(folder: Path) -> None:
    many = GOOD + "".join(f"node x{i} level=9\n" for i in range(900))
    result = anetc("check", "-", stdin=many)
    assert result.code == 1
    assert result.out.count("-->") == 200
    assert re.search(r"\.\.\. and [\d,]+ errors and 1 warning more\n\Z", result.out)
    assert len(result.out) < 100_000


# explain


def test_explain_lists_and_explains_all_codes() -> None:
    listed = anetc("explain")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(CODES)
    for code, entry in CODES.items():
        result = anetc("explain", code.lower())
        assert result.code == 0
        assert result.out.startswith(f"{code} (")
        assert entry.title in result.out
        assert max(map(len, result.out.splitlines())) < 100


def test_explain_of_no_code() -> None:
    assert_told(anetc("explain", "A3O2"), "no code 'A3O2'", "did you mean A302?")
    assert_told(anetc("explain", "\x1b[2J" * 50), "no code")
    assert_told(anetc("explain", "A302", "A303"), "Usage")


# fmt


def test_fmt_lays_out_in_place_once(folder: Path) -> None:
    assert anetc("fmt", "untidy.anet") == Result(0, b"", "changed untidy.anet\n")
    text = (folder / "untidy.anet").read_text()
    assert text != UNTIDY
    assert parse(text) == parse(UNTIDY)
    before = (folder / "untidy.anet").stat()
    assert anetc("fmt", "untidy.anet") == Result(0, b"", "")
    after = (folder / "untidy.anet").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_fmt_check_and_diff_write_nothing(folder: Path) -> None:
    assert anetc("fmt", "--check", "untidy.anet").code == 1
    assert "untidy.anet" in anetc("fmt", "--check", "untidy.anet").out
    result = anetc("fmt", "--diff", "untidy.anet")
    assert result.code == 1
    assert result.out.startswith("--- untidy.anet")
    assert "\n-node s0 level=0" in result.out
    assert anetc("fmt", "--check", "--diff", "untidy.anet").code == 1
    assert (folder / "untidy.anet").read_text() == UNTIDY
    for option in ("--check", "--diff"):
        assert anetc("fmt", option, "good.anet") == Result(0, b"", "")


def test_fmt_of_standard_input_goes_to_standard_output(folder: Path) -> None:
    crlf = UNTIDY.replace("\n", "\r\n").encode()
    result = anetc("fmt", "-", stdin=crlf)
    assert (result.code, result.err) == (0, "")
    assert result.data.count(b"\r\n") == result.data.count(b"\n") > 10


def test_fmt_goes_on_after_a_file_with_errors(folder: Path) -> None:
    (folder / "broken.anet").write_text(UNTIDY.replace("[a1]", "[a1"), encoding="utf-8")
    result = anetc("fmt", "broken.anet", "untidy.anet")
    assert result.code == 1
    assert "error[A105]" in result.err
    assert "changed untidy.anet" in result.err
    assert (folder / "broken.anet").read_text() == UNTIDY.replace("[a1]", "[a1")


def test_fmt_keeps_links_and_permissions(folder: Path) -> None:
    (folder / "untidy.anet").chmod(0o640)
    (folder / "link.anet").symlink_to("untidy.anet")
    assert anetc("fmt", "link.anet").code == 0
    assert (folder / "link.anet").is_symlink()
    assert (folder / "untidy.anet").read_text() != UNTIDY
    assert (folder / "untidy.anet").stat().st_mode & 0o777 == 0o640


# stats, diff, dump


def test_stats_as_table_and_json(folder: Path) -> None:
    table = anetc("stats", TABLE_4, "--classes", "157")
    assert table.code == 0
    assert "32,916,863" in table.out
    document = json.loads(anetc("stats", TABLE_4, "--classes", "157", "--json").out)
    assert document["parameters"] == 32_916_863
    small = json.loads(anetc("stats", "good.anet", "--json", "--size", "8x16", "--frames", "1").out)
    assert (small["height"], small["width"], small["frames"]) == (8, 16, 1)


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "0"],
        ["--size", "0x5"],
        ["--size", "5x"],
        ["--size", "224px"],
        ["--size", "-1"],
        ["--size", "1000000"],
        ["--size", ""],
        ["--frames", "0"],
        ["--frames", "1e3"],
        ["--frames", "9" * 40],
        ["--classes", "0"],
        ["--classes", "x"],
    ],
)
def test_stats_refuses_senseless_sizes(folder: Path, options: list[str]) -> None:
    assert_told(anetc("stats", "good.anet", *options), f"Invalid value for '{options[0]}'")


def test_diff_exits_with_1_when_asked_to(folder: Path) -> None:
    result = anetc("diff", "good.anet", "other.anet")
    assert result.code == 0
    assert "a3" in result.out
    assert anetc("diff", "--exit-code", "good.anet", "other.anet").code == 1
    assert anetc("diff", "--exit-code", "good.anet", "untidy.anet").code == 0
    named = GOOD.replace("demo", "other")
    assert anetc("diff", "--exit-code", "good.anet", "-", stdin=named).code == 0
    assert anetc("diff", "good.anet", "bad.anet").err.startswith("error[A302]")


def test_dump_export_and_import_are_inverse(folder: Path) -> None:
    for command in (["dump", "other.anet"], ["dump", "--json", "other.anet"]):
        back = anetc("import", "-", stdin=anetc(*command).data)
        assert back.code == 0
        assert parse(back.out) == parse(OTHER)
    back = anetc("import", "-", stdin=anetc("export", "good.anet").data)
    assert parse(back.out) == parse(GOOD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, ""),
        (b'{"a": NaN}', ""),
        (b"[1e999]", ""),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"null", ""),
        (b"[]", ""),
        (b"[[-1, 4], [0, [0], 64, 1, 1, 0]]", ""),
        (b"[[-1, 4], [0, [7], 64, 1, 1, 0]]", ""),
        (b'{"schema": "anetdsl-network"}', ""),
        (b'{"structure": [[-1, 1], [3, [0], 1, 1, 1, 0]], "weights": 3}', ""),
    ],
)
def test_import_refuses_what_is_no_network(folder: Path, text: bytes, reason: str) -> None:
    result = anetc("import", "-", stdin=text)
    if text.startswith(b"[[-1, 4], [0, [0]"):
        assert result.code in (0, 2)  # a network without a node at the top level
        return
    assert_told(result, reason)
    assert len(result.err) < 2000


def test_import_options(folder: Path) -> None:
    lists = json.dumps([[-1, 4], [0, [0], 64, 1, 1, 0], [3, [1], 64, 1, 2, 0]])
    made = ["--name", "a_name", "--classes", "7", "--widths", "1,2,3,4", "--modules", "1,1,1,1"]
    result = anetc("import", "-", *made, "--edges", "fixed", stdin=lists)
    assert result.code == 0
    network = parse(result.out)
    assert (network.name, network.sink.classes, network.edges) == ("a_name", 7, "fixed")
    assert (network.widths, network.modules) == ((1, 2, 3, 4), (1, 1, 1, 1))
    for options in (["--widths", "1,2,3"], ["--widths", "a,b,c,d"], ["--edges", "some"]):
        assert_told(anetc("import", "-", *options, stdin=lists), "Invalid value")
    assert_told(anetc("import", "-", "--name", "no name", stdin=lists), "name")
    assert_told(anetc("import", "-", "--structure", "x", stdin=lists), "")
    dumped = anetc("dump", "good.anet").out
    assert_told(anetc("import", "-", "--classes", "3", stdin=dumped), "--classes")


# Output files

WRITERS: dict[str, Callable[[object], list[object]]] = {
    "render": lambda path: ["render", "good.anet", "-o", path, "--format", "dot"],
    "export": lambda path: ["export", "good.anet", "-o", path],
    "import": lambda path: ["import", "list.json", "-o", path],
}


@pytest.mark.parametrize("name", WRITERS)
def test_output_to_a_file(folder: Path, name: str) -> None:
    """An existing file is replaced; nothing else is left behind."""
    before = set(folder.iterdir())
    for _ in range(2):
        assert anetc(*WRITERS[name]("out")) == Result(0, b"", "wrote out\n")
        assert anetc(*WRITERS[name]("-")).data == (folder / "out").read_bytes()
    assert set(folder.iterdir()) == {*before, folder / "out"}


@pytest.mark.parametrize("name", WRITERS)
def test_output_that_cannot_be_written(folder: Path, name: str) -> None:
    """Into a folder that is missing, in place of a folder, under a name that no file can have."""
    before = set(folder.iterdir())
    for path in ("missing/out", "empty", "good.anet/out", "x" * 300):
        assert_told(anetc(*WRITERS[name](path)), path)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("name", WRITERS)
def test_output_that_may_not_be_written(folder: Path, name: str) -> None:
    """A file and a folder that are read-only."""
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (folder / "out").write_text("old")
    (folder / "out").chmod(0o444)
    assert_told(anetc(*WRITERS[name]("out")), "out", "Permission denied")
    assert (folder / "out").read_text() == "old"
    (folder / "empty").chmod(0o555)
    assert_told(anetc(*WRITERS[name]("empty/out")), "empty/out", "Permission denied")
    assert not any((folder / "empty").iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("name", WRITERS)
def test_output_to_devices(folder: Path, name: str) -> None:
    """They are written to, and never replaced by a file."""
    for device, code in (("/dev/full", 2), ("/dev/null", 0)):
        assert anetc(*WRITERS[name](device)).code == code
        assert Path(device).is_char_device()
        (folder / "link").symlink_to(device)
        assert anetc(*WRITERS[name]("link")).code == code
        (folder / "link").unlink()
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", [*WRITERS, "fmt"])
def test_a_failed_write_leaves_the_old_file(folder: Path, name: str) -> None:
    """The disk is full (here: no file may grow): exit 2, the old file, and nothing beside it."""
    target = folder / ("untidy.anet" if name == "fmt" else "out")
    if name != "fmt":
        target.write_text("old")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    command = ["fmt", "untidy.anet"] if name == "fmt" else WRITERS[name]("out")
    result = subprocess.run(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "-", sys.executable, "-m", "anetc", *command],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert f"{target.name}: cannot be written: File too large" in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_failing_disk_in_process(folder: Path) -> None:
    """The same for a disk that fails halfway."""

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    (folder / "out").write_text("old")
    before = set(folder.iterdir())
    with mock.patch.object(Path, "write_bytes", half):
        for name in WRITERS:
            assert_told(anetc(*WRITERS[name]("out")), "out: cannot be written: No space left")
        assert_told(anetc("fmt", "untidy.anet"), "untidy.anet: cannot be written: No space left")
    assert (folder / "out").read_text() == "old"
    assert (folder / "untidy.anet").read_text() == UNTIDY
    assert set(folder.iterdir()) == before


def test_render_chooses_the_format(folder: Path) -> None:
    assert anetc("render", "good.anet", "-o", "x.dot").code == 0
    assert (folder / "x.dot").read_text().startswith("digraph")
    assert anetc("render", "good.anet").err == "wrote good.svg\n"
    assert "<svg" in (folder / "good.svg").read_text()
    assert anetc("render", "-", "--format", "dot", stdin=GOOD).out.startswith("digraph")
    assert anetc("render", "good.anet", "--diff", "other.anet", "-o", "d.dot").code == 0
    assert_told(anetc("render", "good.anet", "-o", "x.gif"), "x.gif", ".svg")
    assert_told(anetc("render", "good.anet", "--format", "gif"), "Invalid value")
    assert_told(anetc("render", "good.anet", "-o", "y.svg", "--dot", "no-dot"), "no-dot")
    assert not (folder / "y.svg").exists()


# run


def test_run_tells_what_is_wrong_before_it_loads_torch(folder: Path) -> None:
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "binary.txt").write_bytes(b"\xff")
    for options, reason in (
        (["--video", "nope.mp4"], "nope.mp4: No such file"),
        (["--video", CLIP, "--weights", "nope.safetensors"], "nope.safetensors: No such file"),
        (["--video", CLIP, "--labels", "nope.txt"], "nope.txt: No such file"),
        (["--video", CLIP, "--labels", "labels.txt"], "labels.txt: 2 names for 10 classes"),
        (["--video", CLIP, "--labels", "binary.txt"], "binary.txt: not UTF-8"),
        (["--video", CLIP, "--labels", "empty"], "empty: Is a directory"),
        (["--video", CLIP, "--top", "0"], "Invalid value for '--top'"),
        (["--video", CLIP, "--fps", "nan"], "--fps"),
    ):
        assert_told(anetc("run", "good.anet", *options), reason)


def test_run_on_a_real_clip(folder: Path) -> None:
    """The best classes, with names where there are some; a bad video, device or file of weights."""
    (folder / "labels.txt").write_text("".join(f"thing {i}\n" for i in range(10)))
    tiny = ["--size", "32", "--frames", "2"]
    result = anetc("run", "good.anet", "--video", CLIP, *tiny, "--labels", "labels.txt", "--top", 3)
    assert (result.code, result.err) == (0, "")
    assert len(re.findall(r"^thing \d +[\d.]+ %$", result.out, re.MULTILINE)) == 3
    assert "untrained" in result.out
    assert "forward" in result.out
    again = anetc("run", "good.anet", "--video", CLIP, *tiny, "--labels", "labels.txt", "--top", 3)
    assert again.out.split("city_cc0")[0] == result.out.split("city_cc0")[0]
    for options, reason in (
        (["--video", "good.anet"], "good.anet"),
        (["--video", "empty"], "empty"),
        (["--video", CLIP, "--device", "abacus"], "--device abacus"),
        (["--video", CLIP, "--device", "meta"], "--device meta"),
        (["--video", CLIP, "--weights", "good.anet"], "good.anet"),
    ):
        assert_told(anetc("run", "good.anet", *tiny, *options), reason)


# The process


def environment(**changes: str) -> dict[str, str]:
    """The environment of a true process that runs this checkout."""
    paths = [str(REPOSITORY), str(REPOSITORY / "compiler")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}


def process(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    settings = {"capture_output": True, "timeout": 60, "check": False, "env": environment()}
    command = [sys.executable, "-m", "anetc", *map(str, arguments)]
    return subprocess.run(command, **{**settings, **options})  # type: ignore[call-overload]


def test_a_true_process(folder: Path) -> None:
    """What the tests above do in this process is what a user's shell sees."""
    for command in (["check", "odd.anet"], ["dump", "good.anet"], ["stats", "nope"], ["--bad"]):
        result, expected = process(*command), anetc(*command)
        assert (result.returncode, result.stdout) == (expected.code, expected.data)
        assert result.stderr.decode() == expected.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", [["dump", "good.anet"], ["check", "bad.anet"], ["--help"]])
def test_standard_output_that_is_full(folder: Path, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = process(*command, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert result.returncode == 2
        assert result.stderr == b"anetc: the output cannot be written: No space left on device\n"
        both = process(*command, capture_output=False, stdout=full, stderr=full)
        assert both.returncode == 2


@pytest.mark.parametrize("command", [["dump", "good.anet"], ["check", "bad.anet"], ["--help"]])
def test_a_reader_that_has_gone(folder: Path, command: list[str]) -> None:
    """As in `anetc dump x | true`: no message, and no exit code that means something else."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = process(*command, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (2, b"")


def test_closed_streams(folder: Path) -> None:
    """As a daemon or a cron job may have them."""
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


def test_a_terminal_that_knows_ascii_alone(folder: Path) -> None:
    (folder / "Straße.anet").write_text(BAD, encoding="utf-8")
    for variables in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        result = process("check", "Straße.anet", env=environment(**variables))
        assert result.returncode == 1
        assert result.stdout.startswith(b"error[A302]")
        assert b"internal error" not in result.stderr


def on_terminal(*arguments: str, **variables: str) -> str:
    """What a command prints on a terminal of 80 columns."""
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
        except OSError:  # the terminal's end
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
def test_light_commands_load_little(folder: Path, name: str) -> None:
    """None but `run` loads torch; `check` neither loads numpy, graphviz nor what draws tables."""
    if name == "run":
        pytest.skip("the heavy one")
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
    assert "anetdsl.reading" in modules
    heavy = {"torch", "av", "safetensors"}
    if name in ("check", "fmt", "dump", "import", "export", "stats", "diff"):
        heavy |= {"numpy", "graphviz"}
    if name == "check":
        heavy |= {"rich", "json", "difflib", "pathlib", "anetdsl.codes", "anetdsl.rendering.text"}
        heavy |= {"anetdsl.formatting", "anetdsl.cost"}
        heavy -= {"json"}  # the parser's tables are JSON
    assert not modules & heavy


# What should never happen


@pytest.fixture
def failing() -> Iterator[mock.Mock]:
    with mock.patch.object(main, "main") as command:
        yield command


def test_an_internal_error_is_told_without_a_traceback(
    failing: mock.Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.main.side_effect = ZeroDivisionError("\x1b[2Jdivided " * 1000)
    result = anetc("check", "x")
    assert result.code == 2
    assert result.err.startswith("anetc: internal error: ZeroDivisionError: ␛[2Jdivided")
    assert "ANETC_TRACEBACK" in result.err
    assert len(result.err) < 1500
    monkeypatch.setenv("ANETC_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        anetc("check", "x")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.exceptions.Abort()])
def test_an_interrupt_is_130(failing: mock.Mock, error: BaseException) -> None:
    failing.main.side_effect = error
    result = anetc("check", "x")
    assert (result.code, result.err) == (130, "anetc: interrupted\n")


def test_recursion_and_memory_are_told_too(failing: mock.Mock) -> None:
    failing.main.side_effect = RecursionError("too deep")
    assert anetc("check", "x").err.startswith("anetc: internal error: RecursionError: too deep")
    pytorch = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")
    for error in (MemoryError(), pytorch):
        failing.main.side_effect = error
        assert anetc("check", "x").err == "anetc: there is not enough memory\n"


def test_results_compare() -> None:
    """The helper's own values: equal results are equal, so tests may compare them."""
    assert attrs.evolve(Result(0, b"x", "")) == Result(0, b"x", "")
