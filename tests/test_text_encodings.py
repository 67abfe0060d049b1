"""Texts as programs on Windows write them: with marks of UTF-8 or UTF-16, and with CRLF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anetc.data.upkeep.quarantine import read_quarantine
from anetc.evaluation.predictions.prediction_files import read_predictions
from anetdsl.api import check_file
from anetdsl.settings_reader import read_json, read_toml
from anetdsl.source import decode_text
from tests.command_line import anetc

EXAMPLE = Path(__file__).resolve().parent.parent / "examples/small_single_stream_rgb.anet"

ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "mark and CRLF": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "UTF-16": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16, high byte first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
}


@pytest.fixture(params=ENCODINGS)
def encoded(request: pytest.FixtureRequest) -> Callable[[str], bytes]:
    """A function that encodes a text as another program does."""
    return ENCODINGS[request.param]


def test_decode_text(encoded: Callable[[str], bytes]) -> None:
    assert decode_text(encoded("é 跳\nb")).replace("\r", "") == "é 跳\nb"
    with pytest.raises(UnicodeDecodeError):
        decode_text(b"\xe9")


def test_settings(encoded: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(encoded('a = 1\n\n[b]\nc = "é"\nd = """x\ny"""\n'))
    (tmp_path / "s.json").write_bytes(encoded('{"a": 1,\n "b": {"c": "é"}}\n'))
    toml, json = read_toml(tmp_path / "s.toml"), read_json(tmp_path / "s.json")
    assert toml.values == {"a": 1, "b": {"c": "é", "d": "x\ny"}}
    assert json.values == {"a": 1, "b": {"c": "é"}}
    assert toml.lines["b", "c"] == 4
    assert json.lines["b", "c"] == 2


def test_quarantine_lists(encoded: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_bytes(encoded("# why\n跳/a b.mp4\tcorrupt\nc.mp4\n"))
    assert read_quarantine(tmp_path / "q.txt") == {"跳/a b.mp4": "corrupt", "c.mp4": ""}


def test_predictions(encoded: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(encoded("name,target,run,jump\né.mp4,1,0.25,0.75\n"))
    predictions = read_predictions(tmp_path / "p.csv")
    assert (predictions.names, predictions.scores.tolist()) == (("é.mp4",), [[0.25, 0.75]])


def test_documents_of_networks(encoded: Callable[[str], bytes], tmp_path: Path) -> None:
    dumped = anetc("dump", EXAMPLE).out
    (tmp_path / "d.json").write_bytes(encoded(dumped))
    done = anetc("import", tmp_path / "d.json")
    assert (done.code, done.out.splitlines()[0]) == (0, "anet 1")


@pytest.mark.parametrize("name", ["CRLF", "mark", "mark and CRLF"])
def test_networks(name: str, tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "n.anet").write_bytes(ENCODINGS[name](text))
    assert check_file(tmp_path / "n.anet").diagnostics == ()


def test_a_network_in_utf_16_is_refused(tmp_path: Path) -> None:
    """The language is UTF-8; the message says what to do."""
    (tmp_path / "n.anet").write_bytes("anet 1\n".encode("utf-16"))
    (finding,) = check_file(tmp_path / "n.anet").diagnostics
    assert (finding.code, finding.message) == (
        "A109",
        "the file is UTF-16 text; save it as UTF-8",
    )
