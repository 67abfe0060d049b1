"""The cache of artifacts: keys, damaged entries, and the limit of its size."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from pathlib import Path

import attrs
import pytest

from anetc.export import cache
from anetc.export.about import About
from anetdsl.locks import locked
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


def test_what_a_killed_process_has_left_is_deleted(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / ".part-0").mkdir()
    fill("k", folder)
    assert [path.name for path in folder.iterdir()] == ["k"]


def test_one_process_at_a_time_stores(folder: Path) -> None:
    """Unfinished files of the other process stay."""
    folder.mkdir(parents=True)
    with locked(folder / ".lock"):
        (folder / ".part-0").mkdir()
        second = threading.Thread(target=fill, args=("k", folder))
        second.start()
        second.join(0.2)
        assert sorted(path.name for path in folder.iterdir()) == [".lock", ".part-0"]
        (folder / ".part-0").rename(folder / "other")
    second.join()
    assert sorted(path.name for path in folder.iterdir()) == ["k", "other"]


def test_several_users_can_share_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of one's own is private; folders in one that was made for all are not."""
    mask = os.umask(0o002)
    try:
        for name, private in (("own", True), ("shared", False)):
            place = tmp_path / name
            monkeypatch.setenv("ANETDSL_CACHE", str(place))
            if not private:
                place.mkdir()
                place.chmod(0o775)
            fill("k", place)
            assert stat.S_IMODE(place.stat().st_mode) == (0o700 if private else 0o775)
            for path in (place / "artifacts", place / "artifacts" / "k"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o775
    finally:
        os.umask(mask)


def test_a_full_disk_under_the_copy_keeps_the_entry(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("k", folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            cache.load("k", tmp_path)
    assert cache.load("k", tmp_path) is not None


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
