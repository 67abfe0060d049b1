"""Parse a report page into elements and texts, and check that it is well-formed and safe."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import attrs

VOID = {"br", "img", "meta"}
ENDS_ITSELF = {"th", "td", "tr"}
"""Elements whose end tags are optional; the tables of the page leave them out."""


@attrs.define
class Page(HTMLParser):
    """Elements and texts of a page. `mistakes` lists elements that are wrongly nested."""

    tags: Counter[str] = attrs.field(factory=Counter)
    attributes: list[tuple[str, str, str]] = attrs.field(factory=list)
    """(element, name, value), in the order of the page."""
    texts: list[str] = attrs.field(factory=list)
    """Texts outside of styles and scripts."""
    mistakes: list[str] = attrs.field(factory=list)
    _open: list[str] = attrs.field(factory=list)

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("tr", "thead", "tbody"):
            self._end_cells()
        elif tag in ("td", "th") and self._open[-1:] in (["td"], ["th"]):
            self._open.pop()
        self._note(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "svg" not in self._open:
            self.mistakes.append(f"<{tag}/> outside of a picture")
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("thead", "tbody", "table"):
            self._end_cells()
        if not self._open or self._open.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.texts.append(data)

    def _end_cells(self) -> None:
        while self._open[-1:] and self._open[-1] in ENDS_ITSELF:
            self._open.pop()

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.mistakes.append(f"<{tag}> has an attribute twice")
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    @property
    def text(self) -> str:
        """All texts, joined."""
        return "".join(self.texts)

    def values(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [value for _, key, value in self.attributes if key == name]


def read(html: str) -> Page:
    """Parse a page. Fail if it is wrongly nested, not complete, or loads something."""
    page = Page()
    page.feed(html)
    page.close()
    assert not page.mistakes
    assert not page._open, page._open
    ids = page.values("id")
    assert len(set(ids)) == len(ids), "an id twice"
    for link in page.values("href"):
        assert link.removeprefix("#") in ids, link
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.values("src"))
    elsewhere = {"srcset", "action", "formaction", "poster", "data", "background", "xlink:href"}
    assert not elsewhere & {name for _, name, _ in page.attributes}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for word in ("@import", "url(", "javascript:"):
        assert word not in html
    assert page.tags["script"] == page.tags["style"] == 1
    return page
