"""Finished searches as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.drive.search_progress import progress_of
from tests.evolve.driving import essence, searched
from tests.evolve.method import run_settings

Essence = list[tuple[object, ...]]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Essence:
    """Candidates of the default search, without interruption."""
    return essence(searched(tmp_path_factory.mktemp("reference") / "run", run_settings()))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished search."""
    return searched(tmp_path / "run", run_settings())


def stop_after(count: int) -> Callable[[Driver], None]:
    """Return a function that stops its driver once so many candidates are finished."""

    def watch(driver: Driver) -> None:
        if progress_of(driver.store, 1).finished >= count:
            driver.stopping.set()

    return watch
