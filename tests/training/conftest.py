"""Fixtures for the tests of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from anetc.data.values import DataSpec
from tests.training.running import run


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    """Clips of three classes, 4 frames of 16 x 16 with flow: brighter ones, and moving ones."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    x = rng.integers(0, 128, (30, 4, 16, 16, 3))
    x[y == 1] += 100
    flow8 = rng.integers(-8, 9, (30, 4, 2, 16, 16))
    flow8[y == 2] += 60
    path = tmp_path_factory.mktemp("clips") / "clips.npz"
    np.savez(
        path,
        x=x.astype(np.uint8),
        flow8=flow8.astype(np.int8),
        y=y,
        split=np.where(np.arange(30) < 21, "train", "validation"),
    )
    return DataSpec("arrays", str(path))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, clips: DataSpec) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("run") / "whole"
    run(out, clips)
    return out
