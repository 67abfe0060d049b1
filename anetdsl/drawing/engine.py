"""Finding a Graphviz engine and running it.

The first of these is used: what the caller or the variable ANETC_DOT names; the `graphviz-pure` of
this Python environment, which gives the same bytes on every machine; `dot` on PATH. graphviz-pure
writes no PDF: there `dot` comes first, and `anetdsl.drawing.pdf` sets what graphviz-pure lays out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Literal

import attrs

from anetdsl.drawing.pdf import pdf_from_layout
from anetdsl.errors import CannotRun

Format = Literal["svg", "png", "pdf"]
ENGINE_VARIABLE = "ANETC_DOT"
TIME_LIMIT = 60.0
"""Seconds. A network of the paper's size takes some hundredths of one."""
PNG_DPI = 144
_LONGEST_REASON = 300

_PURE = "graphviz-pure"
_NOTHING_THERE = (
    "nothing here can draw: install graphviz-pure (`pip install graphviz-pure`) or Graphviz, whose "
    f"`dot` must be on PATH or named by --dot or {ENGINE_VARIABLE}; DOT text needs neither"
)


@attrs.frozen
class Engine:
    """A program that takes Graphviz's command line."""

    path: Path

    @property
    def is_pure(self) -> bool:
        """Whether this is graphviz-pure, which has no PDF of its own."""
        return self.path.stem == _PURE


def find_engine(format: Format, named: str | os.PathLike[str] | None = None) -> Engine:
    """The engine to draw with. Raises CannotRun when there is none, or not the one named."""
    wanted = os.fspath(named) if named is not None else os.environ.get(ENGINE_VARIABLE)
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            origin = "" if named is not None else f" ({ENGINE_VARIABLE})"
            raise CannotRun(f"cannot draw: there is no program `{wanted}`{origin}")
        return Engine(Path(found))
    on_path = shutil.which("dot")
    pure = _pure_of_this_environment()
    candidates = (on_path, pure) if format == "pdf" else (pure, on_path)
    for candidate in candidates:
        if candidate is not None:
            return Engine(Path(candidate))
    raise CannotRun(_NOTHING_THERE)


def run(engine: Engine, source: str, format: Format, *, time_limit: float = TIME_LIMIT) -> bytes:
    """The picture of a DOT text. Raises CannotRun, with the engine's own words, when it fails."""
    if format == "pdf" and engine.is_pure:
        return pdf_from_layout(_run(engine, source, ["-Tjson"], time_limit))
    options = [f"-T{format}"]
    if format == "png":
        options.append(f"-Gdpi={PNG_DPI}")
    return _run(engine, source, options, time_limit)


def _run(engine: Engine, source: str, options: list[str], time_limit: float) -> bytes:
    # The package `graphviz`, which writes the DOT text, keeps the engine in a global and has no
    # time limit: the program is run from here.
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
            f"cannot draw: {engine.path.name} was not done after {time_limit:g} s; "
            "the network is too large for it (DOT text can still be written)"
        ) from None
    except OSError as error:
        raise CannotRun(f"cannot draw: {engine.path} does not run: {error.strerror}") from None
    if done.returncode or not done.stdout:
        words = " ".join(done.stderr.decode(errors="replace").split())
        silent = f"it stopped with code {done.returncode}" if done.returncode else "it drew nothing"
        reason = words[:_LONGEST_REASON] or silent
        raise CannotRun(f"cannot draw: {engine.path.name}: {reason}")
    return done.stdout


def _pure_of_this_environment() -> Path | None:
    """The program of the installed distribution, which need not be on PATH."""
    try:
        files = metadata.files(_PURE) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.stem == _PURE and file.suffix in ("", ".exe"):
            path = Path(os.fspath(file.locate())).resolve()
            return path if os.access(path, os.X_OK) else None
    return None
