"""Markup that is the same as XML and as HTML: every text that comes in is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

_UNWRITABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
)
"""What XML 1.0 cannot hold, and control characters that HTML calls a mistake."""


def escaped(text: object) -> str:
    """Untrusted text as markup, for elements and for attributes in quotation marks.

    >>> escaped('<b> & "q"\\x00')
    '&lt;b&gt; &amp; &quot;q&quot;\ufffd'
    """
    return html.escape(_UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def element(name: str, attributes: Mapping[str, object] | None = None, *children: str) -> str:
    """An element; `children` are markup already, values of attributes are not. None is left out.

    >>> element("text", {"x": 1.50, "class": None}, escaped("a < b"))
    '<text x="1.5">a &lt; b</text>'
    """
    given = "".join(
        f' {key}="{number(value) if isinstance(value, float) else escaped(value)}"'
        for key, value in (attributes or {}).items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{given}>{inner}</{name}>" if inner else f"<{name}{given}/>"


def number(value: float) -> str:
    """A length of the drawing with at most two decimals.

    >>> number(3.0), number(0.126), number(-0.001)
    ('3', '0.13', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
