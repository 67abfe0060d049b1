"""Reports in headless Chromium: light, dark and narrow, without console messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from anetdsl.report.pages import report
from tests.browser import SCHEMES, Browser, Screenshot, read_png
from tests.report.made_up import made_up_run
from tests.report.reading import Page
from tests.report.test_report import HOSTILE, with_texts


def screenshot(browser: Browser, page: Path, scheme: str, width: int, height: int) -> Screenshot:
    """Take a screenshot of a page in a colour scheme."""
    browser.show(width, height, scheme)
    browser.visit(page.as_uri())
    return read_png(browser.screenshot())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(report([made_up_run(candidates=30, population=8)]), encoding="utf-8")
    return path


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 500)])
def test_screenshots(browser: Browser, page: Path, scheme: str, width: int) -> None:
    """The page follows the scheme of the reader, and something is drawn on it."""
    seen = screenshot(browser, page, scheme, width, 1400)
    assert browser.console == []
    assert (seen.width, seen.height) == (width, 1400)
    assert seen.corner == SCHEMES[scheme]
    assert seen.drawn > 0.01


HIDDEN_PIXELS = """
[...document.querySelectorAll("#population table, #candidates table")].map(
  (table) => table.scrollWidth - table.parentElement.clientWidth
)
"""


def test_all_columns_are_visible_at_1200_pixels(browser: Browser, page: Path) -> None:
    browser.show(1200)
    browser.visit(page.as_uri())
    assert browser.evaluate(HIDDEN_PIXELS) == [0, 0]


SORTING = """
(() => {
  const wide = document.documentElement.scrollWidth <= innerWidth;
  const table = document.querySelector("#candidates table");
  const press = (column) => {
    table.tHead.rows[0].cells[column].firstChild.click();
    return [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
  };
  const found = { wide, fitness: press(3), turned: press(3), name: press(1) };
  found.sort = table.tHead.rows[0].cells[1].ariaSort;
  return found;
})()
"""


def test_tables_are_sorted_and_the_page_fits_a_narrow_screen(browser: Browser, page: Path) -> None:
    """Numbers sort by value, first falling, then rising; names as texts; empty cells last."""
    browser.show(500)
    browser.visit(page.as_uri())
    found = browser.evaluate(SORTING)
    assert browser.console == []
    assert found["wide"] is True
    for key, falling in (("fitness", True), ("turned", False)):
        values = [value for value in found[key] if value]
        assert 0 < len(values) < len(found[key])
        assert found[key][len(values) :] == [""] * (len(found[key]) - len(values))
        assert values == sorted(values, key=float, reverse=falling)
    assert found["name"] == sorted(found["name"])
    assert found["sort"] == "ascending"


def test_content_security_policy_blocks_other_scripts(browser: Browser, page: Path) -> None:
    """A script that is inserted into a page does not run; the console reports it."""
    html = page.read_text(encoding="utf-8")
    spoilt = page.with_name("spoilt.html")
    script = "<script>document.title = 'taken over'</script>"
    spoilt.write_text(html.replace("<main>", f"<main>{script}"), encoding="utf-8")
    browser.visit(spoilt.as_uri())
    assert browser.evaluate("document.title") != "taken over"
    assert "Content Security Policy" in "".join(browser.console)


def test_hostile_texts_are_inert_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    run = with_texts(made_up_run(candidates=12, population=4), HOSTILE)
    path.write_text(report([run]), encoding="utf-8")
    browser.visit(path.as_uri())
    assert browser.console == []
    page = Page()
    page.feed(browser.evaluate("document.documentElement.outerHTML"))
    assert page.tags["script"] == 1
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.values("src"))
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
