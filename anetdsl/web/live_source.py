"""Live content: a page whose sections are made again when their source changes."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Hashable
from typing import Any, Protocol

import attrs

from anetdsl.report.html_page import Section
from anetdsl.report.markup import Markup, paragraph, text


@attrs.frozen
class LiveContent:
    """Content of a page at one moment."""

    title: str
    lead: Markup
    """Text below the title."""
    sections: tuple[Section, ...]
    complete: bool = False
    """True if the run is finished, so that the content no longer changes."""

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Digest of the lead (the key "") and of each section, by anchor."""
        parts = {"": str(self.lead)}
        parts |= {section.anchor: str(section.content) for section in self.sections}
        return {key: _digest(content) for key, content in parts.items()}

    def outline(self) -> dict[str, Any]:
        """Return the title and, for each section, its anchor, heading and digest, for JSON."""
        return {
            "title": self.title,
            "lead": self.digests[""],
            "sections": [
                [section.anchor, section.heading, self.digests[section.anchor]]
                for section in self.sections
            ],
        }

    def section(self, anchor: str) -> Section | None:
        """Return the section of an anchor, or None."""
        return next((one for one in self.sections if one.anchor == anchor), None)


class LiveSource(Protocol):
    """The source of a page. Both methods are called from several threads, one at a time."""

    def token(self) -> Hashable:
        """Return a value that changes when the content may have changed. It is cheap."""

    def content(self) -> LiveContent:
        """Return the content now. A problem is content too; nothing is raised."""


@attrs.define
class LatestContent:
    """The content of a source, made again only when the token has changed."""

    source: LiveSource
    _token: Hashable = None
    _content: LiveContent | None = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def get(self) -> LiveContent:
        """Return the content now."""
        with self._lock:
            # The token is read first: a change during `content` is seen by the next call.
            token = self.source.token()
            if self._content is None or token != self._token:
                try:
                    self._content = self.source.content()
                except Exception as error:
                    self._content = _failure(error, self._content)
                self._token = token
            return self._content


def _failure(error: Exception, last: LiveContent | None) -> LiveContent:
    """Return content that reports an error that the source did not expect."""
    words = f"internal error: {type(error).__name__}: {error}. This is a bug; please report it."
    problem = paragraph(text(words), class_="bad")
    if last is None:
        return LiveContent("Page", problem, ())
    return LiveContent(last.title, problem, last.sections)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
