"""`stats`, `diff`, `dump`, `import`, `export`, `render` and `run`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from anetdsl import parse
from tests.cli.conftest import CLIP, GOOD, OTHER, TABLE_4, assert_refused
from tests.command_line import anetc

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
def test_stats_refuses_invalid_sizes(folder: Path, options: list[str]) -> None:
    assert_refused(anetc("stats", "good.anet", *options), f"Invalid value for '{options[0]}'")


def test_diff_with_exit_code_gives_1_for_a_difference(folder: Path) -> None:
    result = anetc("diff", "good.anet", "other.anet")
    assert result.code == 0
    assert "a3" in result.out
    assert anetc("diff", "--exit-code", "good.anet", "other.anet").code == 1
    assert anetc("diff", "--exit-code", "good.anet", "untidy.anet").code == 0
    named = GOOD.replace("demo", "other")
    assert anetc("diff", "--exit-code", "good.anet", "-", stdin=named).code == 0
    assert anetc("diff", "good.anet", "bad.anet").err.startswith("error[A302]")


def test_import_reverses_dump_and_export(folder: Path) -> None:
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
        (b"\xff{}", "byte 0 is not UTF-8"),
        (b"null", ""),
        (b"[]", ""),
        (b"[[-1, 4], [0, [0], 64, 1, 1, 0]]", ""),
        (b"[[-1, 4], [0, [7], 64, 1, 1, 0]]", ""),
        (b'{"schema": "anetdsl-network"}', ""),
        (b'{"structure": [[-1, 1], [3, [0], 1, 1, 1, 0]], "weights": 3}', ""),
    ],
)
def test_import_refuses_json_that_is_not_a_network(folder: Path, text: bytes, reason: str) -> None:
    result = anetc("import", "-", stdin=text)
    if text.startswith(b"[[-1, 4], [0, [0]"):
        assert result.code in (0, 2)  # a network without a node at the top level
        return
    assert_refused(result, reason)
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
        assert_refused(anetc("import", "-", *options, stdin=lists), "Invalid value")
    assert_refused(anetc("import", "-", "--name", "no name", stdin=lists), "name")
    assert_refused(anetc("import", "-", "--structure", "x", stdin=lists), "")
    dumped = anetc("dump", "good.anet").out
    assert_refused(anetc("import", "-", "--classes", "3", stdin=dumped), "--classes")


def test_render_chooses_the_format_by_the_file_name(folder: Path) -> None:
    assert anetc("render", "good.anet", "-o", "x.dot").code == 0
    assert (folder / "x.dot").read_text().startswith("digraph")
    assert anetc("render", "good.anet").err == "wrote good.svg\n"
    assert "<svg" in (folder / "good.svg").read_text()
    assert anetc("render", "-", "--format", "dot", stdin=GOOD).out.startswith("digraph")
    assert anetc("render", "good.anet", "--diff", "other.anet", "-o", "d.dot").code == 0
    assert_refused(anetc("render", "good.anet", "-o", "x.gif"), "x.gif", ".svg")
    assert_refused(anetc("render", "good.anet", "--format", "gif"), "Invalid value")
    assert_refused(anetc("render", "good.anet", "-o", "y.svg", "--dot", "no-dot"), "no-dot")
    assert not (folder / "y.svg").exists()


# run


def test_run_reports_wrong_options_and_files(folder: Path) -> None:
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "binary.txt").write_bytes(b"\xff")
    for options, reason in (
        (["--video", "nope.mp4"], "nope.mp4: no such file"),
        (["--video", CLIP, "--weights", "nope.safetensors"], "nope.safetensors: no such file"),
        (["--video", CLIP, "--labels", "nope.txt"], "nope.txt: no such file"),
        (
            ["--video", CLIP, "--labels", "labels.txt"],
            "labels.txt: holds 2 names, but the network has 10 classes",
        ),
        (["--video", CLIP, "--labels", "binary.txt"], "binary.txt: not UTF-8"),
        (["--video", CLIP, "--labels", "empty"], "empty: cannot be read: Is a directory"),
        (["--video", CLIP, "--top", "0"], "Invalid value for '--top'"),
        (["--video", CLIP, "--fps", "nan"], "--fps"),
    ):
        assert_refused(anetc("run", "good.anet", *options), reason)


def test_run_on_a_real_clip(folder: Path) -> None:
    """The best classes and their names; an unreadable video, wrong devices, wrong weights."""
    (folder / "labels.txt").write_text("".join(f"thing {i}\n" for i in range(10)))
    tiny = ["--size", "32", "--frames", "2"]
    result = anetc("run", "good.anet", "--video", CLIP, *tiny, "--labels", "labels.txt", "--top", 3)
    assert result.code == 0
    assert re.fullmatch(r"on the CPU: .*, float32\n", result.err)
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
        assert_refused(anetc("run", "good.anet", *tiny, *options), reason)
