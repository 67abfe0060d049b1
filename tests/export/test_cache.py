"""The cache of artifacts: keys, damaged entries, and the limit of its size."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs
import pytest

from anetc.export import cache
from anetc.export.about import About
from tests.export.conftest import Compile

ABOUT = About("module", "anet 1\n")


@pytest.fixture(autouse=True)
def folder(empty_cache: Path) -> Path:
    """The folder of the entries."""
    return empty_cache


def fill(key: str, folder: Path, size: int = 100) -> None:
    source = folder.parent / "artifact"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(bytes(size))
    cache.store(key, (source,), 1e-7, 0.5)


def test_a_stored_entry_is_loaded(folder: Path, tmp_path: Path) -> None:
    fill("k", folder)
    entry = cache.load("k", tmp_path)
    assert entry is not None
    assert (entry.error, entry.first, entry.files[0].read_bytes()) == (1e-7, 0.5, bytes(100))
    assert cache.load("other", tmp_path) is None


def test_a_loaded_copy_survives_the_deletion_of_the_cache(folder: Path, tmp_path: Path) -> None:
    """Another process may delete entries at any moment."""
    fill("k", folder)
    entry = cache.load("k", tmp_path)
    shutil.rmtree(folder)
    assert entry is not None
    assert entry.files[0].read_bytes() == bytes(100)


@pytest.mark.parametrize("file", ["artifact", "entry.json"])
def test_a_damaged_entry_is_deleted(file: str, folder: Path, tmp_path: Path) -> None:
    fill("k", folder)
    (folder / "k" / file).write_bytes(b"{}")
    assert cache.load("k", tmp_path) is None
    assert not (folder / "k").exists()


def test_the_least_recently_used_entry_is_deleted_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("old", folder)
    fill("used", folder)
    for number, key in enumerate(("old", "used")):
        os.utime(folder / key / "entry.json", (number, number))
    cache.load("old", tmp_path)
    monkeypatch.setattr(cache, "LIMIT", 500)
    fill("new", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["new", "old"]
    fill("huge", folder, size=1000)
    assert cache.load("huge", tmp_path) is None


@pytest.mark.parametrize(
    "other",
    [
        (attrs.evolve(ABOUT, network="anet 1\n\n"), "w", 0),
        (attrs.evolve(ABOUT, frames=16), "w", 0),
        (attrs.evolve(ABOUT, dtype="bfloat16"), "w", 0),
        (attrs.evolve(ABOUT, kind="pt2"), "w", 0),
        (ABOUT, "v", 0),
        (ABOUT, None, 0),
    ],
)
def test_the_key_depends_on_everything_that_an_artifact_depends_on(
    other: tuple[About, str, int],
) -> None:
    assert cache.key_of(*other) != cache.key_of(ABOUT, "w", 0)
    assert cache.key_of(ABOUT, "w", 1) == cache.key_of(ABOUT, "w", 0)


def test_the_key_depends_on_versions_and_on_the_source_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {cache.key_of(ABOUT, None, 0)}
    for name in ("_version", "_source_digest"):
        with monkeypatch.context() as patch:
            patch.setattr(cache, name, lambda *_: "another")
            keys.add(cache.key_of(ABOUT, None, 0))
    assert len(keys) == 3


def test_a_second_compile_uses_the_cache(compiled: Compile, folder: Path) -> None:
    first = compiled("python", use_cache=True)
    files = [path.read_bytes() for path in first.files]
    again = compiled("python", use_cache=True)
    assert (first.cached, again.cached) == (False, True)
    assert [path.read_bytes() for path in again.files] == files
    assert again.error == first.error
    assert not compiled("python", use_cache=False).cached


def test_a_cache_that_cannot_be_written_is_not_an_error(compiled: Compile, folder: Path) -> None:
    folder.parent.write_text("no folder")
    assert not compiled("module", use_cache=True).cached
