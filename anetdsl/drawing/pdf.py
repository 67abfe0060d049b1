"""PDF from a laid-out picture, for machines whose Graphviz engine has none.

The engine's `json` output tells every line, curve and word with its place. A PDF says the same in
other words, and Helvetica, the one typeface of our pictures, is one that every PDF reader has. Text
stays text. Letters beyond Windows-1252 become question marks: names in a .anet text have none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_BOLD = 1
"""The bit of Graphviz's font characteristics."""


def pdf_from_layout(layout: bytes) -> bytes:
    """A one-page PDF of what Graphviz's `-Tjson` describes, in its units of 1/72 inch."""
    graph = json.loads(layout)
    left, bottom, right, top = _page(graph)
    content = "\n".join((f"1 0 0 1 {_numbers(-left, -bottom)} cm", *_painted(graph)))
    fonts = " ".join(
        f"/{name} << /Type /Font /Subtype /Type1 /BaseFont /{face} /Encoding /WinAnsiEncoding >>"
        for name, face in (("F0", "Helvetica"), ("F1", "Helvetica-Bold"))
    )
    title = graph["name"].encode("utf-16-be").hex()
    return _file(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_numbers(right - left, top - bottom)}] "
        f"/Contents 4 0 R /Resources << /Font << {fonts} >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Title <FEFF{title}> >>",
    )


def _page(graph: dict[str, Any]) -> tuple[float, float, float, float]:
    left, bottom, right, top = map(float, graph["bb"].split(","))
    pad = 72 * float(graph.get("pad", 0))
    return left - pad, bottom - pad, right + pad, top + pad


def _painted(graph: dict[str, Any]) -> Iterator[str]:
    """Content of the page: the edges first, so that boxes lie above them."""
    for part in (graph, *graph.get("edges", ()), *graph.get("objects", ())):
        for key in ("_draw_", "_tdraw_", "_hdraw_", "_ldraw_"):
            if key in part:
                yield "q"
                yield from _operators(part[key])
                yield "Q"


def _operators(operations: Iterable[dict[str, Any]]) -> Iterator[str]:
    size, font, ink, visible = 12.0, "F0", "0 0 0", True
    for operation in operations:
        match operation["op"]:
            case "c":
                color = operation["color"]
                ink, visible = _color(color), not (len(color) == 9 and color.endswith("00"))
                yield f"{ink} RG"
            case "C":
                yield f"{_color(operation['color'])} rg"
            case "S":
                yield from _pen(operation["style"])
            case "F":
                size = operation["size"]
            case "t":
                font = "F1" if operation["fontchar"] & _BOLD else "F0"
            case "P" | "p" as kind:
                yield f"{_path(operation['points'], 'l', 1)} {_PAINT[kind == 'P', visible]}"
            case "B" | "b":
                # Graphviz's own texts disagree on which letter is the filled one. Outlines of boxes
                # are closed and filled, arrows are neither.
                points = operation["points"]
                painted = _PAINT[True, visible] if points[0] == points[-1] else "S"
                yield f"{_path(points, 'c', 3)} {painted}"
            case "T":
                x, y = operation["pt"]
                x -= {"l": 0, "c": 0.5, "r": 1}[operation["align"]] * operation["width"]
                words = operation["text"].encode("cp1252", "replace").hex()
                place = f"/{font} {_numbers(size)} Tf {_numbers(x, y)} Td"
                yield f"q BT {ink} rg {place} <{words}> Tj ET Q"


def _path(points: Sequence[Sequence[float]], operator: str, step: int) -> str:
    """A path through points, of which `operator` takes `step` at a time."""
    parts = [f"{_numbers(*points[0])} m"]
    for at in range(1, len(points), step):
        coordinates = (value for point in points[at : at + step] for value in point)
        parts.append(f"{_numbers(*coordinates)} {operator}")
    return " ".join(parts)


_PAINT = {(True, True): "b", (True, False): "f", (False, True): "s", (False, False): "n"}
"""Operators that close a path and paint it, by whether it is filled and has a visible outline."""


def _pen(style: str) -> Iterator[str]:
    match style.partition("(")[::2]:
        case "setlinewidth", width:
            yield f"{_numbers(float(width.rstrip(')')))} w"
        case "dashed", _:
            yield "[4 3] 0 d"
        case "solid", _:
            yield "[] 0 d"


def _color(color: str) -> str:
    """A colour such as `#8f5600`, as red, green and blue from 0 to 1."""
    return _numbers(*(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)))


def _numbers(*values: float) -> str:
    return " ".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values)


def _file(*objects: str) -> bytes:
    """A PDF file of those objects; the first is its catalogue, the last its description."""
    text = "%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(text))
        text += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    count = len(objects) + 1
    text += (
        f"xref\n0 {count}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {count} /Root 1 0 R /Info {len(objects)} 0 R >>\n"
        f"startxref\n{len(text)}\n%%EOF\n"
    )
    return text.encode("ascii")
