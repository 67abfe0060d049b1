"""Properties of files are kept until the files change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anetc.video import probe_cache
from anetc.video.probe import examine
from anetc.video.probe_cache import probe


@pytest.fixture
def examined(monkeypatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []

    def spy(path):
        names.append(Path(path).name)
        return examine(path)

    monkeypatch.setattr(probe_cache, "examine", spy)
    monkeypatch.setattr(probe_cache, "_kept", probe_cache._Kept())
    monkeypatch.setattr(probe_cache, "_SETTLED", -1.0)
    return names


def test_a_file_is_read_once(film, examined):
    """The second result is the first one, also by another name of the path."""
    path = film("film.mp4", 10)
    assert probe(path) is probe(path)
    again = probe(path.parent / "." / path.name)
    assert again == examine(path)
    assert len(examined) == 1


def test_a_file_that_has_changed_is_read_again(film, examined):
    """By its size, its times or its inode."""
    path = film("film.mp4", 10)
    assert len(probe(path).timeline.shown) == 10
    assert len(probe(film("film.mp4", 20)).timeline.shown) == 20
    os.utime(path, ns=(0, 0))
    probe(path)
    assert len(examined) == 3


def test_a_file_that_has_just_been_written_is_not_kept(film, examined, monkeypatch):
    """It may change again within the resolution of its time."""
    monkeypatch.setattr(probe_cache, "_SETTLED", 3600.0)
    path = film("film.mp4", 10)
    probe(path)
    probe(path)
    assert len(examined) == 2


def test_the_memory_is_limited(film, examined, monkeypatch):
    """The least recently used file goes first."""
    monkeypatch.setattr(probe_cache, "MOST_MEMORY", 5000)
    first, second, third = (film(f"{n}.mp4", 10) for n in range(3))
    for path in (first, second, first, third, first, second):
        probe(path)
    assert examined == ["0.mp4", "1.mp4", "2.mp4", "1.mp4"]
    assert probe_cache._kept.memory <= 5000
