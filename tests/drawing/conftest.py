"""Run these tests without the engine that the developer may have set by ANETC_DOT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anetdsl.drawing.engine import ENGINE_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def _no_engine_named() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.delenv(ENGINE_VARIABLE, raising=False)
    yield
    patch.undo()
