"""The networks that take part in finals, and the settings of finals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

import anetdsl
from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals.contestants import choose_contestants
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from tests.evolve.finals.test_finals import BESIDE, SETTINGS

# The networks


def test_the_best_networks_take_part(run: Run) -> None:
    contestants, _ = choose_contestants(run.members, run.settings, SETTINGS)
    best = sorted(run.members, key=lambda one: -one.fitness)[:2]
    found = [one for one in contestants if one.origin == "search"]
    assert [(one.name, one.fitness) for one in found] == [(m.name, m.fitness) for m in best]
    for one, member in zip(found, best):
        assert "@" not in one.text
        assert canonical_form(anetdsl.parse(one.text)) == canonical_form(anetdsl.parse(member.text))
        limits = run.settings.limits
        counted = anetdsl.cost(anetdsl.parse(one.text), frames=limits.frames, size=limits.size)
        assert (one.parameters, one.multiply_adds) == (counted.parameters, counted.multiply_adds)


def test_pruned_networks_take_part(run: Run) -> None:
    contestants, notes = choose_contestants(run.members, run.settings, SETTINGS)
    pruned = [one for one in contestants if one.origin == "pruned"]
    assert pruned
    for one in pruned:
        assert one.name == f"{one.source}_pruned"
        (whole,) = (other for other in contestants if other.name == one.source)
        assert one.multiply_adds < whole.multiply_adds or one.dropped
        assert anetdsl.parse(one.text).name == one.name
    without = attrs.evolve(SETTINGS, prune_below=0.0)
    found, _ = choose_contestants(run.members, run.settings, without)
    assert not [one for one in found if one.origin == "pruned"]
    low = attrs.evolve(SETTINGS, prune_below=0.001)
    _, notes = choose_contestants(run.members, run.settings, low)
    assert "no edge below 0.001" in notes[0]


def test_networks_beside_get_the_classes_of_the_data(run: Run) -> None:
    contestants, _ = choose_contestants(run.members, run.settings, SETTINGS)
    beside = [one for one in contestants if one.origin == "beside"]
    assert [one.name for one in beside] == ["small_flow_to_rgb", "small_two_stream_late"]
    for one in beside:
        network = anetdsl.parse(one.text)
        assert network.sink.classes == run.settings.space.classes
        assert not one.can_win
    as_search = attrs.evolve(SETTINGS, beside_modules="search")
    changed, _ = choose_contestants(run.members, run.settings, as_search)
    assert anetdsl.parse(changed[-1].text).modules == run.settings.space.modules


def test_equal_networks_take_part_once(run: Run, tmp_path: Path) -> None:
    best = max(run.members, key=lambda one: one.fitness)
    copy = tmp_path / f"{best.name}.anet"
    copy.write_text(best.text)
    settings = FinalsSettings(networks=50, beside=(str(copy),), prune_below=0)
    contestants, notes = choose_contestants(run.members, run.settings, settings)
    forms = [canonical_form(anetdsl.parse(one.text)) for one in contestants]
    assert len(forms) == len(set(forms)) == len(run.members)
    assert notes == (f"{best.name} is the same network as {best.name}, and takes part once",)


def test_files_with_one_name(run: Run, tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "net.anet", tmp_path / "b" / "net.anet"]
    for path, source in zip(paths, BESIDE):
        path.parent.mkdir()
        path.write_text(Path(source).read_text())
    settings = FinalsSettings(networks=1, beside=tuple(map(str, paths)), prune_below=0)
    contestants, _ = choose_contestants(run.members, run.settings, settings)
    assert [one.name for one in contestants[1:]] == ["net", "net_2"]


def test_what_cannot_take_part(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.anet"
    wrong.write_text("anet 1\nnetwork wrong\nnode n level=1\n")
    for path, message in ((wrong, "wrong.anet: the network has errors"), (tmp_path / "no", "no")):
        settings = FinalsSettings(beside=(str(path),))
        with pytest.raises(CannotRun, match=message):
            choose_contestants(run.members, run.settings, settings)
    with pytest.raises(CannotRun, match="no candidate of the search has a result"):
        choose_contestants([], run.settings, FinalsSettings())


# Settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"networks": 0}, "`networks` must be at least 1"),
        ({"learning_rates": (0.1, 0.1)}, "a rate twice"),
        ({"learning_rates": (0.0,)}, "above 0"),
        ({"prune_below": 1.5}, "from 0 to 1"),
        ({"full_beside": True}, "no effect without networks"),
    ],
)
def test_wrong_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        FinalsSettings(**values)
