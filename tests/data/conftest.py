"""Fixtures that generate data sets of small films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.video.conftest import film as film
from tests.video.conftest import numbers as numbers

SMALL = {"size": (32, 24), "options": {"preset": "ultrafast"}}
"""Encoding options of the films."""


@pytest.fixture
def add(film: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A function: `add("data/train/a/1.mp4", frames)` writes a film below the test's folder."""

    def make(name: str, frames: object = 25, **how: object) -> Path:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        return film(name, frames, **{**SMALL, **how})

    return make


@pytest.fixture
def folder(add: Callable[..., Path], tmp_path: Path) -> Path:
    """Two classes with two training videos each, and one test video, of 13 grid frames each."""
    for place, name in enumerate(
        (
            "train/jump/1.mp4",
            "train/jump/2.mp4",
            "train/run/1.mp4",
            "train/run/2.mp4",
            "test/run/3.mp4",
        )
    ):
        add(f"data/{name}", 26 + 2 * place, noisy=True)
    return tmp_path / "data"
