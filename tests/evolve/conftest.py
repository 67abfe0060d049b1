"""Searches that other tests look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.drive.search_progress import progress_of
from tests.evolve.driving import essence, searched
from tests.evolve.method import asked

Essence = list[tuple[object, ...]]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Essence:
    """The candidates of the usual search, never interrupted."""
    return essence(searched(tmp_path_factory.mktemp("reference") / "run", asked()))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A search that is finished."""
    return searched(tmp_path / "run", asked())


def stop_after(count: int) -> Callable[[Driver], None]:
    """Have a driver stop once so many are finished."""

    def watch(driver: Driver) -> None:
        if progress_of(driver.store, 1).finished >= count:
            driver.stopping.set()

    return watch
