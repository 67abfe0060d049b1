"""The tree-sitter grammar: corpus, queries, and that the parser accepts the same texts."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from anetdsl.codes import CODES
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.vocabulary import KEYWORDS, STATEMENTS
from tests.documents import DOCUMENTS, REPOSITORY, blocks
from tests.strategies import broken_texts, texts

GRAMMAR = REPOSITORY / "editors" / "tree-sitter"
COMPILER = shutil.which("cc") or shutil.which("gcc")
CHOICES = {
    choice
    for statement in STATEMENTS.values()
    for attribute in statement.attributes
    for choice in attribute.choices
}
MISTAKES = ("malformed_number", "unterminated_string", "reserved_word")


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build the parser, and return the language."""
    tree_sitter = pytest.importorskip("tree_sitter")
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("parser") / "anet.so"
    source = GRAMMAR / "src"
    command = [COMPILER, "-shared", "-fPIC", f"-I{source}", source / "parser.c", "-o", library]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    function = ctypes.CDLL(str(library)).tree_sitter_anet
    function.restype = ctypes.c_void_p
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype = ctypes.py_object
    capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return tree_sitter.Language(capsule(function(), b"tree_sitter.Language", None))


@pytest.fixture(scope="module")
def parser(language: Any) -> Any:
    import tree_sitter

    return tree_sitter.Parser(language)


def tree(parser: Any, text: str) -> str:
    """Return the tree of a text as an expression."""
    return str(parser.parse(text.encode("utf-8", "surrogatepass")).root_node)


def is_valid(parser: Any, text: str) -> bool:
    found = tree(parser, text)
    return not re.search(rf"\((?:ERROR|MISSING|{'|'.join(MISTAKES)})\b", found)


def corpus() -> Iterator[Any]:
    for path in sorted((GRAMMAR / "test" / "corpus").glob("*.txt")):
        parts = re.split(r"(?m)^=+\n(.+)\n=+\n", path.read_text(encoding="utf-8"))[1:]
        for name, case in zip(parts[::2], parts[1::2]):
            text, expected = re.split(r"(?m)^-{10,}$", case)
            yield pytest.param(text, expected, id=name)


@pytest.mark.parametrize(("text", "expected"), list(corpus()))
def test_corpus(text: str, expected: str, parser: Any) -> None:
    assert tree(parser, text) == re.sub(r"\(\s+", "(", " ".join(expected.split()))


def documented() -> list[str]:
    """Return the networks of the documents."""
    return [block.text for path in DOCUMENTS for block in blocks(path) if block.language == "anet"]


def test_valid_texts_are_those_of_the_parser(parser: Any, examples: list[Path]) -> None:
    """Examples, networks in the documents, and the examples of all findings."""
    found = [path.read_text(encoding="utf-8") for path in examples]
    found += documented()
    assert len(found) > len(examples)
    found += [entry.example.encode("utf-8", "replace").decode() for entry in CODES.values()]
    for text in found:
        assert is_valid(parser, text) == (not parse_syntax(SourceFile("x", text)).diagnostics), text


@given(texts())
@settings(max_examples=50)
def test_texts_in_any_layout_are_valid(parser: Any, text: str) -> None:
    """Except for NUL in a comment, which tree-sitter takes for the end of the text."""
    assert is_valid(parser, text.replace("\0", ""))


@given(broken_texts())
@settings(max_examples=100)
def test_a_text_that_the_parser_reads_is_valid(parser: Any, text: str) -> None:
    if not parse_syntax(SourceFile("x", text)).diagnostics and "\0" not in text:
        assert is_valid(parser, text)
    else:
        tree(parser, text)


def test_highlights_cover_all_words(language: Any, parser: Any) -> None:
    """The queries are valid; keywords and choices are those of the language."""
    import tree_sitter

    text = (GRAMMAR / "queries" / "highlights.scm").read_text(encoding="utf-8")
    keywords = re.search(r'\[((?:"[a-z]+" ?)+)\] @keyword', text)
    choices = re.search(r"any-of\? @constant ([^)]*)\)", text)
    assert keywords is not None
    assert choices is not None
    assert set(re.findall(r'"(\w+)"', keywords[1])) == set(KEYWORDS)
    assert set(re.findall(r'"(\w+)"', choices[1])) == CHOICES
    tree_sitter.Query(language, (GRAMMAR / "queries" / "folds.scm").read_text(encoding="utf-8"))
    source = b'anet 1\nnode s0 level=0 kind=rgb inputs=[a@0.5] x="y" # c\n'
    query = tree_sitter.Query(language, text)
    captures = tree_sitter.QueryCursor(query).captures(parser.parse(source).root_node)
    words = {
        name: sorted(source[node.start_byte : node.end_byte].decode() for node in nodes)
        for name, nodes in captures.items()
    }
    assert words["keyword"] == ["anet", "node"]
    assert words["function"] == ["s0"]
    assert words["property"] == ["inputs", "kind", "level", "x"]
    assert words["constant"] == ["rgb"]
    assert words["variable"] == ["a"]
    assert words["number"] == ["0", "0.5", "1"]
    assert (words["string"], words["comment"]) == (['"y"'], ["# c"])
