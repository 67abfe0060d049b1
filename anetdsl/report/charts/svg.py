"""Write elements that are valid both in XML and in HTML, with all texts escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

_UNWRITABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd"
    "\U00010000-\U0010ffff]"
)
"""Characters that XML 1.0 does not allow, control characters that are errors in HTML, and those
that change the direction of the text around them."""


def escaped(text: object) -> str:
    """Escape untrusted text for elements and for quoted attributes.

    >>> escaped('<b> & "q"\\x00')
    '&lt;b&gt; &amp; &quot;q&quot;\ufffd'
    """
    return html.escape(_UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def element(name: str, attributes: Mapping[str, object] | None = None, *children: str) -> str:
    """Write an element. Values of attributes are escaped, `children` are markup; None is left out.

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
    """Format a coordinate with at most two decimals.

    >>> number(3.0), number(0.126), number(-0.001)
    ('3', '0.13', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
