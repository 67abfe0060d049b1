"""The cost of the paper's work, and the settings files of the study."""

from __future__ import annotations

from pathlib import Path

import anetdsl
from anetc.api.search_settings import preset
from anetc.study.costs import PHASES
from anetdsl.cost import cost
from anetdsl.evolve.settings.run_settings import settings_of
from anetdsl.settings_reader import read_toml
from tests.command_line import anetc

REPOSITORY = Path(__file__).parents[2]
ASSEMBLENET = REPOSITORY / "examples" / "assemblenet.anet"


def test_the_cost_is_that_of_the_counts() -> None:
    """A training step costs three forward passes, and a multiply-add two operations."""
    network = anetdsl.load(ASSEMBLENET)
    clip = cost(network, frames=32, size=(224, 224)).multiply_adds
    search, final, charades = (phase.operations(network) for phase in PHASES)
    assert final == 50_000 * 512 * clip * 6
    assert search == 40 * final
    long = cost(network, frames=128, size=(224, 224)).multiply_adds
    assert charades == 50_000 * 128 * long * 6


def test_the_command_prints_hours() -> None:
    done = anetc("study", "cost", ASSEMBLENET, "--tflops", 100)
    assert done.code == 0, done.err
    network = anetdsl.load(ASSEMBLENET)
    hours = PHASES[1].operations(network) / 1e14 / 3600
    assert done.out.splitlines()[3].split("|")[-2].strip() == f"{hours:,.0f}"
    assert anetc("study", "cost", ASSEMBLENET, "--tflops", "inf").code == 2


def test_the_settings_file_is_the_paper_preset() -> None:
    before = preset("paper")
    given = settings_of(read_toml(str(REPOSITORY / "benchmarks" / "search_moments.toml")), before)
    assert given.search.space == before.search.space
    names = ("method", "candidates", "population", "tournament", "most_operators", "threshold")
    for name in names:
        assert getattr(given.search, name) == getattr(before.search, name)
    own, default = given.trial["settings"], before.trial["settings"]
    assert {name: own[name] for name in default} == default
    assert own["learning_rate"] == 0.00625 * own["batch"]
