"""A run of the method `oneshot`: the steps of its trials, and what they wait for."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from anetdsl.evolve.drive.driver import Rules
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.propose.algorithms import population, propose
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.settings.search_settings import SearchSettings
from tests.evolve import driving
from tests.evolve.driving import after_a_while, essence, searched

SETTINGS = RunSettings(
    SearchSettings(space("small", 12), method="oneshot", candidates=4, population=2, seed=1),
    {"data": "motion", "split": "validation", "settings": {"iterations": 30}},
)


@pytest.fixture(autouse=True)
def _rules_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "RULES", Rules(propose, population))


def test_a_run_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    runs = [
        searched(tmp_path / str(workers), SETTINGS, after_a_while(0.02), workers=workers)
        for workers in (1, 4)
    ]
    assert essence(runs[0]) == essence(runs[1])
    first, *others = runs[0].records
    assert first.parent is None
    assert [record.parent for record in others] == ["g0000"] * 3


def test_the_connected_network_is_trained_for_longer(tmp_path: Path) -> None:
    """Ten times as long by default; its weights stay, as the other candidates may start there."""
    running = attrs.evolve(SETTINGS.running, inherit=True)
    search = attrs.evolve(SETTINGS.search, keep_weights=True)
    searched(tmp_path, attrs.evolve(SETTINGS, running=running, search=search))
    jobs = [
        json.loads((tmp_path / "trials" / f"g000{index}" / "1" / "job.json").read_text())
        for index in range(4)
    ]
    assert [job["settings"]["iterations"] for job in jobs] == [300, 30, 30, 30]
    assert read_run(tmp_path).records[0].iterations == 300
