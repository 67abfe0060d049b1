"""Find and run the code blocks of the documents.

The first word of a block is its language; further words say how the tests check it:

    anet                        a whole file, without findings, in canonical layout
    anet fragment               statements, in canonical layout
    anet error=A302             a whole file with exactly these findings (A302,A601)
    anet unformatted            a file that is not in canonical layout
    anet file=name.anet         a file that is written to the folder of the commands
    console                     lines with `$ ` are commands, the lines below their output
    console exit=1              the last command exits with 1, not 0
    console slow                run by `make test-slow` only; options are always checked
    python, pycon               run in one namespace; the output of pycon is compared
    python slow, pycon slow     run by `make test-slow` only

`...` in an output matches any text. Only commands in RUNNABLE are run. A command without output in
the document may print anything. A comment `<!-- run: COMMAND -->` runs a hidden command.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
import pytest

from anetc.cli.main import main
from anetdsl.api import check, format_text
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    path
    for folder in (".", "benchmarks", "docs", "editors", "examples")
    for path in sorted((REPOSITORY / folder).glob("*.md"))
]
RUNNABLE = frozenset({"anetc", "cat", "cp", "echo", "head", "printf", "python", "sed"})

_FENCE = re.compile(r"```(\w*)(.*)")
_HIDDEN = re.compile(r"<!-- run: (.*) -->")
_FLAGS = {
    "anet": {"fragment", "error", "unformatted", "file"},
    "console": {"exit", "slow"},
    "python": {"slow"},
    "pycon": {"slow"},
    "run": set[str](),
}
_CHECKER = doctest.OutputChecker()


@attrs.frozen
class Block:
    """A code block, or a hidden command (`language` is "run"), and its first line."""

    path: Path
    line: int
    language: str
    flags: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a document in order. Fail for a block that is not closed."""
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if hidden := _HIDDEN.fullmatch(line):
            yield Block(path, number, "run", {}, hidden[1])
        elif fence := _FENCE.fullmatch(line):
            words = [word.partition("=") for word in fence[2].split()]
            flags = {name: value for name, _, value in words}
            unknown = flags.keys() - _FLAGS.get(fence[1], set())
            assert not unknown, f"{path.name}:{number}: unknown flag: {unknown}"
            inside = []
            for _, text in lines:
                if text == "```":
                    break
                inside.append(text + "\n")
            else:
                pytest.fail(f"{path.name}:{number}: the block is not closed")
            yield Block(path, number, fence[1], flags, "".join(inside))


def check_anet(block: Block) -> None:
    """Check an `anet` block by its flags."""
    if "fragment" in block.flags:
        found = [d.code for d in parse_syntax(SourceFile(str(block), block.text)).diagnostics]
    else:
        found = [diagnostic.code for diagnostic in check(block.text)]
    expected = block.flags.get("error")
    assert found == (expected.split(",") if expected else []), block
    if expected is None and "unformatted" not in block.flags:
        assert format_text(block.text) == block.text, f"{block}: not in canonical layout"


@attrs.frozen
class Step:
    """A command, and its documented output, or None if the document shows none."""

    line: int
    command: str
    output: str | None

    @property
    def is_run(self) -> bool:
        """True if the tests run the command."""
        return self.command.split(maxsplit=1)[0] in RUNNABLE


def steps(block: Block) -> Iterator[Step]:
    """Yield the commands of a `console` block."""
    for part in re.split(r"(?m)^(?=\$ )", block.text):
        if not part:
            continue
        assert part.startswith("$ "), f"{block}: a console block starts with a command, `$ ...`"
        command, _, output = part[2:].partition("\n")
        line = block.line + 1 + block.text[: block.text.index(part)].count("\n")
        # A blank line before the next command belongs to the document, not to the output.
        yield Step(line, command, output.rstrip("\n") + "\n" if output.strip() else None)


def check_options(step: Step) -> None:
    """Fail unless every `anetc` in a command line has a valid command and valid options."""
    for part in re.split(r"&&|[|;]", step.command):
        words = shlex.split(re.sub(r"[<>]\s*\S+", "", part), comments=True)
        if words[:1] != ["anetc"] or len(words) < 2 or words[1].startswith("-"):
            continue
        context = click.Context(main, **main.context_settings)
        command = main.get_command(context, words[1])
        assert command is not None, f"unknown command `{words[1]}`"
        inner = command.make_context(words[1], words[2:], parent=context)
        if isinstance(command, click.Group):
            part = command.get_command(inner, words[2])
            assert part is not None, f"unknown command `{words[1]} {words[2]}`"
            part.make_context(words[2], words[3:], parent=inner)


class Session:
    """A folder with the files that documents use, and the Python namespace of one document."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.last_exit = 0
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.folder.mkdir()
        shutil.copytree(REPOSITORY / "examples", self.folder / "examples")
        shutil.copytree(REPOSITORY / "tests" / "media", self.folder / "tests" / "media")
        # The same text that pip writes. Spawned processes import it.
        source = 'from anetc.cli.entry_point import run\nif __name__ == "__main__":\n    run()\n'
        self._program("anetc", f"#!{sys.executable}\n{source}")
        # A link would not work: Python would not find the packages of its virtual environment.
        self._program("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def run(self, block: Block) -> None:
        """Run a block and compare its output with the document."""
        match block.language:
            case "run":
                self._command(Step(block.line, block.text, None), block)
            case "console":
                run = [step for step in steps(block) if step.is_run]
                for step in run:
                    self._command(step, block)
                expected = int(block.flags.get("exit", 0))
                if run and self.last_exit != expected:
                    pytest.fail(f"{block}: the last command exited with {self.last_exit}")
            case "python":
                with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(block.text, str(block), "exec"), self.names)
            case "pycon":
                with contextlib.chdir(self.folder):
                    self._doctest(block)
            case "anet" if "file" in block.flags:
                (self.folder / block.flags["file"]).write_text(block.text, encoding="utf-8")

    def _command(self, step: Step, block: Block) -> None:
        roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
        done = subprocess.run(
            ["sh", "-c", f"(exit {self.last_exit}); {step.command}"],
            cwd=self.folder,
            env={
                **os.environ,
                "ANETDSL_CACHE": str(self.folder / ".cache"),
                "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": roots,
                "PYTHONUTF8": "1",
                "COLUMNS": "80",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=300,
        )
        self.last_exit = done.returncode
        where = f"{block.path.relative_to(REPOSITORY)}:{step.line}: $ {step.command}"
        printed = "\n".join(line.rstrip() for line in done.stdout.splitlines()).rstrip() + "\n"
        if step.output is None:
            assert done.returncode in (0, int(block.flags.get("exit", 0))), f"{where}\n{printed}"
        elif not _CHECKER.check_output(step.output, printed, doctest.ELLIPSIS):
            pytest.fail(f"{where}\ndocumented:\n{step.output}\nprinted:\n{printed}")

    def _doctest(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.text, self.names, str(block), str(block.path), block.line
        )
        report = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        runner.run(test, out=report.write, clear_globs=False)
        # The runner works on a copy of the names.
        self.names.update(test.globs)
        if runner.failures:
            pytest.fail(f"{block}\n{report.getvalue()}")

    def _program(self, name: str, source: str) -> None:
        path = self.programs / name
        path.write_text(source, encoding="utf-8")
        path.chmod(0o755)
