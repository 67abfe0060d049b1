"""HTML for one output of a notebook: content with its own style, which does not affect others."""

from __future__ import annotations

import re

from anetdsl.report.html_page import page_style
from anetdsl.report.markup import Markup, joined, tag

_SCOPE = "anetdsl-output"


def fragment(*content: Markup) -> str:
    """Return content with the style of a report page, limited to this output.

    The rules are nested in a `@scope`, so that they apply to this content alone.
    """
    style = page_style().replace(":root", ":scope")
    style = re.sub(r"(?m)^body \{", ":scope {", style)
    scoped = f"@scope (.{_SCOPE}) {{ {style} :scope {{ padding: .5rem; margin: 0; }} }}"
    return tag("div", tag("style", Markup(scoped)), joined(content), class_=_SCOPE)
