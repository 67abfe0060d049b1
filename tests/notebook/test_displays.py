"""Networks and costs in a notebook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import anetdsl
from anetdsl.drawing.engine import ENGINE_VARIABLE
from anetdsl.errors import CannotRun
from anetdsl.notebook.fragments import fragment
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.markup import Markup
from tests.browser import SCHEMES, Browser
from tests.documents import REPOSITORY

NETWORK = anetdsl.load(REPOSITORY / "examples" / "small_two_stream_fully.anet")


def test_a_notebook_shows_the_text_the_picture_and_the_cost() -> None:
    bundle = NETWORK._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml", "text/html"}
    assert bundle["text/plain"] == str(NETWORK)
    assert "<svg" in bundle["image/svg+xml"]
    parameters = anetdsl.cost(NETWORK).parameters
    assert f"<dd>{parameters:,}<small>" in bundle["text/html"]
    assert "data:image/svg+xml;base64," in bundle["text/html"]


def test_a_missing_engine_is_no_error_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, str(tmp_path / "nowhere"))
    bundle = NETWORK._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "No picture: " in bundle["text/html"]


def test_stats_are_a_table() -> None:
    stats = NETWORK.stats(frames=16, size=(32, 32), classes=7)
    assert stats.cost == anetdsl.cost(NETWORK, frames=16, size=(32, 32), classes=7)
    lines = repr(stats).splitlines()
    assert lines[0].split("  ")[0] == "node"
    assert len(lines) == len(NETWORK.nodes) + 3
    assert lines[-1].split()[:2] == ["total", f"{stats.cost.parameters:,}"]
    html = stats._repr_html_()
    for node in NETWORK.nodes:
        assert f"<td>{node.name}<td>" in html


def test_stats_of_a_clip_that_is_too_large_are_refused() -> None:
    with pytest.raises((CannotRun, ValueError)):
        NETWORK.stats(frames=0)


THEMES = {
    "dark": ('data-jp-theme-light="false"', 'class="vscode-dark"'),
    "light": ('data-jp-theme-light="true"', 'class="vscode-light"'),
}


@pytest.mark.parametrize(("theme", "system"), [("dark", "light"), ("light", "dark")])
def test_an_output_follows_the_theme_of_the_notebook(
    browser: Browser, tmp_path: Path, theme: str, system: str
) -> None:
    """The theme of the system counts only where the notebook has none that is known."""
    page = tmp_path / "page.html"
    for number, around in enumerate((*THEMES[theme], "")):
        page.write_text(f"<!DOCTYPE html><body {around}>{fragment(chart())}")
        browser.show(1100, 900, system)
        browser.visit(f"{page.as_uri()}?{number}")
        expected = theme if around else system
        paper = browser.evaluate("getComputedStyle(document.querySelector('div')).backgroundColor")
        assert paper == "rgb({}, {}, {})".format(*SCHEMES[expected])
        drawn = browser.evaluate("getComputedStyle(document.querySelector('rect')).fill")
        assert drawn == paper


def chart() -> Markup:
    return Markup(
        plot(
            [Line("loss", ((0, 1.0), (1, 0.5)))],
            title="Loss",
            x=Axis("x"),
            y=Axis("y"),
            styled=False,
        )
    )


def test_an_output_does_not_style_the_rest_of_the_notebook() -> None:
    """All rules are within a scope: no rule of the page applies to `body` or `:root`."""
    html = NETWORK.stats()._repr_html_()
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert style[1].startswith("@scope (.anetdsl-output) {")
    assert ":root" not in style[1]
    assert not re.search(r"(?m)^body\b", style[1])
