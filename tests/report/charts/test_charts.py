"""Charts: golden pictures, and properties of texts, numbers and layout."""

from __future__ import annotations

import doctest
import math
import re
from collections.abc import Callable
from types import ModuleType
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl.report.charts import (
    STYLE,
    Axis,
    Dot,
    Dots,
    Line,
    axes,
    escaped,
    heat_map,
    plot,
    short_number,
    style,
    svg,
)
from anetdsl.report.charts.axes import laid_out
from anetdsl.report.charts.style import COLORS

SVG = "{http://www.w3.org/2000/svg}"
CLASSES = ["jog", "walk", "swipe left", "swipe right"]


def curves() -> str:
    numbers = range(3, 41, 2)
    return plot(
        [
            Line(
                name,
                [(x, top - 40 * math.exp(-x / pace)) for x in numbers],
                band=[
                    (x, top - 42 * math.exp(-x / pace), top - 36 * math.exp(-x / pace))
                    for x in numbers
                ],
            )
            for name, top, pace in (("guided", 90.0, 8), ("standard", 84.0, 12), ("random", 83, 14))
        ],
        title="Fitness over candidates",
        description="Guided ends highest.",
        x=Axis("candidates so far", whole=True, low=0),
        y=Axis("fitness, %"),
    )


def roofline() -> str:
    blocks = [(0.8, 7e9), (4.5, 4.1e10), (13.0, 7.2e10), (14.0, 7.4e10), (60.0, 8.8e10)]
    return plot(
        [
            Line("", [(0.1, 2e9), (5.0, 1e11), (1e3, 1e11)], note="peak 100 GFLOP/s", color=4),
            Dots("blocks", [Dot(x, y, f"n{i}", labelled=True) for i, (x, y) in enumerate(blocks)]),
        ],
        title="Roofline",
        x=Axis("FLOP per byte", log=True),
        y=Axis("FLOP/s", log=True),
    )


def confusion() -> str:
    rows = [[0.9, 0.1, 0, 0], [0.25, 0.7, 0.05, 0], [0, None, 0.5, 0.5], [0, 0, float("nan"), 1]]
    return heat_map(
        rows,
        rows=CLASSES,
        columns=CLASSES,
        title="Confusion",
        x_label="predicted",
        y_label="true",
    )


def nothing() -> str:
    return plot([], title="Fitness over candidates", x=Axis("candidates so far"), y=Axis("fitness"))


@pytest.mark.parametrize("chart", [curves, roofline, confusion, nothing])
def test_golden_pictures(chart: Callable[[], str], golden: Callable[[str, str], None]) -> None:
    """Look at a golden picture before you update it."""
    golden(f"charts/{chart.__name__}.svg", chart().replace("><", ">\n<") + "\n")


# Texts

hostile = st.text(
    st.one_of(
        st.sampled_from("<>&\"'/-! \n\t"),
        st.characters(codec=None),
        st.sampled_from(["\x00", "\x1b", "\x85", "\ufffe", "\ud800", "\u202e"]),
    ),
    max_size=12,
)


@given(hostile)
def test_texts_are_escaped(text: str) -> None:
    """No text creates an element or an attribute; characters that XML allows are kept."""
    charts = [
        plot(
            [
                Line(text, [(0, 1), (1, 2)], note=text),
                Line(text, [(0, 1), (1, 2)]),
                Dots(text, [Dot(0, 1, text, labelled=True)]),
            ],
            title=text,
            description=text,
            x=Axis(text),
            y=Axis(text),
        ),
        heat_map([[0.5]], rows=[text], columns=[text], title=text, x_label=text, y_label=text),
    ]
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
            *("svg", "title", "desc", "style", "rect", "path", "text", "circle", "g"),
        }
        assert all(
            not name.lower().startswith("on") for node in root.iter() for name in node.attrib
        )
        title = root.findtext(f"{SVG}title")
        expected = ElementTree.fromstring(f"<a>{escaped(text)}</a>").text or ""
        assert (title or "") == expected


def test_characters_outside_xml_are_replaced() -> None:
    assert escaped("a\x00b\ud800c\x1b<") == "a\ufffdb\ufffdc\ufffd&lt;"
    assert escaped("é → 日本 😀\n") == "é → 日本 😀\n"


# Numbers

numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(numbers, numbers), max_size=6), st.booleans(), st.booleans())
def test_coordinates_are_finite_for_any_numbers(
    points: list[tuple[float, float]], log_x: bool, log_y: bool
) -> None:
    """Also for infinite, huge or equal values, and values below 0 on a logarithmic axis."""
    svg = plot(
        [
            Line("a", points, band=[(x, y, y) for x, y in points]),
            Dots("b", [Dot(x, y, "d", labelled=True) for x, y in points]),
        ],
        title="t",
        x=Axis("x", log=log_x),
        y=Axis("y", log=log_y),
    )
    for node in ElementTree.fromstring(svg).iter():
        for name, value in node.items():
            if name in ("d", "x", "y", "x1", "cx", "cy", "points", "viewBox"):
                assert not re.search(r"nan|inf|e[+\d]", value), (name, value)
                for number in re.findall(r"-?\d+\.?\d*", value):
                    assert abs(float(number)) < 1e5


spans = st.tuples(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(3, 9), st.booleans())


@given(spans)
def test_ticks_are_few_and_within_the_axis(span: tuple[float, float, int, bool]) -> None:
    low, extent, about, whole = span
    scale, ticks = laid_out(Axis(whole=whole), [low, low + extent], 0.0, 100.0, about)
    assert scale.low <= low + extent * 1e-6
    assert scale.high >= low + extent * 0.9999
    assert 1 <= len(ticks) <= 2 * about + 2
    assert all(scale.low - 1e-6 * extent <= t <= scale.high + 1e-6 * extent for t in ticks)
    if whole:
        assert all(tick == round(tick) for tick in ticks)


@given(st.floats(1e-9, 1e12), st.floats(1.001, 1e9), st.integers(3, 9))
def test_ticks_of_logarithmic_axes(low: float, times: float, about: int) -> None:
    scale, ticks = laid_out(Axis(log=True), [low, low * times], 0.0, 100.0, about)
    assert scale.low <= low * 1.001
    assert scale.high >= low * times * 0.999
    assert len(ticks) <= 4 * about
    mantissas = {f"{tick:e}"[0] for tick in ticks}
    assert mantissas <= {"1", "2", "5"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.3, "0.3"),
        (1234.5, "1,234"),
        (10_000, "10k"),
        (999_950, "1M"),
        (-2e10, "-20G"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short_number(value) == text


# Marks


def marks(svg: str, name: str) -> list[ElementTree.Element]:
    return [n for n in ElementTree.fromstring(svg).iter() if name in (n.get("class") or "").split()]


def test_a_gap_interrupts_a_line() -> None:
    line = Line("a", [(0, 1), (1, 2), (2, float("nan")), (3, 1), (4, 2)])
    (path,) = marks(plot([line], title="t", x=Axis(), y=Axis()), "s-1")
    assert (path.get("d") or "").count("M") == 2


def test_a_line_of_one_point_is_a_circle() -> None:
    svg = plot([Line("a", [(1, 1)])], title="t", x=Axis(), y=Axis())
    assert [n.tag for n in marks(svg, "f-1")] == [f"{SVG}circle"]


def test_thirty_lines_have_different_strokes() -> None:
    lines = [Line(f"line {i}", [(0, i), (1, i)]) for i in range(30)]
    svg = plot(lines, title="t", x=Axis(), y=Axis())
    drawn = [n for n in ElementTree.fromstring(svg).iter(f"{SVG}path") if n.get("d", "").count("L")]
    strokes = {(n.get("class"), n.get("stroke-dasharray")) for n in drawn if n.get("stroke-width")}
    assert len(strokes) == 30


def test_charts_of_many_dots_are_small() -> None:
    dots = [Dot(i % 997, i % 613, f"dot {i}") for i in range(20_000)]
    svg = plot([Dots("all", dots)], title="t", x=Axis(), y=Axis())
    assert len(svg) < 250_000
    assert "dot 1" not in svg


def test_labels_do_not_overlap() -> None:
    """A label without room is only a tooltip."""
    dots = [Dot(1 + i / 1e6, 1, f"label {i}", labelled=True) for i in range(9)]
    svg = plot([Dots("", dots)], title="t", x=Axis(low=0, high=2), y=Axis(low=0, high=2))
    written = [n.text for n in marks(svg, "halo")]
    assert 1 <= len(written) <= 4


def test_labels_avoid_lines() -> None:
    """A label on the line, right of the dot, moves above the dot."""
    dot = Dots("", [Dot(1, 1, "label", labelled=True)])
    axes = {"x": Axis(low=0, high=2), "y": Axis(low=0, high=2)}
    (alone,) = marks(plot([dot], title="t", **axes), "halo")
    (beside,) = marks(plot([dot, Line("", [(0, 1), (2, 1)])], title="t", **axes), "halo")
    assert (alone.get("text-anchor"), beside.get("text-anchor")) == (None, "middle")


def test_texts_of_a_heat_map_do_not_overlap() -> None:
    """The title, the label of the columns and the turned column names are below each other."""
    name = "a name of twenty-six words"
    svg = heat_map([[1.0]], rows=["a"], columns=[name], title="t" * 200, x_label="predicted")
    texts = list(ElementTree.fromstring(svg).iter(f"{SVG}text"))
    (title,) = (text for text in texts if text.get("font-weight"))
    x_label, head = (next(t for t in texts if t.text == text) for text in ("predicted", name))
    assert len(title.text or "") * 15 * 0.64 < 640
    assert float(title.get("y", 0)) + 10 < float(x_label.get("y", 0)) - 10
    top_of_head = float(head.get("y", 0)) - len(name) * 0.56 * 11.5
    assert float(x_label.get("y", 0)) + 4 < top_of_head
    assert float(x_label.get("x", 0)) - len("predicted") * 0.56 * 13 / 2 > 0


def test_heat_maps_of_many_classes_are_small() -> None:
    names = [f"class {i}" for i in range(339)]
    values = [[((i * j) % 17) / 16 for j in range(339)] for i in range(339)]
    svg = heat_map(values, rows=names, columns=names, title="t")
    assert len(svg) < 4_000_000
    assert len(marks(svg, "f-heat")) < 40
    ElementTree.fromstring(svg)


def test_a_matrix_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="2 x 1"):
        heat_map([[1.0]], rows=["a", "b"], columns=["c"], title="t")


def test_an_empty_heat_map() -> None:
    ElementTree.fromstring(heat_map([], rows=[], columns=[], title="t"))


# Colours and styles


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(
    ("name", "least"), [*((str(i), 3.0) for i in range(1, 7)), ("ink", 7), ("faint", 4.5)]
)
def test_colors_have_enough_contrast(scheme: int, name: str, least: float) -> None:
    """WCAG 2.2 requires 3 : 1 for graphics and 4.5 : 1 for texts."""
    dark, light = sorted(luminance(COLORS[key][scheme]) for key in (name, "paper"))
    assert (light + 0.05) / (dark + 0.05) >= least


def test_style_is_optional() -> None:
    """A chart contains its CSS rules unless `styled` is false, and plain colours in both cases."""
    line = Line("a", [(0, 1), (1, 2)])
    alone = plot([line], title="t", x=Axis(), y=Axis())
    within = plot([line], title="t", x=Axis(), y=Axis(), styled=False)
    assert STYLE in alone
    assert "prefers-color-scheme:dark" in STYLE
    assert "<style" not in within
    assert alone.replace(f"<style>{STYLE}</style>", "") == within
    assert 'stroke="#0072b2"' in within


@pytest.mark.parametrize("module", [axes, style, svg])
def test_examples_in_docstrings(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
