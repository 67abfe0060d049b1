"""Reports in headless Chromium: light, dark and narrow, without console messages.

ANETDSL_CHROMIUM names the browser; by default it is the `chromium` of Debian.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import attrs
import pytest

from anetdsl.report.pages import report
from tests.browser import find_chromium
from tests.report.made_up import made_up_run
from tests.report.reading import Page
from tests.report.test_report import HOSTILE, with_texts

PROGRAM = find_chromium()
SCHEMES = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x14, 0x18, 0x1D)}
SECONDS = 120

pytestmark = pytest.mark.skipif(
    PROGRAM is None,
    reason="needs Chromium (Debian: apt-get install chromium; or name it by ANETDSL_CHROMIUM)",
)


@attrs.frozen
class Screenshot:
    """Size, first pixel and content of a screenshot."""

    width: int
    height: int
    corner: tuple[int, ...]
    """First pixel, RGB."""
    drawn: float
    """Fraction of bytes that differ from the bytes beside or above them."""


def browse(page: Path, *options: str) -> tuple[str, str]:
    """Open a page; return the output of Chromium and the messages of the console."""
    assert PROGRAM is not None
    command = [
        *(PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        # Nothing is loaded in the background, which would cause messages.
        *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
        *("--disable-extensions", "--disable-dev-shm-usage", "--enable-logging=stderr"),
        *(f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-2000:]
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, console


def screenshot(page: Path, scheme: str, width: int, height: int) -> Screenshot:
    """Take a screenshot in a colour scheme. Fail if the console has messages."""
    file = page.parent / f"{scheme}-{width}.png"
    chosen = {"light": 1, "dark": 0}[scheme]
    _, console = browse(
        page,
        f"--window-size={width},{height}",
        f"--blink-settings=preferredColorScheme={chosen}",
        f"--screenshot={file}",
    )
    assert console == ""
    return read_png(file.read_bytes())


def read_png(data: bytes) -> Screenshot:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    rows = zlib.decompress(packed)
    assert kind in (2, 6)  # RGB, RGBA
    # The first pixel has no predecessor, so every filter of PNG leaves it as it is.
    return Screenshot(width, height, tuple(rows[1:4]), 1 - rows.count(0) / len(rows))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(report([made_up_run(candidates=30, population=8)]), encoding="utf-8")
    return path


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 500)])
def test_screenshots(page: Path, scheme: str, width: int) -> None:
    """The page follows the scheme of the reader, and something is drawn on it."""
    seen = screenshot(page, scheme, width, 1400)
    assert (seen.width, seen.height) == (width, 1400)
    assert seen.corner == SCHEMES[scheme]
    assert seen.drawn > 0.01


WIDE_TABLES = """
const tables = [...document.querySelectorAll("#population table, #candidates table")];
const hidden = tables.map((table) => table.scrollWidth - table.parentElement.clientWidth);
document.title = JSON.stringify(hidden);
"""


def run_script(page: Path, script: str, size: str) -> Any:
    """Run a script in a page without its policy; return the JSON that it writes into the title."""
    html = page.read_text(encoding="utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', html)
    assert policy is not None
    probed = page.with_name("probed.html")
    html = html.replace(policy[0], "").replace("</body>", f"<script>{script}</script></body>")
    probed.write_text(html, encoding="utf-8")
    output, console = browse(probed, f"--window-size={size}", "--dump-dom")
    assert console == ""
    title = re.search(r"<title>([\[{].*?[\]}])</title>", output)
    assert title is not None
    return json.loads(title[1].replace("&quot;", '"'))


def test_all_columns_are_visible_at_1200_pixels(page: Path) -> None:
    assert run_script(page, WIDE_TABLES, "1200,900") == [0, 0]


PROBE = """
const wide = document.documentElement.scrollWidth <= innerWidth;
const table = document.querySelector("#candidates table");
const press = (column) => {
  table.tHead.rows[0].cells[column].firstChild.click();
  return [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
};
const found = { wide, fitness: press(3), turned: press(3), name: press(1) };
found.sort = table.tHead.rows[0].cells[1].ariaSort;
document.title = JSON.stringify(found);
"""


def test_tables_are_sorted_and_the_page_fits_a_narrow_screen(page: Path) -> None:
    """Numbers sort by value, first falling, then rising; names as texts; empty cells last."""
    found = run_script(page, PROBE, "500,900")
    assert found["wide"] is True
    for key, falling in (("fitness", True), ("turned", False)):
        values = [value for value in found[key] if value]
        assert 0 < len(values) < len(found[key])
        assert found[key][len(values) :] == [""] * (len(found[key]) - len(values))
        assert values == sorted(values, key=float, reverse=falling)
    assert found["name"] == sorted(found["name"])
    assert found["sort"] == "ascending"


def test_content_security_policy_blocks_other_scripts(page: Path) -> None:
    """A script that is inserted into a page does not run; the console reports it."""
    html = page.read_text(encoding="utf-8")
    spoilt = page.with_name("spoilt.html")
    script = "<script>document.title = 'taken over'</script>"
    spoilt.write_text(html.replace("<main>", f"<main>{script}"), encoding="utf-8")
    output, console = browse(spoilt, "--dump-dom")
    assert "<title>taken over</title>" not in output
    assert "Content Security Policy" in console


def test_hostile_texts_are_inert_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    run = with_texts(made_up_run(candidates=12, population=4), HOSTILE)
    path.write_text(report([run]), encoding="utf-8")
    output, console = browse(path, "--dump-dom")
    assert console == ""
    page = Page()
    page.feed(output)
    assert page.tags["script"] == 1
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.values("src"))
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
