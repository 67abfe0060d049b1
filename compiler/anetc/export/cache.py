"""Artifacts that were made before, kept by the content they were made of. No torch here.

An entry is a folder named by a key: the artifact's files, and `entry.json` with their SHA-256, by
which a damaged entry is found and dropped. What was used least recently goes first when all
together exceed `LIMIT`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

import anetdsl
from anetc.export.about import About
from anetdsl.syntax.grammar import cache_folder

LIMIT = 4 * 2**30
"""Bytes of all entries together."""
_VERSIONS = ("torch", "safetensors", "onnx", "onnxscript")


@attrs.frozen
class CacheEntry:
    """A copy of an artifact in the cache: its files, the first to be loaded first; its verdict."""

    files: tuple[Path, ...]
    error: float
    first: float


def key_of(about: About, weights: str | None, seed: int) -> str:
    """The key of everything that an artifact is made of. `weights` is their file's SHA-256."""
    what = {
        "about": about.to_json(),
        "weights": weights,
        "seed": None if weights else seed,
        "source": _source_digest(),
        "python": sys.version_info[:2] if about.kind in ("aoti",) else None,
        "machine": _machine() if about.kind == "aoti" else platform.machine(),
        "packages": {name: _version(name) for name in _VERSIONS},
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take(key: str, into: Path) -> CacheEntry | None:
    """The entry of a key, if it is there and whole, copied to a folder; it counts as used now.

    It is the copy that is found whole: others may trim the cache meanwhile.
    """
    folder = _root() / key
    try:
        about: Any = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        files = tuple(into / Path(name).name for name in about["files"])
        for file in files:
            shutil.copyfile(folder / file.name, file)
        whole = all(file_digest(file) == about["files"][file.name] for file in files)
        if whole and files:
            with contextlib.suppress(OSError):  # a cache may be read-only
                os.utime(folder / "entry.json")
            return CacheEntry(files, float(about["error"]), float(about["first"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def keep(key: str, files: tuple[Path, ...], error: float, first: float) -> None:
    """Copy an artifact's files into the cache. A cache that cannot be written is no error."""
    root = _root()
    with contextlib.suppress(OSError):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(file.stat().st_size for file in files) > LIMIT:
            return
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=root))
        try:
            for file in files:
                shutil.copyfile(file, part / file.name)
            digests = {file.name: file_digest(part / file.name) for file in files}
            about = {"files": digests, "error": error, "first": first}
            (part / "entry.json").write_text(json.dumps(about), encoding="utf-8")
            with contextlib.suppress(OSError):  # somebody else was faster
                part.rename(root / key)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        _trim(root)


def _trim(root: Path) -> None:
    """Remove what was used least recently, until the rest is within the limit."""
    entries = []
    for folder in root.iterdir():
        with contextlib.suppress(OSError):
            size = sum(file.stat().st_size for file in folder.iterdir())
            entry = folder / "entry.json"  # missing where a process was killed in `keep`
            used = (entry if entry.exists() else folder).stat().st_mtime
            entries.append((used, size, folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total <= LIMIT:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= size


def _root() -> Path:
    return Path(cache_folder()) / "artifacts"


def _source_digest() -> str:
    """Of the source that artifacts are made by: another compiler makes other artifacts."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    parts = (package / name for name in ("export", "engines", "modules", "plan", "weights"))
    language = Path(anetdsl.__file__).parent
    files = [*package.glob("*.py"), *(f for part in (*parts, language) for f in part.rglob("*.py"))]
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _machine() -> str:
    """The processor that code is made for: its instructions."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
