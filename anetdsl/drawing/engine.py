"""Find a Graphviz engine and run it.

The engine is the first of these that exists: the program named by the caller or by the variable
ANETC_DOT; the program `graphviz-pure` of this Python environment, whose output is the same on every
machine; `dot` on PATH. graphviz-pure cannot write PDF, so PDF needs `dot`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Literal

import attrs

from anetdsl.errors import CannotRun

Format = Literal["svg", "png", "pdf"]
ENGINE_VARIABLE = "ANETC_DOT"
TIME_LIMIT = 60.0
"""Seconds. A network of the paper's size takes less than 0.1 s."""
PNG_DPI = 144
_LONGEST_REASON = 300

_PURE = "graphviz-pure"
_NO_ENGINE = (
    "cannot draw: no Graphviz engine found; install graphviz-pure (`pip install graphviz-pure`), "
    f"or install Graphviz and put `dot` on PATH or name it with --dot or {ENGINE_VARIABLE}; "
    "DOT text (format `dot`) needs no engine"
)
_NO_PDF = (
    "cannot draw PDF: it needs the program `dot` of Graphviz, which is not on PATH; install "
    f"Graphviz or name `dot` with --dot or {ENGINE_VARIABLE}, or draw svg or png instead"
)


@attrs.frozen
class Engine:
    """A program that accepts Graphviz's command line."""

    path: Path


def find_engine(format: Format, named: str | os.PathLike[str] | None = None) -> Engine:
    """Return the engine for a format.

    `named` is a program, as a path or a name on PATH. Raises CannotRun if this program or the one
    named by ANETC_DOT does not exist, and if there is no engine at all.
    """
    wanted = os.fspath(named) if named is not None else os.environ.get(ENGINE_VARIABLE)
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            origin = "" if named is not None else f" ({ENGINE_VARIABLE})"
            raise CannotRun(f"cannot draw: there is no program `{wanted}`{origin}")
        return Engine(Path(found))
    pure = None if format == "pdf" else _pure_of_this_environment()
    program = pure or shutil.which("dot")
    if program is None:
        raise CannotRun(_NO_PDF if format == "pdf" else _NO_ENGINE)
    return Engine(Path(program))


def run(engine: Engine, source: str, format: Format, *, time_limit: float = TIME_LIMIT) -> bytes:
    """Return the drawing of a DOT text.

    Raises CannotRun if the engine fails, with the engine's message, and if it takes longer than
    `time_limit` seconds.
    """
    options = [f"-T{format}"]
    if format == "png":
        options.append(f"-Gdpi={PNG_DPI}")
    return _run(engine, source, options, time_limit)


def _run(engine: Engine, source: str, options: list[str], time_limit: float) -> bytes:
    # The package `graphviz`, which writes the DOT text, could run the engine, too. But it keeps the
    # engine's path in a global variable and has no time limit.
    try:
        done = subprocess.run(
            [engine.path, "-Kdot", *options],
            input=source.encode(),
            capture_output=True,
            timeout=time_limit,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise CannotRun(
            f"cannot draw: {engine.path.name} did not finish within {time_limit:g} s; "
            "the network is too large for it, draw DOT text (format `dot`) instead"
        ) from None
    except OSError as error:
        raise CannotRun(f"cannot draw: cannot run {engine.path}: {error.strerror}") from None
    if done.returncode or not done.stdout:
        message = " ".join(done.stderr.decode(errors="replace").split())
        default = f"exit code {done.returncode}" if done.returncode else "it wrote nothing"
        raise CannotRun(f"cannot draw: {engine.path.name}: {message[:_LONGEST_REASON] or default}")
    return done.stdout


def _pure_of_this_environment() -> Path | None:
    """Return the program of the installed package graphviz-pure, which may not be on PATH."""
    try:
        files = metadata.files(_PURE) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.stem == _PURE and file.suffix in ("", ".exe"):
            path = Path(os.fspath(file.locate())).resolve()
            return path if os.access(path, os.X_OK) else None
    return None
