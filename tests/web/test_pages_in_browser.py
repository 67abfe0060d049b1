"""The pages in headless Chromium: they follow a file and a running search, by keyboard too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, find_chromium, open_browser
from tests.documents import REPOSITORY
from tests.report.test_browser import SCHEMES, read_png
from tests.web.serving import served

pytestmark = pytest.mark.skipif(
    find_chromium() is None,
    reason="needs Chromium (Debian: apt-get install chromium; or name it by ANETDSL_CHROMIUM)",
)

NETWORK = REPOSITORY / "examples" / "small_two_stream_fully.anet"
LIVE = "document.getElementById('state').textContent.startsWith('live')"
LEAD = "document.getElementById('lead').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    browser.visit("about:blank#start")  # the page of the last test has lost its server
    browser.console.clear()
    yield browser
    assert browser.console == []


def lead(page: Browser) -> str:
    return str(page.evaluate("document.getElementById('lead').textContent"))


def test_the_preview_follows_an_edit_a_mistake_and_its_correction(
    page: Browser, tmp_path: Path
) -> None:
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        assert page.evaluate("document.images[0].complete && document.images[0].naturalWidth > 99")
        assert page.evaluate("document.getElementById('findings')") is None
        page.evaluate("document.querySelector('#cost th button').click()")
        model.write_text(text.replace("classes=", "clases=", 1))
        page.wait_for("document.getElementById('findings') !== null")
        assert "The text has" in lead(page)
        assert "clases" in page.evaluate("document.querySelector('pre.findings').textContent")
        assert page.evaluate("document.querySelector('#contents a').textContent") == "Findings"
        assert page.evaluate("document.querySelector('#picture .note') !== null")
        page.evaluate("document.querySelector('#findings details').open = true")
        model.write_text(text.replace("network ", "network renamed_", 1))
        page.wait_for("document.getElementById('findings') === null")
        assert "Network renamed_" in lead(page)
        assert [
            str(one)
            for one in page.evaluate(
                "[...document.getElementById('content').children].map((one) => one.id)"
            )
        ] == ["picture", "cost"]


def test_a_changed_section_keeps_its_order_and_its_open_parts(
    page: Browser, tmp_path: Path
) -> None:
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        sort = "document.querySelectorAll('#cost th')[2].querySelector('button')"
        page.evaluate(f"{sort}.focus()")
        page.press("Enter")
        order = "document.querySelectorAll('#cost th')[2].getAttribute('aria-sort')"
        assert page.evaluate(order) == "descending"
        before = page.evaluate("document.querySelector('#cost').textContent")
        changed = text.replace("classes=", "classes=1", 1)
        assert changed != text
        model.write_text(changed)
        page.wait_for(f"document.querySelector('#cost').textContent !== {before!r}")
        assert page.evaluate(order) == "descending"
        assert page.evaluate(f"document.activeElement === {sort}")


def test_the_focus_of_a_vanished_section_goes_to_the_content(page: Browser, tmp_path: Path) -> None:
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text.replace("classes=", "clases=", 1))
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        page.evaluate("document.querySelector('#contents a').focus()")
        assert page.evaluate("document.activeElement.hash") == "#findings"
        page.evaluate("document.querySelector('pre.findings').focus()")
        model.write_text(text)
        page.wait_for("document.getElementById('findings') === null")
        assert page.evaluate("document.activeElement.id") == "content"
        # A link keeps the focus, although the list of the contents is new.
        page.evaluate("document.querySelector('#contents a[href=\"#cost\"]').focus()")
        model.write_text(text.replace("network ", "network ?", 1))
        page.wait_for("document.getElementById('findings') !== null")
        model.write_text(text)
        page.wait_for("document.getElementById('findings') === null")
        assert page.evaluate("document.activeElement.id") == "content"


def test_a_hidden_page_has_no_stream_and_catches_up(page: Browser, tmp_path: Path) -> None:
    """A browser opens six connections to a server at most: the seventh tab would not load."""
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        assert page.evaluate("events.readyState === EventSource.CLOSED")
        model.write_text(text.replace("network ", "network renamed_", 1))
        page.evaluate(
            "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.wait_for(f"{LEAD}.includes('Network renamed_')")


def test_a_part_of_another_version_is_loaded_again(page: Browser, tmp_path: Path) -> None:
    """The file may change between the outline and a part, and change back."""
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        # The first answer is of a version that was there for a moment only.
        page.evaluate(
            "const real = load; let calls = 0;"
            "load = async (part) => part === 'lead' && calls++ === 0"
            " ? {html: 'a moment', digest: '0'} : real(part)"
        )
        model.write_text(text.replace("network ", "network renamed_", 1))
        page.wait_for(f"{LEAD} === 'a moment'")
        page.wait_for(f"{LEAD}.includes('Network renamed_')")


def test_a_failed_request_is_repeated(page: Browser, tmp_path: Path) -> None:
    model = tmp_path / "model.anet"
    text = NETWORK.read_text()
    model.write_text(text)
    with served("preview", model, "--frames", 16, "--size", 32) as server:
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        page.evaluate(
            "const real = load; let calls = 0;"
            "load = (part) => (calls++ === 0 ? Promise.reject(new Error('503')) : real(part))"
        )
        model.write_text(text.replace("network ", "network renamed_", 1))
        page.wait_for(f"{LEAD}.includes('Network renamed_')")
        page.wait_for(LIVE)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 400)])
def test_schemes_and_widths(page: Browser, scheme: str, width: int) -> None:
    with served("preview", NETWORK, "--frames", 16, "--size", 32) as server:
        page.show(width, 900, scheme)
        page.visit(f"{server.url}/")
        page.wait_for(LIVE)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        seen = read_png(page.screenshot())
        assert seen.corner == SCHEMES[scheme]
        assert seen.drawn > 0.01


def test_the_first_tab_reaches_a_link_to_the_content(page: Browser) -> None:
    with served("preview", NETWORK) as server:
        page.show(1100)
        page.visit(f"{server.url}/")
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


SEARCH_SECONDS = 500
"""Longest wait for a trial, also on a machine with other work."""
SEARCH = (
    *("evolve", "--data", "motion:clips=48", "--preset", "small", "--candidates", "2"),
    *("--population", "2", "--iterations", "60", "--executor", "threads:1", "--seed", "1"),
)


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
                assert "A driver works on this search now." in lead(page)
                page.wait_for("document.querySelector('#running table') !== null")
                # The loss of a running trial, and then a result, appear without a new visit.
                page.wait_for(
                    "document.querySelector('#running svg.chart') !== null", SEARCH_SECONDS
                )
                page.wait_for(
                    "document.querySelector('#networks img.network') !== null", SEARCH_SECONDS
                )
                page.wait_for(f"{LEAD}.includes('This search is complete.')", SEARCH_SECONDS)
                rows = "document.querySelectorAll('#candidates tbody tr').length"
                assert page.evaluate(rows) == 2
                text = "document.getElementById('running').textContent"
                page.wait_for(f"{text}.includes('No trial runs now.')", SEARCH_SECONDS)
        finally:
            search.kill()
