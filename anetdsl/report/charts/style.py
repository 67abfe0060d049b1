"""Define the colours and texts of charts, and the `<svg>` element around them.

Colours are CSS variables, so that a page may set them. The light colours are also written as plain
attributes, for programs that draw SVG without CSS variables.
"""

from __future__ import annotations

from anetdsl.report.charts.svg import element, escaped

FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
FONT_SIZE = 13
SMALL = 11.5
"""Font size of axis numbers, legends and labels."""
LETTER = 0.56
"""Mean width of a letter, in font sizes, to estimate the width of a text."""

_TITLE_SIZE = 15
_BOLD_LETTER = 0.64

COLORS: dict[str, tuple[str, str]] = {
    "ink": ("#1f2328", "#e6e9ee"),
    "faint": ("#59636e", "#a3adb8"),
    "grid": ("#e3e6ea", "#343b45"),
    "paper": ("#ffffff", "#14181d"),
    "heat": ("#08519c", "#7cc4ff"),
    "1": ("#0072b2", "#58b4f0"),
    "2": ("#d55e00", "#ff9057"),
    "3": ("#00805d", "#35cf9f"),
    "4": ("#b8578f", "#f0a3d0"),
    "5": ("#7a6200", "#e5c453"),
    "6": ("#5b5f97", "#b3b6f2"),
}
"""Light and dark variant of each colour.

1 to 6 are the colours of series, after Okabe and Ito, with a contrast of 3 : 1 to the background.
"""

SERIES = 6
DASHES = (None, "7 4", "2 3", "9 3 2 3", "12 4", "4 2")
"""Dash patterns of the series 1 to 6."""


def _variables(which: int) -> str:
    return "".join(f"--chart-{name}:{pair[which]};" for name, pair in COLORS.items())


STYLE = (
    f".chart{{{_variables(0)}font-family:{FONT};font-size:{FONT_SIZE}px}}"
    f"@media (prefers-color-scheme:dark){{.chart{{{_variables(1)}}}}}"
    + "".join(
        f".chart .f-{name}{{fill:var(--chart-{name})}}"
        f".chart .s-{name}{{stroke:var(--chart-{name})}}"
        for name in COLORS
    )
    + ".chart .halo{paint-order:stroke;stroke:var(--chart-paper);stroke-width:3px}"
    ".chart .hit:hover{stroke:var(--chart-ink);stroke-width:2px}"
)
"""CSS rules that a page with charts drawn by `styled=False` needs once."""


def fill(name: str) -> dict[str, object]:
    """Return attributes that fill with a colour of `COLORS`."""
    return {"class": f"f-{name}", "fill": COLORS[name][0]}


def stroke(name: str, width: float = 1.0) -> dict[str, object]:
    """Return attributes that draw a line in a colour of `COLORS` and fill nothing."""
    return {
        "class": f"s-{name}",
        "fill": "none",
        "stroke": COLORS[name][0],
        "stroke-width": width,
    }


def series_name(index: int) -> str:
    """Return the colour of a series, counted from 0."""
    return str(index % SERIES + 1)


def text_line(
    content: str,
    x: float,
    y: float,
    *,
    color: str = "ink",
    anchor: str = "start",
    size: float = FONT_SIZE,
    bold: bool = False,
    turned: bool = False,
    halo: bool = False,
) -> str:
    """Write a line of text with its baseline at (x, y).

    `turned` text reads from bottom to top. `halo` separates the text from the lines behind it.
    """
    attributes = fill(color)
    if halo:
        attributes["class"] = f"{attributes['class']} halo"
    attributes |= {
        "x": float(x),
        "y": float(y),
        "text-anchor": None if anchor == "start" else anchor,
        "font-size": None if size == FONT_SIZE else float(size),
        "font-weight": "600" if bold else None,
        "transform": f"rotate(-90 {x:.1f} {y:.1f})" if turned else None,
    }
    return element("text", attributes, escaped(content))


def title_line(title: str, width: float) -> str:
    """Write the title at the top of a chart, abbreviated to the width of the chart."""
    longest = int((width - 28) / (_TITLE_SIZE * _BOLD_LETTER))
    return text_line(abbreviate(title, longest), 14, 21, bold=True, size=_TITLE_SIZE)


def width_of(text: str, size: float = FONT_SIZE) -> float:
    """Estimate the width of a text."""
    return len(text) * LETTER * size


def abbreviate(text: str, longest: int) -> str:
    """Return a text in one line, with the middle left out if it is longer than `longest`.

    >>> abbreviate("level4_node_with_a_name", 12)
    'level4…_name'
    """
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2 + 1
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def document(
    width: float, height: float, title: str, description: str, styled: bool, *content: str
) -> str:
    """Write the `<svg>` element with its title and description for screen readers."""
    style = element("style", {}, STYLE) if styled else ""
    attributes: dict[str, object] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "chart",
        "role": "img",
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "width": round(width),
        "height": round(height),
        "font-family": FONT,
        "font-size": FONT_SIZE,
    }
    about = [element("title", {}, escaped(title))]
    if description:
        about.append(element("desc", {}, escaped(description)))
    paper = element("rect", {**fill("paper"), "width": "100%", "height": "100%"})
    return element("svg", attributes, *about, style, paper, *content)
