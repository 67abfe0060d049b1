"""HTML for one output of a notebook: content with its own style, which does not affect others."""

from __future__ import annotations

import re

from anetdsl.report.html_page import page_style
from anetdsl.report.markup import Markup, joined, tag

_SCOPE = "anetdsl-output"
_THEMES = {
    "light": ('[data-jp-theme-light="true"]', ".vscode-light", 'html[theme="light"]'),
    "dark": ('[data-jp-theme-light="false"]', ".vscode-dark", 'html[theme="dark"]'),
}
"""Elements around an output in a theme of JupyterLab, VS Code or Colab."""
_LIGHT = re.compile(r":scope \{\s*color-scheme[^}]*\}|\.chart\{--[^}]*\}")
"""A rule that sets the colours of a light page."""
_DARK = re.compile(r"(?s)@media ?\(prefers-color-scheme: ?dark\) ?\{(.*?\})\s*\}")
"""A media query with one rule, which sets the colours of a dark page."""


def fragment(*content: Markup) -> str:
    """Return content with the style of a report page, limited to this output.

    The rules are nested in a `@scope`, so that they apply to this content alone. Its colours are
    those of the notebook's theme; where that is not known, those of the system.
    """
    style = page_style().replace(":root", ":scope")
    style = re.sub(r"(?m)^body \{", ":scope {", style)
    light = "".join(_LIGHT.findall(_DARK.sub("", style)))
    dark = "".join(_DARK.findall(style))
    parts = [f"@scope (.{_SCOPE}) {{ {style} :scope {{ padding: .5rem; margin: 0; }} }}"]
    for theme, rules in (("light", light), ("dark", dark)):
        places = ", ".join(f"{place} .{_SCOPE}" for place in _THEMES[theme])
        parts.append(f"@scope ({places}) {{ {rules} :scope {{ color-scheme: {theme}; }} }}")
    return tag("div", tag("style", Markup("\n".join(parts))), joined(content), class_=_SCOPE)
