"""Load the parser that Lark builds from grammar/anet.lark, with a cache of its tables.

Building the tables takes longer than parsing a network. The tables are therefore stored in the
user's cache folder, as JSON with a checksum, in a file named after the grammar's text and Lark's
version. JSON contains no code, so a manipulated cache file can make parsing fail but cannot run
anything. Paths are strings in this module, because importing pathlib takes longer than parsing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import zlib
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from anetdsl.cache import cache_folder, make_cache_folder

START_RULES = ["file", "statement", "attribute", "stray"]


@functools.cache
def grammar_text() -> str:
    """Return the text of anet.lark, from the installed package or from the checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (package, os.path.dirname(package)):
        path = os.path.join(folder, "grammar", "anet.lark")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    raise FileNotFoundError("anet.lark is missing from this installation of anetdsl")


def load_parser(transformer: lark.Transformer[Any, Any]) -> lark.Lark:
    """Return the LALR parser with this transformer, from the cache if possible."""
    path = _cache_path()
    try:
        return _from_tables(_read_cache(path), transformer)
    except Exception:  # A missing or damaged cache file of any kind: build the tables.
        tables = build_tables()
        _write_cache(path, tables)
        return _from_tables(tables, transformer)


def build_tables() -> dict[str, Any]:
    """Return Lark's tables for the grammar as plain data."""
    parser = lark.Lark(
        grammar_text(), start=START_RULES, parser="lalr", lexer="basic", maybe_placeholders=False
    )
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    return {"data": data, "memo": memo}


def _from_tables(tables: Any, transformer: lark.Transformer[Any, Any]) -> lark.Lark:
    return lark.Lark.__new__(lark.Lark)._load(tables, transformer=transformer)


def _cache_path() -> str:
    key = f"{lark.__version__}\n{START_RULES}\n{grammar_text()}".encode()
    return os.path.join(
        cache_folder(), f"grammar-{zlib.crc32(key):08x}{zlib.adler32(key):08x}.tables"
    )


def _read_cache(path: str) -> Any:
    with open(path, "rb") as file:
        checksum, _, data = file.read().partition(b"\n")
    if checksum != _checksum(data):
        raise ValueError("wrong checksum: the file is changed or incomplete")
    return _from_json(json.loads(data))


def _checksum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)


def _write_cache(path: str, tables: dict[str, Any]) -> None:
    from anetdsl.errors import CannotRun
    from anetdsl.files import write_atomically

    # The parser also works without a cache: on a full or read-only disk, or without a home folder.
    with contextlib.suppress(OSError, CannotRun):
        make_cache_folder()
        data = json.dumps(_to_json(tables)).encode()
        write_atomically(path, _checksum(data) + b"\n" + data)


def _to_json(value: Any) -> Any:
    """Return a value as JSON. A dictionary with keys other than strings becomes a list of pairs."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _to_json(item) for key, item in value.items()}
        return {"__pairs__": [[key, _to_json(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if "__pairs__" in value:
            return {key: _from_json(item) for key, item in value["__pairs__"]}
        return {key: _from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return value
