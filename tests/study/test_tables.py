"""The tables and pictures of the studies of searches, by hand."""

from __future__ import annotations

import re

import attrs

from anetc.study.figure4 import (
    Figure4Plan,
    Figure4Row,
    figure4_by_seed,
    figure4_chart,
    figure4_tables,
)
from anetc.study.searches import SearchRecord
from anetc.study.table3 import (
    Table3Plan,
    Table3Row,
    table3_by_seed,
    table3_chart,
    table3_table,
)

FIGURE4 = Figure4Plan(data="motion:level=2", seeds=3, methods=("guided+inherit", "random"))


def figure4_row(method: str, seed: int, test: float) -> Figure4Row:
    record = SearchRecord({}, (50.0, 60.0, 70.0, test), (), 400, 30.0)
    return Figure4Row(method, seed, record, "g0003", 1000, 2000, (test + 1,), (test - 1, test + 1))


def test_table_and_chart_of_figure4_by_hand() -> None:
    """Differences 10, 12 and 14: mean 12, sd 2, t = 12 / (2 / sqrt 3) = 10.4 of 2 degrees."""
    rows = [figure4_row("random", seed, 60.0 + seed) for seed in (1, 2, 3)]
    rows += [figure4_row("guided+inherit", seed, 68.0 + 3 * seed) for seed in (1, 2, 3)]
    rows += [figure4_row("guided", 1, 70.0)]
    plan = attrs.evolve(FIGURE4, seeds=3, methods=("guided+inherit", "random", "guided"))
    lines = figure4_tables(plan, rows).splitlines()
    cells = [cell.strip() for cell in lines[2].split("|")]
    assert cells[1] == "`guided+inherit`"
    assert cells[3:7] == ["68.0 (65.5 to 70.5)", "", "", ""], "the fitness is not compared"
    assert cells[8] == "74.0 (66.5 to 81.5)"
    assert cells[9] == "+12.0 (+7.0 to +17.0)"
    assert cells[10:12] == ["0.009", "0.009"]
    guided = [cell.strip() for cell in lines[4].split("|")]
    assert guided[3:7] == ["66.7", "+3.0", "", ""]
    inherited = [cell.strip() for cell in lines[-1].split("|")[1:-1]]
    assert inherited == ["`guided`", "1", "+1.0", "", ""]
    chart = figure4_chart(plan, rows)
    assert chart.startswith("<svg")
    curves = re.findall(r'<path class="s-(\d)"([^>]*)><title>([\w+]+)<', chart)
    assert [(name, color, "dasharray" in rest) for color, rest, name in curves] == [
        ("guided+inherit", "1", False),
        ("random", "2", True),
        ("guided", "1", True),
    ]


def test_figure4_by_seed() -> None:
    rows = [figure4_row("random", seed, 60.0 + seed) for seed in (1, 2)]
    rows += [figure4_row("guided", 2, 75.0)]
    plan = attrs.evolve(FIGURE4, methods=("guided", "random"))
    lines = figure4_by_seed(plan, rows).splitlines()
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]] == [
        ["`guided`", "2", "75.0", "68.3", "76.0", "75.0", "+13.0", "1,000", "2,000"],
        ["`random`", "1", "70.0", "63.7", "62.0", "61.0", "", "1,000", "2,000"],
        ["`random`", "2", "70.0", "64.0", "63.0", "62.0", "", "1,000", "2,000"],
    ]


def row3(row: str, seed: int, short: float, long: float | None = None) -> Table3Row:
    return Table3Row(row, seed, 0.1, 1000, 2000, short, long)


def test_table3_by_hand() -> None:
    """Differences 10, 12 and 14 as above; Holm doubles the smaller of two p-values.

    The other p-value is that of the differences 5, -5 and 6: mean 2, sd 6.08, t = 0.57. After the
    long budget there are two differences, 5 and 6: mean 5.5, standard error 0.5, t = 11.
    """
    rows = [row3("by_hand", seed, 60.0 + seed, 90.0) for seed in (1, 2, 3)]
    rows += [row3("guided+inherit", seed, 68.0 + 3 * seed, 94.0 + seed) for seed in (1, 2)]
    rows += [row3("guided+inherit", 3, 77.0)]
    rows += [row3("other", seed, value) for seed, value in ((1, 66.0), (2, 79.0), (3, 71.0))]
    lines = table3_table(Table3Plan(data="x", long_seeds=2), rows).splitlines()
    best, other, worst = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    assert best[:5] == ["`guided+inherit`", "1,000", "2,000", "0.1", "3"]
    assert best[5:] == ["74.0 (66.5 to 81.5)", "", "", "", "2", "95.5 (89.1 to 101.9)", "", "", ""]
    assert other[5:9] == ["72.0 (55.7 to 88.3)", "+2.0 (-13.1 to +17.1)", "0.626", "0.626"]
    assert other[9:] == ["0", "", "", "", ""]
    assert worst[5:9] == ["62.0 (59.5 to 64.5)", "+12.0 (+7.0 to +17.0)", "0.009", "0.018"]
    assert worst[9:] == ["3", "90.0 (90.0 to 90.0)", "+5.5 (-0.9 to +11.9)", "0.058", "0.058"]


def test_note_of_one_search() -> None:
    rows = [row3("guided+inherit", seed, 60.0 + seed) for seed in (1, 2, 3)]
    plan = Table3Plan(data="x", seeds=3, one_search=True)
    for shown, length in ((table3_table, 3), (table3_by_seed, 5)):
        table, note = shown(plan, rows).split("\n\n")
        assert len(table.splitlines()) == length
        assert note.startswith("The row of a search method is one search, whose network is trained")
        for other in (attrs.evolve(plan, one_search=False), attrs.evolve(plan, methods=())):
            assert "\n\n" not in shown(other, rows)


def test_table3_by_seed() -> None:
    rows = [row3("by_hand", seed, 60.0 + seed, 90.0) for seed in (1, 2)]
    rows += [row3("guided+inherit", 1, 71.0), row3("guided+inherit", 2, 74.0, 92.5)]
    lines = table3_by_seed(Table3Plan(data="x"), rows).splitlines()
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]] == [
        ["`guided+inherit`", "1", "1,000", "2,000", "0.1", "71.0", "", "", ""],
        ["`guided+inherit`", "2", "1,000", "2,000", "0.1", "74.0", "", "92.5", ""],
        ["`by_hand`", "1", "1,000", "2,000", "0.1", "61.0", "+10.0", "90.0", ""],
        ["`by_hand`", "2", "1,000", "2,000", "0.1", "62.0", "+12.0", "90.0", "+2.5"],
    ]


def test_table3_without_the_long_budget() -> None:
    rows = [row3("by_hand", seed, 50.0) for seed in (1, 2, 3)]
    lines = table3_table(Table3Plan(data="x", long_iterations=0), rows).splitlines()
    assert "4000" not in lines[0]
    assert lines[0].count("|") == lines[2].count("|") == 10


def test_chart_of_table3() -> None:
    rows = [row3(name, seed, 60.0 + seed) for name in ("by_hand", "random") for seed in (1, 2)]
    chart = table3_chart(Table3Plan(data="x", examples=("by_hand",)), rows)
    assert chart.startswith("<svg")
    assert all(text in chart for text in ("examples", "searched", "by_hand"))
    assert "searched" not in table3_chart(Table3Plan(data="x", examples=("by_hand",)), rows[:2])
