"""The dashboard of searches: what it shows while they run, and afterwards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from anetdsl.api import parse
from anetdsl.drawing.engine import Engine
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.locks import locked
from anetdsl.report import pictures
from anetdsl.report.pictures import Renderer, network_picture
from anetdsl.report.training_log import TrainingLog, read_log, thinned
from anetdsl.web import run_sources
from anetdsl.web.dashboard import OverviewSource, dashboard_pages
from anetdsl.web.live_source import LatestContent
from anetdsl.web.run_sources import SearchSource, TrainingSource, source_of
from anetdsl.web.running_trials import running_section, running_trials
from tests.command_line import anetc
from tests.evolve.method import COMMAND, RULES, run_settings
from tests.mistakes import GOOD
from tests.report.made_up import made_up_run

NO_PICTURES = Renderer(None, "not in this test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a search without training."""
    path = tmp_path_factory.mktemp("dashboard") / "run"
    directory = RunDir(path)
    make_run(directory, run_settings(candidates=8, population=3))
    assert drive_run(directory, RULES, command=COMMAND)
    return path


def write_log(run: Run, record: Record, lines: str, iterations: int = 40) -> Path:
    folder = RunDir(run.path).trial_folder(record.name, record.attempts)
    folder.path.mkdir(parents=True)
    folder.job.write_text(json.dumps({"settings": {"iterations": iterations}}))
    folder.log.write_text(lines)
    return folder.log


LOG = (
    '{"iteration": 0, "loss": 2.5, "learning_rate": 0.1}\n'
    '{"iteration": 1, "loss": 2.25, "learning_rate": 0.1}\n'
    '{"iteration": 2, "validation": {"top1": 50.0}}\n'
    '{"iteration": 2, "loss": NaN}\n'
    '{"iteration": 5, "loss": 1e309}\n'
    '{"iteration": true, "loss": 1}\n{"iteration": -1, "loss": 1}\n'
    f'{{"iteration": 6, "loss": 1{"0" * 400}}}\n{"[" * 99_999}\n'
    '{"iteration": 3, "lo'
)


def test_running_trials_have_their_steps_and_losses(tmp_path: Path) -> None:
    run = attrs.evolve(made_up_run(candidates=12, finished=6), path=tmp_path)
    first, second = (record for record in run.records if record.status == "running")
    write_log(run, first, LOG)
    trials = running_trials(run)
    assert [trial.record.name for trial in trials] == [first.name, second.name]
    assert trials[0].log.losses == ((0, 2.5), (1, 2.25))
    assert (trials[0].log.steps, trials[0].iterations) == (2, 40)
    assert (trials[1].log.steps, trials[1].iterations) == (None, None)
    section = running_section(trials)
    assert "2 trials in training now." in section
    assert "<td>2<td>40<td>2.250" in section
    assert f"{first.name}: from 2.500 to 2.250 in 2 steps" in section
    ended = running_section(trials, driven=False)
    assert "No trial runs now. The driver ended during 2 trials" in ended


def test_without_running_trials_the_section_says_so() -> None:
    assert running_section(()) == "<p>No trial runs now.</p>"


def test_a_missing_log_has_no_losses(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl", tmp_path) == TrainingLog()


def test_a_log_that_is_no_file_of_the_run_has_no_losses(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    os.mkfifo(run / "fifo")
    (tmp_path / "other.jsonl").write_text(LOG)
    (run / "link").symlink_to(tmp_path / "other.jsonl")
    (run / "log.jsonl").write_text(LOG)
    (run / "own").symlink_to(run / "log.jsonl")
    found = {name: read_log(run / name, run) for name in ("fifo", "link", "own")}
    assert found["fifo"] == found["link"] == TrainingLog()
    assert found["own"].steps == 2


def test_a_picture_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live page makes its sections again after each step of a trial."""
    drawn = []

    def run(engine: Engine, source: str, *_: object, **__: object) -> bytes:
        drawn.append(source)
        return b"<svg/>"

    monkeypatch.setattr(pictures, "run", run)
    network, renderer = parse(GOOD), Renderer(Engine(Path("dot of this test")))
    first = network_picture(network, renderer)
    assert network_picture(network, renderer) == first
    assert len(drawn) == 1


def test_a_long_curve_is_thinned_to_means() -> None:
    points = tuple((step, float(step % 2)) for step in range(1000))
    short = thinned(points)
    assert len(short) == 334
    assert short[0] == (1.0, pytest.approx(1 / 3))
    assert thinned(points[:10]) == points[:10]


def test_the_page_of_a_complete_run(finished: Path) -> None:
    content = SearchSource(finished, NO_PICTURES).content()
    assert content.title == "Search run"
    assert "This search is complete." in content.lead
    anchors = [section.anchor for section in content.sections]
    assert anchors[:2] == ["summary", "running"]
    assert {"fitness", "networks", "lineage", "population", "candidates"} <= set(anchors)


def test_a_run_without_driver_names_the_command_to_continue(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(finished)
    unfinished = attrs.evolve(run, records=run.records[:5])
    monkeypatch.setattr(run_sources, "read_run", lambda _: unfinished)
    lead = SearchSource(finished, NO_PICTURES).content().lead
    assert "5 of 8 candidates are finished, 0 interrupted." in lead
    assert f"<code>anetc evolve --resume {finished}</code>" in lead


def test_a_running_driver_is_reported(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_sources, "is_driven", lambda _: True)
    assert (
        "A driver works on this search now." in SearchSource(finished, NO_PICTURES).content().lead
    )


def test_the_content_follows_the_log_of_a_running_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = attrs.evolve(made_up_run(candidates=12, finished=6), path=tmp_path)
    running = next(record for record in run.records if record.status == "running")
    log = write_log(run, running, "")
    monkeypatch.setattr(run_sources, "read_run", lambda _: run)
    latest = LatestContent(SearchSource(tmp_path, NO_PICTURES))
    before = latest.get().digests
    log.write_text(LOG)
    after = latest.get().digests
    changed = {anchor for anchor in after if before[anchor] != after[anchor]}
    assert changed == {"running"}


def test_a_run_that_cannot_be_read_keeps_its_last_content(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    latest = LatestContent(SearchSource(path, NO_PICTURES))
    sections = latest.get().sections
    shutil.rmtree(path)
    content = latest.get()
    assert "The run cannot be read now: " in content.lead
    assert content.sections == sections


def test_several_runs_have_an_overview_and_a_page_each(finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    pages = dashboard_pages([finished, other], NO_PICTURES)
    assert list(pages) == ["", "run/1", "run/2"]
    overview = pages[""]
    assert isinstance(overview, OverviewSource)
    content = overview.content()
    runs = content.section("runs")
    assert runs is not None
    assert '<dt><a href="/run/1">run</a></dt><dd>guided, seed 3, 8 of 8 candidates' in runs.content
    assert '<a href="/run/2">other</a>' in runs.content
    assert content.section("fitness") is not None
    shutil.rmtree(other)
    content = overview.content()
    assert f"{other}: no such folder" in content.lead


def test_runs_of_one_name_are_listed_by_their_paths(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / finished.name)
    runs = dashboard_pages([finished, tmp_path / finished.name], NO_PICTURES)[""].content()
    section = runs.section("runs")
    assert section is not None
    assert f'<a href="/run/2">{tmp_path / finished.name}</a>' in section.content


def test_one_run_has_one_page(finished: Path) -> None:
    assert list(dashboard_pages([finished], NO_PICTURES)) == [""]


def test_a_run_given_twice_is_refused(finished: Path) -> None:
    with pytest.raises(CannotRun, match="this is the same run as"):
        dashboard_pages([finished, finished / "archs" / ".."], NO_PICTURES)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    result = anetc("dashboard", tmp_path)
    assert result.code == 2
    assert str(tmp_path) in result.err


TRAINING: Mapping[str, Any] = {
    "schema": "anetdsl-training-run",
    "schema_version": 1,
    "data": "motion",
    "settings": {"iterations": 40},
}


def write_training(path: Path, log: str, **changes: object) -> None:
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps({**TRAINING, **changes}))
    (path / "metrics.jsonl").write_text(log)


def test_a_training_run_has_a_page_that_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "training"
    write_training(path, LOG)
    source = source_of(path)
    assert isinstance(source, TrainingSource)
    latest = LatestContent(source)
    content = latest.get()
    assert content.title == "Training training"
    assert "Training: 2 of 40 steps are done." in content.lead
    assert [section.anchor for section in content.sections] == ["summary", "loss", "validation"]
    validation = content.section("validation")
    assert validation is not None
    assert "<td>2<td>50.00" in validation.content
    assert not content.complete
    assert "No process trains here now." in content.lead
    with locked(path / "lock"):
        assert "A process trains now." in latest.get().lead
    (path / "result.json").write_text("{}")
    assert "This training is complete after 2 steps." in latest.get().lead
    assert latest.get().complete


def test_searches_and_trainings_are_listed_together(finished: Path, tmp_path: Path) -> None:
    write_training(tmp_path / "training", LOG)
    pages = dashboard_pages([finished, tmp_path / "training"], NO_PICTURES)
    runs = pages[""].content().section("runs")
    assert runs is not None
    assert '<a href="/run/2">Training training</a>' in runs.content


def link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "list": (lambda path: path.write_text("[]"), "this is not the description of a training run"),
    "other": (lambda path: path.write_text('{"a": 1}'), "this is not the description"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:40]), "this is not JSON"),
    "nested": (lambda path: path.write_text("[" * 99_999), "this is not JSON"),
    "newer": (
        lambda path: path.write_text(path.read_text().replace('_version": 1', '_version": 9')),
        "has format version 9; this version of anetc reads 1",
    ),
    "missing": (Path.unlink, "no such file|neither a search"),
    "fifo": (fifo, "it is not a regular file"),
    "loop": (lambda path: link(path, path), "symbolic links"),
    "outside": (lambda path: link(path, path.parent.parent / "other"), "it is a link to a place"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_training_run_is_refused(kind: str, tmp_path: Path) -> None:
    """A page that shows the run keeps its sections, and names the problem."""
    (tmp_path / "other").write_text(json.dumps({**TRAINING, "secret": "of another run"}))
    path = tmp_path / "training"
    write_training(path, LOG)
    source = source_of(path)
    sections = source.content().sections
    damage, message = DAMAGE[kind]
    damage(path / "run.json")
    with pytest.raises(CannotRun, match=message):
        source_of(path)
    content = source.content()
    assert "The run cannot be read now: " in content.lead
    assert content.sections == sections


@pytest.mark.parametrize("settings", [[1], {"iterations": -4}, {"iterations": 10**400}, None])
def test_strange_settings_of_a_training_are_no_problem(settings: object, tmp_path: Path) -> None:
    write_training(tmp_path / "training", LOG, settings=settings)
    assert "Training: 2 steps are done." in source_of(tmp_path / "training").content().lead


def test_a_database_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "search.db")
    with pytest.raises(CannotRun, match=r"search\.db: is not a regular file"):
        source_of(tmp_path)


def test_finals_that_cannot_be_read_leave_the_rest_of_the_page(
    finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    (path / "finals").mkdir()
    (path / "finals" / "plan.json").write_text("{")
    content = SearchSource(path, NO_PICTURES).content()
    finals = content.section("finals")
    assert finals is not None
    assert "plan.json: cannot be used" in finals.content
    assert content.section("fitness") is not None


def test_reading_a_run_changes_nothing_in_it(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    before = {one: one.stat().st_mtime_ns for one in path.rglob("*")}
    assert SearchSource(path, NO_PICTURES).content().section("fitness") is not None
    assert {one: one.stat().st_mtime_ns for one in path.rglob("*")} == before
