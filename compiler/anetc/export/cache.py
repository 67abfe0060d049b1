"""Cache of artifacts, by everything that an artifact depends on. This module does not need torch.

An entry is a folder named by its key. It holds the artifact's files, and `entry.json` with their
SHA-256: an entry that does not match is deleted. When all entries together exceed `LIMIT`, the
least recently used ones are deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

import anetdsl
from anetc.export.about import About
from anetdsl.cache import cache_folder, make_cache_folder
from anetdsl.files import DISK_FULL
from anetdsl.locks import locked_if_possible

LIMIT = 4 * 2**30
"""Maximum size of the cache in bytes."""
_FOLDER = "artifacts"
_VERSIONS = ("torch", "safetensors", "onnx", "onnxscript")


@attrs.frozen
class CacheEntry:
    """A copy of an artifact in the cache, with the results of its verification."""

    files: tuple[Path, ...]
    """Files of the artifact; the first one is loaded."""
    error: float
    """Largest relative error of the logits."""
    first: float
    """Seconds from opening the file to the first result."""


def key_of(about: About, weights: str | None, seed: int) -> str:
    """Return the key of an artifact. `weights` is the SHA-256 of the weights file, if any."""
    what = {
        "about": about.to_json(),
        "weights": weights,
        "seed": None if weights else seed,
        "source": _source_digest(),
        "python": sys.version_info[:2] if about.kind == "aoti" else None,
        "machine": _machine() if about.kind == "aoti" else platform.machine(),
        "packages": {name: _version(name) for name in _VERSIONS},
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(key: str, into: Path) -> CacheEntry | None:
    """Copy the entry of a key into a folder, and mark it as used. Return None if there is none.

    The copy is checked, not the entry: other processes may delete entries meanwhile. A damaged
    entry is deleted. Raises OSError where the disk of the copy is full.
    """
    folder = _root() / key
    try:
        about: Any = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        files = tuple(into / Path(name).name for name in about["files"])
        for file in files:
            shutil.copyfile(folder / file.name, file)
        whole = all(file_digest(file) == about["files"][file.name] for file in files)
        if whole and files:
            with contextlib.suppress(OSError):  # the cache may be read-only
                os.utime(folder / "entry.json")
            return CacheEntry(files, float(about["error"]), float(about["first"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in DISK_FULL:  # the disk of the copy, so the entry may be good
            raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def store(key: str, files: tuple[Path, ...], error: float, first: float) -> None:
    """Copy an artifact's files into the cache. Do nothing if the cache cannot be written."""
    with contextlib.suppress(OSError):
        root = Path(make_cache_folder(_FOLDER))
        if sum(file.stat().st_size for file in files) > LIMIT:
            return
        with locked_if_possible(root / ".lock") as held:
            if held:  # so nobody else is storing
                for unfinished in root.glob(".part-*"):
                    shutil.rmtree(unfinished, ignore_errors=True)
            _store(root, key, files, error, first)
            _trim(root)


def _store(root: Path, key: str, files: tuple[Path, ...], error: float, first: float) -> None:
    part = root / f".part-{secrets.token_hex(8)}"
    part.mkdir()
    try:
        for file in files:
            shutil.copyfile(file, part / file.name)
        digests = {file.name: file_digest(part / file.name) for file in files}
        about = {"files": digests, "error": error, "first": first}
        (part / "entry.json").write_text(json.dumps(about), encoding="utf-8")
        with contextlib.suppress(OSError):  # another process has stored it
            part.rename(root / key)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _trim(root: Path) -> None:
    """Delete the least recently used entries until the others fit into the limit."""
    entries = []
    for folder in root.iterdir():
        with contextlib.suppress(OSError):
            size = sum(file.stat().st_size for file in folder.iterdir())
            entry = folder / "entry.json"  # missing if a process was killed in `store`
            used = (entry if entry.exists() else folder).stat().st_mtime
            entries.append((used, size, folder))
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total <= LIMIT:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= size


def _root() -> Path:
    return Path(cache_folder()) / _FOLDER


def _source_digest() -> str:
    """Return a digest of the source code that artifacts depend on."""
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
    """Return the instruction set of the processor, as text."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
