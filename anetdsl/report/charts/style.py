"""Colours of charts, light and dark, and the frame that every chart has.

Colours come from variables, so that a page may set them; as plain attributes beside them stand the
light ones, for programs that draw SVG without knowing variables.
"""

from __future__ import annotations

from anetdsl.report.charts.svg import element, escaped

FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
FONT_SIZE = 13
SMALL = 11.5
"""Of numbers at axes, of legends and labels."""
LETTER = 0.56
"""Width of a letter on average, in font sizes: text cannot be measured here."""

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
"""Light and dark. 1 to 6 tell series apart, after Okabe and Ito, with 3 : 1 against the paper."""

SERIES = 6
DASHES = (None, "7 4", "2 3", "9 3 2 3", "12 4", "4 2")
"""Of the lines of the series 1 to 6."""


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
"""The rules that charts made with `styled=False` need, once in a page."""


def fill(name: str) -> dict[str, object]:
    """Attributes that fill with a colour of `COLORS`."""
    return {"class": f"f-{name}", "fill": COLORS[name][0]}


def stroke(name: str, width: float = 1.0) -> dict[str, object]:
    """Attributes that draw a line in a colour of `COLORS`, and fill nothing."""
    return {
        "class": f"s-{name}",
        "fill": "none",
        "stroke": COLORS[name][0],
        "stroke-width": width,
    }


def series_name(index: int) -> str:
    """The colour of a series, counted from 0."""
    return str(index % SERIES + 1)


def words(
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
    """A line of text with its baseline at (x, y); `turned` reads from below upwards."""
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


def width_of(text: str, size: float = FONT_SIZE) -> float:
    """About how wide a text is."""
    return len(text) * LETTER * size


def cut(text: str, longest: int) -> str:
    """A text of one line, its middle left out where it is long.

    >>> cut("level4_node_with_a_name", 12)
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
    """The `<svg>` itself, with what screen readers say of it."""
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
