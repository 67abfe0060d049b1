"""The grammar, and the tables of the parser that are kept in the cache folder."""

from __future__ import annotations

import json
import logging
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import lark
import pytest

from anetdsl.source import SourceFile
from anetdsl.syntax import grammar, parser
from anetdsl.syntax.nodes import SyntaxTree
from anetdsl.syntax.parser import parse_syntax


def test_grammar_is_unambiguous() -> None:
    """Lark's strict mode finds no conflicts between rules or between terminals of one priority."""
    pytest.importorskip("interegular")
    logging.getLogger("interegular").setLevel(logging.ERROR)
    strict = lark.Lark(
        grammar.grammar_text(),
        start=grammar.START_RULES,
        parser="lalr",
        lexer="basic",
        maybe_placeholders=False,
        strict=True,
    )
    assert strict.parse("anet 1 network n", start="file").data == "file"


def test_grammar_starts_with_the_version() -> None:
    text = grammar.grammar_text()
    assert "version 1" in text.splitlines()[0]
    rules = text.index("file:"), text.index("ANET:")
    assert rules[0] < rules[1], "rules come before terminals"


TEXTS = [
    "",
    "anet 1\nnetwork n\nnode [ = @\r\nsink inputs=[a@0.5, b] # c",
    'origin parent="a\\n" ops=["x",]\nnode n inputs=[[a]] 12x "no end\n\ufeff é',
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a separate cache folder; the parser is loaded again before and after it."""
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    parser._lark.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    parser._lark.cache_clear()


def trees(examples: list[Path]) -> list[SyntaxTree]:
    """Load the parser again, and parse all texts with it."""
    parser._lark.cache_clear()
    texts = [*TEXTS, *(path.read_text(encoding="utf-8") for path in examples[:3])]
    return [parse_syntax(SourceFile("x", text)) for text in texts]


def test_tables_from_the_cache_parse_the_same(cache: Path, examples: list[Path]) -> None:
    """The first parse builds the tables and writes them; the second reads them."""
    built = trees(examples)
    (file,) = cache.iterdir()
    before = file.stat()
    assert trees(examples) == built
    after = file.stat()
    for field in ("st_ino", "st_size", "st_mtime_ns"):
        assert getattr(after, field) == getattr(before, field)
    assert json.loads(file.read_bytes().partition(b"\n")[2])


def hostile(data: bytes) -> Iterator[bytes]:
    """Yield damaged and manipulated contents of the file with the tables."""
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b" "
    yield data.replace(b"STRING", b"STRONG")
    yield data.replace(b"1", b"2")
    yield bytes(range(256)) * 50
    for text in (
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"data": {}, "memo": {}}',
        b'{"__pairs__": 3}',
        b"9" * 10_000,
        b'{"data": {"parser": {"lexer_conf": {}}}, "memo": {"1": {"__type__": "Rule"}}}',
    ):
        yield text
        yield b"%08x\n%s" % (zlib.crc32(text), text)


def test_damaged_cache_is_replaced(cache: Path, examples: list[Path]) -> None:
    """Texts are parsed correctly with every content of the file, which is then written again."""
    built = trees(examples)
    (file,) = cache.iterdir()
    good = file.read_bytes()
    for data in hostile(good):
        file.write_bytes(data)
        assert trees(examples[:1]) == built[: len(TEXTS) + 1]
        assert list(cache.iterdir()) == [file]
        assert file.read_bytes() != data
        assert grammar._read_cache(str(file))


@pytest.mark.parametrize(
    "place", ["file", "file/below", "folder", "/dev/null/x", "\udcff\n", "x" * 999]
)
def test_parser_works_without_a_writable_cache(
    place: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache folder is a file, the cache file is a folder, or the path is impossible."""
    (tmp_path / "file").write_text("in the way")
    expected = trees([])
    monkeypatch.setenv("ANETDSL_CACHE", os.path.join(tmp_path, place))  # noqa: PTH118
    if place == "folder":
        Path(grammar._cache_path()).mkdir(parents=True)
    for _ in range(2):
        assert trees([]) == expected
    assert (tmp_path / "file").read_text() == "in the way"


def test_path_of_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in ANETDSL_CACHE, else in the user's cache folder; a new grammar has a new file."""
    name = os.path.basename(grammar._cache_path())  # noqa: PTH119
    monkeypatch.delenv("ANETDSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "elsewhere")
    if sys.platform.startswith("linux"):
        assert Path(grammar._cache_path()) == Path("elsewhere", "anetdsl", name)
    monkeypatch.setattr(grammar, "grammar_text", lambda: "other")
    assert Path(grammar._cache_path()).name != name
