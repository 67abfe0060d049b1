"""The section of the report about finals."""

from __future__ import annotations

import attrs
import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.finals.plan import Plan, write_plan
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.report.pages import report
from anetdsl.report.sections.finals_results import finals_results
from tests.evolve.driving import searched
from tests.evolve.finals.made_finals import plan_of, run_finals
from tests.evolve.method import run_settings


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Plan]:
    """A search with finished finals."""
    run = searched(tmp_path_factory.mktemp("report") / "run", run_settings())
    plan = plan_of(run, FinalsSettings(networks=2, seeds=2, prune_below=0.5))
    run_finals(run, plan)
    return run, plan


def test_section_displays_networks_and_results(finished: tuple[Run, Plan]) -> None:
    run, plan = finished
    section = finals_results(run)
    assert section is not None
    for contestant in plan.contestants:
        assert section.count(contestant.name) >= 2, "in the chart and in the table"
    assert "The winner is" in section
    assert section.count("(winner)") == 3
    assert "The test split, evaluated once, at the end." in section
    assert "**" not in section
    page = report([run])
    assert page.index('id="summary"') < page.index('id="finals"') < page.index('id="fitness"')


def test_validation_as_the_last_split_is_pointed_out(finished: tuple[Run, Plan]) -> None:
    run, plan = finished
    changed = attrs.evolve(run, path=run.path / "changed")
    settings = attrs.evolve(plan.settings, test_split="validation", networks=1)
    run_finals(changed, plan_of(run, settings))
    section = finals_results(changed)
    assert section is not None
    assert "no videos were held out" in section


def test_finals_that_have_just_begun(finished: tuple[Run, Plan]) -> None:
    run, plan = finished
    begun = attrs.evolve(run, path=run.path / "begun")
    assert finals_results(begun) is None
    directory = FinalsDir.of(begun.path)
    write_plan(directory, plan)
    section = finals_results(begun)
    assert section is not None
    assert "there is no winner yet" in section
    assert "<svg" not in section
    directory.plan.write_text("{")
    with pytest.raises(CannotRun, match=r"plan\.json"):
        finals_results(begun)
