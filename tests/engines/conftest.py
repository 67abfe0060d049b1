"""Fixtures for the tests of the engines."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from anetc.native.library import SWITCH


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: for networks this small, a second thread takes more time than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", autouse=True)
def _native_kernels() -> Iterator[None]:
    """Let TrainingModule use the native kernels where they can be compiled."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1"
    yield
    if before is None:
        del os.environ[SWITCH]
    else:
        os.environ[SWITCH] = before
