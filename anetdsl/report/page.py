"""The page around the sections: one file that loads nothing and runs only its own small script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources

import attrs

from anetdsl.report.charts import STYLE
from anetdsl.report.markup import Markup, joined, tag, text


@attrs.frozen
class Section:
    """A part of a page, which the contents at its top lead to."""

    anchor: str
    heading: str
    content: Markup


def page(title: str, lead: Markup, sections: Sequence[Section]) -> str:
    """The whole page, HTML.

    Its content security policy allows its own script, by hash, and pictures within the page; so
    nothing that a hostile name might bring in could run or load, even if it were not escaped.
    """
    script = _file("sort.js")
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
        tag("style", Markup(f"\n{_file('page.css')}{STYLE}\n")),
    )
    contents = joined(
        tag("li", tag("a", text(section.heading), href=f"#{section.anchor}"))
        for section in sections
    )
    body = tag(
        "body",
        tag("header", tag("h1", text(title)), lead),
        tag("nav", tag("ul", contents), aria_label="contents"),
        tag("main", *map(_section, sections)),
        tag("script", Markup(script)),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _section(section: Section) -> Markup:
    heading = tag("h2", text(section.heading))
    return Markup(f"\n{tag('section', heading, section.content, id=section.anchor)}\n")


@functools.cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
