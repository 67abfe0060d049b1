"""Artifacts are kept by content, found again, and thrown away when there are too many."""

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
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANETDSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "artifacts"


def fill(key: str, folder: Path, size: int = 100) -> None:
    source = folder.parent / "artifact"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(bytes(size))
    cache.keep(key, (source,), 1e-7, 0.5)


def test_what_is_kept_is_found(folder: Path, tmp_path: Path) -> None:
    fill("k", folder)
    entry = cache.take("k", tmp_path)
    assert entry is not None
    assert (entry.error, entry.first, entry.files[0].read_bytes()) == (1e-7, 0.5, bytes(100))
    assert cache.take("other", tmp_path) is None


def test_what_is_taken_stays_when_the_cache_is_emptied(folder: Path, tmp_path: Path) -> None:
    """Another process may trim it at any moment."""
    fill("k", folder)
    entry = cache.take("k", tmp_path)
    shutil.rmtree(folder)
    assert entry is not None
    assert entry.files[0].read_bytes() == bytes(100)


@pytest.mark.parametrize("file", ["artifact", "entry.json"])
def test_a_damaged_entry_is_dropped(file: str, folder: Path, tmp_path: Path) -> None:
    fill("k", folder)
    (folder / "k" / file).write_bytes(b"{}")
    assert cache.take("k", tmp_path) is None
    assert not (folder / "k").exists()


def test_what_was_used_least_recently_goes_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("old", folder)
    fill("used", folder)
    for number, key in enumerate(("old", "used")):
        os.utime(folder / key / "entry.json", (number, number))
    cache.take("old", tmp_path)
    monkeypatch.setattr(cache, "LIMIT", 500)
    fill("new", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["new", "old"]
    fill("huge", folder, size=1000)
    assert cache.take("huge", tmp_path) is None


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
def test_whatever_an_artifact_depends_on_is_in_its_key(other: tuple[About, str, int]) -> None:
    assert cache.key_of(*other) != cache.key_of(ABOUT, "w", 0)
    assert cache.key_of(ABOUT, "w", 1) == cache.key_of(ABOUT, "w", 0)


def test_versions_and_the_compiler_itself_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cache.key_of(ABOUT, None, 0)}
    for name in ("_version", "_source_digest"):
        with monkeypatch.context() as patch:
            patch.setattr(cache, name, lambda *_: "another")
            keys.add(cache.key_of(ABOUT, None, 0))
    assert len(keys) == 3


def test_a_compiled_artifact_is_taken_from_the_cache(compiled: Compile, folder: Path) -> None:
    first = compiled("python", use_cache=True)
    files = [path.read_bytes() for path in first.files]
    again = compiled("python", use_cache=True)
    assert (first.cached, again.cached) == (False, True)
    assert [path.read_bytes() for path in again.files] == files
    assert again.error == first.error
    assert not compiled("python", use_cache=False).cached


def test_a_cache_that_cannot_be_written_is_no_error(compiled: Compile, folder: Path) -> None:
    folder.parent.write_text("no folder")
    assert not compiled("module", use_cache=True).cached
