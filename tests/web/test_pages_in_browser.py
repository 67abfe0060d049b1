"""Pages in headless Chromium: they follow a file and a running search, by keyboard too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.search import make_run
from anetdsl.evolve.settings.run_settings import Running
from tests.browser import SCHEMES, Browser, read_png
from tests.documents import REPOSITORY
from tests.evolve.drive.test_killed import driving
from tests.evolve.method import run_settings
from tests.web.serving import Served, served

NETWORK = REPOSITORY / "examples" / "small_two_stream_fully.anet"
TEXT = NETWORK.read_text(encoding="utf-8")
MISTAKEN = TEXT.replace("classes=", "clases=", 1)
RENAMED = TEXT.replace("network ", "network renamed_", 1)
LIVE = "document.getElementById('state').textContent.startsWith('live')"
LEAD = "document.getElementById('lead').textContent"
FINDINGS = "document.getElementById('findings') !== null"
NO_FINDINGS = "document.getElementById('findings') === null"


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    yield browser
    assert browser.console == []


@attrs.frozen
class Preview:
    """A file, and the server of its preview."""

    server: Served
    model: Path


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    """Start one server for the tests that need no server of their own."""
    model = tmp_path_factory.mktemp("preview") / "model.anet"
    model.write_text(TEXT)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        yield Preview(server, model)


@pytest.fixture
def model(page: Browser, previewed: Preview) -> Path:
    """Return the path of a text without findings, whose preview the page shows."""
    return show(page, previewed, TEXT)


def show(page: Browser, previewed: Preview, text: str) -> Path:
    previewed.model.write_text(text)
    page.visit(f"{previewed.server.url}/")
    page.wait_for(LIVE)
    page.wait_for(NO_FINDINGS if text == TEXT else FINDINGS)
    page.wait_for(f"!{LEAD}.includes('renamed_')")
    return previewed.model


def test_the_preview_follows_an_edit_a_mistake_and_its_correction(
    page: Browser, model: Path
) -> None:
    assert page.evaluate("document.images[0].complete && document.images[0].naturalWidth > 99")
    page.evaluate("document.querySelector('#cost th button').click()")
    model.write_text(MISTAKEN)
    page.wait_for(FINDINGS)
    assert "The text has" in page.evaluate(LEAD)
    assert "clases" in page.evaluate("document.querySelector('pre.findings').textContent")
    assert page.evaluate("document.querySelector('#contents a').textContent") == "Findings"
    assert page.evaluate("document.querySelector('#picture .note') !== null")
    page.evaluate("document.querySelector('#findings details').open = true")
    model.write_text(RENAMED)
    page.wait_for(NO_FINDINGS)
    assert "Network renamed_" in page.evaluate(LEAD)
    sections = "[...document.getElementById('content').children].map((one) => one.id).join()"
    assert page.evaluate(sections) == "picture,cost"


def test_a_changed_section_keeps_its_order_and_its_open_parts(page: Browser, model: Path) -> None:
    sort = "document.querySelectorAll('#cost th')[2].querySelector('button')"
    page.evaluate(f"{sort}.focus()")
    page.press("Enter")
    order = "document.querySelectorAll('#cost th')[2].getAttribute('aria-sort')"
    assert page.evaluate(order) == "descending"
    before = page.evaluate("document.querySelector('#cost').textContent")
    model.write_text(TEXT.replace("classes=", "classes=1", 1))
    page.wait_for(f"document.querySelector('#cost').textContent !== {before!r}")
    assert page.evaluate(order) == "descending"
    assert page.evaluate(f"document.activeElement === {sort}")


def test_the_focus_of_a_vanished_section_goes_to_the_content(
    page: Browser, previewed: Preview
) -> None:
    model = show(page, previewed, MISTAKEN)
    page.evaluate("document.querySelector('#contents a').focus()")
    assert page.evaluate("document.activeElement.hash") == "#findings"
    page.evaluate("document.querySelector('pre.findings').focus()")
    model.write_text(TEXT)
    page.wait_for(NO_FINDINGS)
    assert page.evaluate("document.activeElement.id") == "content"
    # A link keeps the focus, although the list of the contents is new.
    page.evaluate("document.querySelector('#contents a[href=\"#cost\"]').focus()")
    model.write_text(MISTAKEN)
    page.wait_for(FINDINGS)
    model.write_text(TEXT)
    page.wait_for(NO_FINDINGS)
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_hidden_page_has_no_stream_and_catches_up(page: Browser, model: Path) -> None:
    """A browser opens six connections to a server at most: the seventh tab would not load."""
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    assert page.evaluate("events.readyState === EventSource.CLOSED")
    model.write_text(RENAMED)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for(f"{LEAD}.includes('Network renamed_')")


def test_a_part_of_another_version_is_loaded_again(page: Browser, model: Path) -> None:
    """The file may change between the outline and a part, and change back."""
    # The first answer is of a version that was there for a moment only.
    page.evaluate(
        "const real = load; let calls = 0;"
        "load = async (part) => part === 'lead' && calls++ === 0"
        " ? {html: 'a moment', digest: '0'} : real(part)"
    )
    model.write_text(RENAMED)
    page.wait_for(f"{LEAD} === 'a moment'")
    page.wait_for(f"{LEAD}.includes('Network renamed_')")


def test_a_failed_request_is_repeated(page: Browser, model: Path) -> None:
    page.evaluate(
        "const real = load; let calls = 0;"
        "load = (part) => (calls++ === 0 ? Promise.reject(new Error('503')) : real(part))"
    )
    model.write_text(RENAMED)
    page.wait_for(f"{LEAD}.includes('Network renamed_')")
    page.wait_for(LIVE)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 400)])
def test_schemes_and_widths(page: Browser, model: Path, scheme: str, width: int) -> None:
    page.show(width, 900, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen = read_png(page.screenshot())
    assert seen.corner == SCHEMES[scheme]
    assert seen.drawn > 0.01


def test_the_first_tab_reaches_a_link_to_the_content(page: Browser, model: Path) -> None:
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "skip to the content"
    page.press("Enter")
    page.wait_for("location.hash === '#content'")


def test_a_lost_server_is_reported(page: Browser) -> None:
    with served("preview", NETWORK) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
    page.wait_for("document.getElementById('state').className === 'lost'")
    page.visit("about:blank#end")
    # The browser reports each attempt to find the server again.
    assert all("net::ERR_" in message for message in page.console)
    page.console.clear()


# A search

RUNNING = "document.querySelector('#running svg.chart') !== null"
RESULT = "document.querySelector('#networks img.network') !== null"
COMPLETE = f"{LEAD}.includes('This search is complete.')"
ROWS = "document.querySelectorAll('#candidates tbody tr').length"


def test_the_dashboard_follows_a_search_that_is_killed_and_resumed(
    page: Browser, tmp_path: Path
) -> None:
    """The trials are synthetic; the second one waits, and its log is written here."""
    folder, gate = RunDir(tmp_path / "run"), tmp_path / "gate"
    running = Running(executor="threads:1")
    make_run(folder, run_settings(candidates=3, population=2, running=running))
    with (
        served("dashboard", folder.path) as server,
        driving(folder.path, 0.0, "g0001", gate) as driver,
    ):
        page.visit(f"{server.url}/")
        page.wait_for(f"{LEAD}.includes('A driver works on this search now.')")
        page.wait_for(RESULT)
        log = folder.trial_folder("g0001", 1).log
        page.wait_for("document.querySelector('#running tbody td')?.textContent === 'g0001'")
        lines = [f'{{"iteration": {step}, "loss": {3 - step / 4}}}\n' for step in range(4)]
        log.write_text("".join(lines))
        page.wait_for(RUNNING)
        page.show(400, 900, "dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert read_png(page.screenshot()).corner == SCHEMES["dark"]
        driver.kill()
        page.wait_for(f"{LEAD}.includes('No driver works on this search.')")
        assert "1 interrupted" in page.evaluate(LEAD)
        gate.touch()
        with driving(folder.path, 0.0):
            page.wait_for(COMPLETE)
        page.wait_for(f"{ROWS} === 3")
        page.wait_for("document.getElementById('running').textContent.includes('No trial runs')")


SEARCH_SECONDS = 500
"""Longest wait for a trial, also on a machine with other work."""
SEARCH = (
    *("evolve", "--data", "motion:clips=48", "--preset", "small", "--candidates", "2"),
    *("--population", "2", "--iterations", "60", "--executor", "threads:1", "--seed", "1"),
)


@pytest.mark.slow
def test_the_dashboard_follows_a_real_search(page: Browser, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "anetc", *SEARCH, "--out", str(run)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as search:
        try:
            while not (run / "search.db").exists() or not any((run / "archs").glob("*.anet")):
                assert search.poll() is None, search.stderr and search.stderr.read()
            with served("dashboard", run) as server:
                page.visit(f"{server.url}/")
                page.wait_for(LIVE)
                # The loss of a running trial, and then a result, appear without a new visit.
                for condition in (RUNNING, RESULT, COMPLETE):
                    page.wait_for(condition, SEARCH_SECONDS)
                page.wait_for(f"{ROWS} === 2")
        finally:
            search.kill()
