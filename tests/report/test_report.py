"""Report pages: contents, safety against hostile texts, size."""

from __future__ import annotations

import base64
import functools
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.operations import Described
from anetdsl.evolve.propose.algorithms import population
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from anetdsl.report.facts import current_population, lineage, ranked, scored_candidates
from anetdsl.report.pages import curves, report
from tests.evolve import driving
from tests.evolve.method import RULES, run_settings
from tests.report.made_up import made_up_run
from tests.report.reading import Page, read

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;\x00\u202e</style>]]>"


@functools.cache
def example() -> Run:
    return made_up_run(candidates=40, population=8)


@functools.cache
def page_of_example() -> Page:
    return read(report([example()]))


def section_ids(page: Page) -> list[str]:
    return [value for tag, name, value in page.attributes if (tag, name) == ("section", "id")]


ALL_SECTIONS = [
    *("summary", "fitness", "networks", "lineage", "weights"),
    *("population", "cost", "failures", "candidates"),
]


# One run


def test_page_of_a_search() -> None:
    page = page_of_example()
    assert section_ids(page) == ALL_SECTIONS
    assert page.values("lang") == ["en"]
    assert "width=device-width" in "".join(page.values("content"))
    best = ranked(scored_candidates(example()))[0]
    for text in (
        "Search run",
        best.name,
        f"{best.fitness:.2f}",
        "Figure 2",
        "Figure 3",
        "Figure 4",
    ):
        assert text in page.text
    for setting, value in (
        ("space.classes", "12"),
        ("data", "motion:level=2"),
        ("population", "8"),
    ):
        assert f"{setting}{value}" in page.text.replace("\n", "")


def test_all_settings_are_listed() -> None:
    """The settings of the search, of the training and of the execution."""
    running = Running("threads:3", timeout=90.0, retries=7, inherit=True, halving=4)
    text = read(report([attrs.evolve(example(), running=running)])).text.replace("\n", "")
    for setting in ("executorthreads:3", "timeout90.0", "retries7", "inherittrue", "halving4"):
        assert setting in text
    assert "keep_all_weightsfalse" in text


def test_population_is_that_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `order = "arrival"` and aging, the oldest member is the one that finished first."""
    monkeypatch.setattr(driving, "RULES", attrs.evolve(RULES, select=population))
    gate = threading.Event()

    def trial(job: TrialTask) -> Outcome:
        if job.name == "g0000":
            assert gate.wait(10)
        if job.name == "g0021":
            gate.set()
        return driving.at_once(job)

    def watch(driver: Driver) -> None:
        now[:] = sorted(member.name for member in driver.history.population.members)

    now: list[str] = []
    question = run_settings(order="arrival", method="aging", population=4)
    assert driving.drive(tmp_path / "run", question, trial, workers=2, watch=watch)
    assert "g0000" in now
    assert sorted(one.name for one in current_population(read_run(tmp_path / "run"))) == now


def test_figures_have_captions_and_descriptions() -> None:
    """Each figure has a caption; each picture has a title or an alternative text."""
    page = page_of_example()
    assert page.tags["figure"] == page.tags["figcaption"] >= 7
    assert page.tags["svg"] <= page.tags["title"]
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(pictures) == page.tags["img"] == 3
    assert all(
        re.fullmatch(r"network g\d+: \d+ nodes, \d+ edges between them", a) for a in pictures
    )


def test_family_tree_has_a_dot_for_every_candidate() -> None:
    """Also for candidates that left the population, which are dimmed."""
    run = made_up_run(candidates=60, population=6, method="aging")
    html = report([run])
    (chart,) = re.findall(r"<svg[^>]*><title>Family tree.*?</svg></div>", html)
    dots = re.findall(
        r'<path class="s-(\d)"[^>]*?stroke-width="([\d.]+)"[^>]*d="M[^"]*h0"><title>(g\d+):', chart
    )
    members = {one.name for one in current_population(run)}
    for color, width, name in dots:
        assert (color, width) == (("3", "9") if name in members else ("6", "5.5")), name
    assert sorted(name for *_, name in dots) == sorted(one.name for one in scored_candidates(run))
    assert 0 < len(members) < len(dots)
    assert "left the population" in chart


def test_each_ancestor_is_drawn_with_its_changes() -> None:
    page = page_of_example()
    chain = lineage(example(), ranked(scored_candidates(example()))[0].record)
    assert len(chain) > 2
    assert [v for v in page.values("class") if v == "chart sketch"] == ["chart sketch"] * len(chain)
    assert page.tags["ins"] > 0
    assert page.tags["del"] > 0


def test_training_steps_of_lineages_are_shown_if_weights_are_inherited() -> None:
    """The made-up candidates have 300 steps each."""
    run = example()
    best = ranked(scored_candidates(run))[0]
    steps = 300 * len(lineage(run, best.record))
    run = attrs.evolve(
        run,
        running=attrs.evolve(run.running, inherit=True),
        records=tuple(attrs.evolve(record, iterations=300) for record in run.records),
    )
    page = report([run])
    assert f"the weights of {best.name} were trained by {steps:,} steps in all" in page
    assert "were trained by" not in report([example()])


def test_pictures_are_well_formed_svg() -> None:
    page = page_of_example()
    for source in page.values("src"):
        drawn = base64.b64decode(source.partition(",")[2])
        assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    for chart in re.findall(r"<svg.*?</svg>(?=</div>)", report([example()])):
        ElementTree.fromstring(chart)


def test_all_candidates_are_in_the_table() -> None:
    page = page_of_example()
    at = page.text.index(f"{len(example().records)} candidates.")
    table = page.text[at:]
    assert all(f"{record.name}" in table for record in example().records)


def test_equal_runs_give_equal_pages() -> None:
    assert report([example()]) == report([attrs.evolve(example())])


def failed(record: Record) -> Record:
    return attrs.evolve(record, status="failed", fitness=None, failure="timeout", message="late")


def test_run_without_candidates() -> None:
    page = read(report([attrs.evolve(example(), records=(), started=None, finished=None)]))
    assert section_ids(page) == ["summary"]
    assert "no candidates yet" in page.text


def test_unfinished_run() -> None:
    page = read(report([made_up_run(candidates=40, finished=14, population=8)]))
    assert "not finished: 14 of 40 candidates are finished, 2 in training" in page.text
    assert set(ALL_SECTIONS) - {"lineage", "weights"} <= set(section_ids(page))


def test_run_in_which_all_candidates_failed() -> None:
    records = tuple(map(failed, example().records))
    page = read(report([attrs.evolve(example(), records=records)]))
    assert section_ids(page) == ["summary", "failures", "candidates"]
    assert "Every candidate of this search failed" in page.text
    assert "timeout40" in page.text.replace("\n", "")


def test_run_of_one_candidate() -> None:
    page = read(report([attrs.evolve(example(), records=example().records[:1])]))
    assert {"fitness", "networks", "population", "cost"} <= set(section_ids(page))
    assert "lineage" not in section_ids(page)


def test_random_search_has_no_ancestors() -> None:
    page = read(report([made_up_run(method="random", candidates=12)]))
    assert "lineage" not in section_ids(page)
    assert "without a parent" in page.text


def test_without_graphviz_the_page_has_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANETC_DOT", "no-such-program")
    page = read(report([example()]))
    assert page.tags["img"] == 0
    assert page.text.count("No picture: cannot draw: there is no program") == 3
    assert section_ids(page) == ALL_SECTIONS
    with pytest.raises(CannotRun, match="no-such-dot"):
        report([example()], dot="no-such-dot")


def test_network_text_with_errors() -> None:
    """A person may have edited a file of the run."""
    best = ranked(scored_candidates(example()))[0].record
    broken = attrs.evolve(best, text="anet 1\nnetwork <b>")
    records = tuple(broken if record is best else record for record in example().records)
    page = read(report([attrs.evolve(example(), records=records)]))
    assert "The text has errors; there is no picture." in page.text


def test_report_without_runs_is_refused() -> None:
    for function in (report, curves):
        with pytest.raises(ValueError, match="a report needs at least one run"):
            function([])


# Hostile runs


def with_texts(run: Run, text: str) -> Run:
    """Replace every text of a run that may come from elsewhere."""
    best = ranked(scored_candidates(run))[0].record
    records = []
    for record in run.records:
        changed = attrs.evolve(record, operations=(Described(text),), message=text)
        if record.status == "failed":
            changed = attrs.evolve(changed, failure=text, name=text, parent=text, source=text)
        if record.name == best.name:
            changed = attrs.evolve(changed, name=text, source=text)
        records.append(changed)
    trial = {text: text, "settings": {"data": text, "list": [text]}}
    running = Running(executor=text, gpus=(text,), halving=2)
    path = Path("x" + text[:50].replace("\0", ""))  # no path contains NUL
    return attrs.evolve(run, records=tuple(records), trial=trial, path=path, running=running)


def shape(page: Page) -> set[tuple[str, str]]:
    """Return the elements and attributes of a page."""
    return {(tag, name) for tag, name, _ in page.attributes} | {(tag, "") for tag in page.tags}


@settings(max_examples=10)
@given(st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=20)))
def test_hostile_texts_are_escaped(text: str) -> None:
    """They add no element and no attribute to the page of a run or to a comparison."""
    run = with_texts(example(), text)
    monkey = pytest.MonkeyPatch()
    monkey.setenv("ANETC_DOT", "no-such-program")  # drawing takes long and has its own tests
    try:
        page = read(report([run]))
        read(report([run, example()]))
    finally:
        monkey.undo()
    # The renamed candidate has no ancestors, so a curve about them has a single point, a circle.
    point = {("circle", name) for name in ("", "class", "fill", "cx", "cy", "r")}
    allowed = shape(page_of_example()) | {("p", "class"), ("span", "class")} | point
    assert shape(page) <= allowed


def test_hostile_comment_in_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in a valid text are letters, but a comment may contain anything."""
    best = ranked(scored_candidates(example()))[0].record
    text = best.text + f"\n# {HOSTILE.replace(chr(0), '')}\n"
    records = tuple(
        attrs.evolve(record, text=text) if record is best else record
        for record in example().records
    )
    page = read(report([attrs.evolve(example(), records=records)]))
    assert page.tags["img"] == 3
    assert "# \"'><script>alert(1)</script>" in page.text


# Size


def many_records(count: int) -> Iterator[Record]:
    for index in range(count):
        base = example().records[index % len(example().records)]
        fitness = None if base.fitness is None else base.fitness + (index * 37 % 1000) / 100
        parent = f"g{index // 2:05d}" if index > 20 else None
        yield attrs.evolve(base, index=index, name=f"g{index:05d}", fitness=fitness, parent=parent)


@pytest.mark.parametrize("number", [5_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_page_of_many_candidates(number: int) -> None:
    """It takes seconds to build and is small enough for a browser."""
    run = attrs.evolve(
        example(),
        records=tuple(many_records(number)),
        settings=attrs.evolve(example().settings, candidates=number),
    )
    start = time.process_time()
    html = report([run])
    assert time.process_time() - start < 20
    assert len(html) < 6_000_000
    page = read(html)
    assert f"{number:,} candidates." in page.text
    assert page.tags["img"] == 3
    comparison = report([run, attrs.evolve(run, settings=attrs.evolve(run.settings, seed=1))])
    assert len(comparison) < 1_500_000


# Several runs


@functools.cache
def compared() -> tuple[Run, ...]:
    return tuple(
        made_up_run(method=method, seed=seed, candidates=24, population=6, name=f"{method}-{seed}")
        for method in ("guided", "random")
        for seed in range(2)
    )


def test_methods_are_compared() -> None:
    page = read(report(compared()))
    assert section_ids(page) == ["fitness", "finals", "cost", "networks"]
    assert "guided (2 runs), random (2 runs)" in page.text
    assert all(run.name in page.text for run in compared())
    assert page.tags["img"] == 2
    assert "Figure 4" in page.text


def test_comparison_with_a_run_without_results() -> None:
    empty = attrs.evolve(compared()[0], records=())
    page = read(report([empty, compared()[2]]))
    assert "guided (1 run), random (1 run)" in page.text
    assert section_ids(read(report([empty, empty]))) == ["fitness", "finals"]


def test_comparison_leaves_out_a_run_that_has_just_begun() -> None:
    short = attrs.evolve(compared()[3], records=compared()[3].records[:2])
    page = read(report([*compared()[:3], short]))
    last = max(record.index + 1 for record in compared()[0].records)
    assert f"After {last} candidates, which all runs have except random-1." in page.text
    assert "guided (2 runs)" in curves([*compared()[:3], short])
    assert "random (1 run)" in curves([*compared()[:3], short])
