"""The parts of a Python artifact: the blocks it can contain, its names and its formatting."""

from __future__ import annotations

import ast
import functools
import inspect
import keyword

import attrs
from torch import nn

from anetc.export.python import standalone, standalone_plus

WIDTH = 88
"""Columns of a line of code, the default of formatters."""
_INDENT = 4
_TAKEN = {*dir(nn.Module()), "self", "inputs", "frames", "peers", "torch", "sink", "dtype"}


@attrs.frozen
class Definition:
    """A class or a function of `standalone` or `standalone_plus`."""

    text: str
    is_class: bool
    names: frozenset[str]
    """All names that occur in it."""


@functools.cache
def definitions() -> dict[str, Definition]:
    """Return the classes and functions that an artifact can contain, by name."""
    found: dict[str, Definition] = {}
    for module in (standalone, standalone_plus):
        text = inspect.getsource(module)
        lines = text.replace("  # type: ignore[override]", "").splitlines()
        for part in ast.parse(text).body:
            if isinstance(part, ast.ClassDef | ast.FunctionDef):
                own = "\n".join(lines[part.lineno - 1 : part.end_lineno])
                found[part.name] = Definition(own, isinstance(part, ast.ClassDef), _names(part))
    return found


def needed_definitions(text: str) -> list[str]:
    """Return the texts of the definitions that code needs, classes first."""
    known = definitions()
    needed: set[str] = set()
    waiting = set(_names(ast.parse(text)) & known.keys())
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting |= (known[name].names & known.keys()) - needed
    chosen = [definition for name, definition in known.items() if name in needed]
    return [part.text for part in sorted(chosen, key=lambda part: not part.is_class)]


def _names(tree: ast.AST) -> frozenset[str]:
    return frozenset(part.id for part in ast.walk(tree) if isinstance(part, ast.Name))


def safe_name(name: str) -> str:
    """Return a name that neither Python nor torch.nn uses. Distinct names stay distinct.

    >>> [safe_name(name) for name in ("n7", "class", "class_", "__n7", "max_pool")]
    ['n7', 'class_', 'class__', '__n7___', 'max_pool_']
    """
    if name.startswith("__"):  # else Python prefixes it with the name of the class
        return f"{name}___"
    taken = keyword.iskeyword(name) or name in _TAKEN or name in definitions()
    return f"{name}_" if taken or name.endswith("_") else name


def class_name(name: str) -> str:
    """Return a class name that the file does not use otherwise.

    >>> [class_name(name) for name in ("small_assemblenet", "_00", "lite_stem", "true")]
    ['SmallAssemblenet', 'Network00', 'LiteStemNetwork', 'TrueNetwork']
    """
    words = "".join(word.capitalize() for word in name.split("_"))
    if not words[:1].isalpha():
        return f"Network{words}"
    taken = words in ("Tensor", "Path", "F") or words in definitions()
    return f"{words}Network" if taken or keyword.iskeyword(words) else words


@attrs.frozen
class Brackets:
    """Code with brackets: `start` ends with the opening one, `end` begins with the closing one."""

    start: str
    items: tuple[str | Brackets, ...]
    end: str

    def __str__(self) -> str:
        return f"{self.start}{', '.join(map(str, self.items))}{self.end}"


def call(function: str, *arguments: str | Brackets, to: str = "") -> Brackets:
    """Return the code of a call; `to` is the code before it, such as `x = `."""
    return Brackets(f"{to}{function}(", arguments, ")")


def listing(*items: str | Brackets, to: str = "") -> Brackets:
    """Return the code of a list; `to` is the code before it."""
    return Brackets(f"{to}[", items, "]")


def wrapped(code: str | Brackets, indent: int, end: str = "") -> list[str]:
    """Return the lines of a piece of code, indented and wrapped as formatters do."""
    margin, inner = " " * indent, indent + _INDENT
    line = f"{margin}{code}{end}"
    if isinstance(code, str) or len(line) <= WIDTH:
        return [line]
    start, close = f"{margin}{code.start}", f"{margin}{code.end}{end}"
    body = " " * inner + ", ".join(map(str, code.items))
    if len(body) <= WIDTH:
        return [start, body, close]
    parts = [part for item in code.items for part in wrapped(item, inner, ",")]
    return [start, *parts, close]
