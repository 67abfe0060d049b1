"""Build the page around the sections: one file that loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

import attrs

from anetdsl.report.charts import STYLE
from anetdsl.report.markup import Markup, tag, text

CHART_WIDTH = 1040
"""Width of a chart that fills the page, in pixels."""
HALF_CHART_WIDTH = 512
"""Width of each of two charts side by side, in pixels."""


@attrs.frozen
class Section:
    """A section of a page, with an entry in the table of contents."""

    anchor: str
    heading: str
    content: Markup


def html_page(title: str, lead: Markup, sections: Sequence[Section]) -> str:
    """Return the page as HTML. `lead` is the text below the title.

    The content security policy allows the script of the page, by its hash, and embedded pictures.
    A hostile name could not run or load anything, even if it were not escaped.
    """
    script = page_file("sort.js")
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", text(title)),
        tag("style", Markup(f"\n{page_style()}\n")),
    )
    body = tag(
        "body",
        tag("header", tag("h1", text(title)), lead),
        tag("nav", tag("ul", *contents_list(sections)), aria_label="contents"),
        tag("main", *map(section_markup, sections)),
        tag("script", Markup(script)),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def contents_list(sections: Sequence[Section]) -> list[Markup]:
    """Return the entries of the table of contents."""
    return [
        tag("li", tag("a", text(section.heading), href=f"#{section.anchor}"))
        for section in sections
    ]


def section_markup(section: Section) -> Markup:
    """Return a section with its heading."""
    heading = tag("h2", text(section.heading))
    return Markup(f"\n{tag('section', heading, section.content, id=section.anchor)}\n")


def page_style() -> str:
    """Return the CSS rules of a page and of its charts."""
    return f"{page_file('page.css')}{STYLE}"


@functools.cache
def page_file(name: str) -> str:
    """Return the content of a file of this folder, such as `sort.js`."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
