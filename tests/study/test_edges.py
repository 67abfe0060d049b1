"""The study of edge weights, with trainings that take no time."""

from __future__ import annotations

import random
from pathlib import Path

import attrs
import pytest

from anetc.study.edges import (
    SETTINGS,
    EdgesPlan,
    EdgesRow,
    by_network_table,
    edges_cases,
    edges_table,
    learned_cases,
    rank_correlation,
    read_setting,
)
from anetc.study.halves import Half
from anetc.study.networks import random_network_of
from anetc.study.results_folder import ResultsFolder, read_plan, write_plan
from anetc.study.trainings import known_cases, run_cases
from anetc.training.data_record import SplitVideos
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialResult
from anetdsl.evolve.settings.presets import space
from anetdsl.ir import Network
from tests.study.synthetic_workers import (
    Settings,
    SyntheticTrainings,
    sum_of_values,
    synthetic_workers,
)

NETWORKS = [random_network_of(space("small", 18), seed) for seed in range(2)]
VIDEOS = SplitVideos(2400, "0" * 64)
PLAN = EdgesPlan(data="motion:level=2", settings=("edge_rate=50", "edge_rate=4"), seeds=2)


def result(network: Network, settings: Settings) -> TrialResult:
    """Give true weights with the edge rate 50, and random ones with another."""
    found = sum_of_values(network, settings)
    if settings["edge_rate"] == 50:
        return found
    rng = random.Random(settings["seed"])
    noise = {name: tuple(rng.random() for _ in values) for name, values in found.edges.items()}
    return attrs.evolve(found, edges=noise)


def rows_of(folder: Path, synthetic: SyntheticTrainings, plan: EdgesPlan = PLAN) -> list[EdgesRow]:
    cases = list(edges_cases(plan, NETWORKS))
    with synthetic_workers(synthetic) as workers:
        rows = {end.case.name: end.row for end in run_cases(cases, folder, workers)}
    return [row for case in cases if (row := rows[case.name]) is not None]


def test_true_weights_guide_and_random_ones_do_not(tmp_path: Path) -> None:
    synthetic = SyntheticTrainings(result)
    rows = rows_of(tmp_path, synthetic)
    assert len(rows) == 8
    for row in rows:
        if row.setting == "edge_rate=50":
            assert row.fitness["upper"] > row.fitness["random"] > row.fitness["lower"]
    # For each network and seed: a random half for both settings, and 2 x 3 other trainings.
    assert len(synthetic.tasks) == 4 * 7
    ends = known_cases(list(learned_cases(PLAN, NETWORKS)), tmp_path)
    learned = [end.row for end in ends if end.row is not None]
    assert len(learned) == 8
    table = edges_table(PLAN, rows, learned)
    good, bad = ([cell.strip() for cell in line.split("|")] for line in table.splitlines()[2:])
    assert good[1] == "`edge_rate=50`"
    assert good[4] == "1.00", "true weights do not depend on the seed"
    assert abs(float(bad[4])) < 0.5
    assert good[-6].startswith("+")
    assert good[-3:] == ["2", "2", ""], "networks and seeds"
    assert len(by_network_table(rows).splitlines()) == 4


def row(setting: str, network: str, seed: int, upper: float, lower: float) -> EdgesRow:
    kept: dict[Half, int] = {"upper": 3, "random": 3, "lower": 4}
    fitness: dict[Half, float] = {"upper": upper, "random": 50.0, "lower": lower}
    return EdgesRow(setting, network, seed, (0.5, 0.9), 60.0, 6, kept, fitness)


def test_tables_by_hand() -> None:
    """Networks are the pairs: their means over seeds differ by 10, 12 and 14, so t = 10.4.

    With the second setting they differ by 5, -5 and 6, p = 0.626. Holm doubles the smaller one.
    """
    rows = [row("edge_rate=50", "a", 0, 70.0, 62.0), row("edge_rate=50", "a", 1, 72.0, 60.0)]
    rows += [row("edge_rate=50", "b", 0, 72.0, 60.0), row("edge_rate=50", "c", 0, 74.0, 60.0)]
    rows += [row("edge_rate=4", "a", 0, 65.0, 60.0), row("edge_rate=4", "b", 0, 55.0, 60.0)]
    rows += [row("edge_rate=4", "c", 0, 66.0, 60.0)]
    tables = (edges_table(PLAN, rows, ()), by_network_table(rows))
    first, second = ([line.split("|")[1:-1] for line in table.splitlines()[2:]] for table in tables)
    cells = [[cell.strip() for cell in line] for line in first]
    assert [line[5:8] for line in cells] == [["72.3", "50.0", "60.3"], ["62.0", "50.0", "60.0"]]
    assert [line[10:] for line in cells] == [
        ["+12.0 (+7.0 to +17.0)", "0.009", "0.018", "3", "2"],
        ["+2.0 (-13.1 to +17.1)", "0.626", "0.626", "3", "1"],
    ]
    assert [cell.strip() for cell in second[0]] == ["a", "3 or 4 of 6", "+10.0 ± 2.0", "+5.0"]


def test_rank_correlation_by_hand() -> None:
    """Ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3: covariance 4.5, sums of squares 4.5 and 5."""
    assert rank_correlation([0.1, 0.3, 0.3, 0.9], [1, 2, 3, 4]) == pytest.approx(4.5 / 22.5**0.5)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [3, 2, 1]) is None


def test_tables_are_made_again_from_the_folder(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    write_plan(folder, "edges", PLAN, NETWORKS, VIDEOS)
    rows = rows_of(folder.trainings, SyntheticTrainings(result))
    plan, networks = read_plan(folder, "edges", EdgesPlan)
    assert plan == PLAN
    assert networks == NETWORKS
    again = [end.row for end in known_cases(list(edges_cases(plan, networks)), folder.trainings)]
    assert again == rows


def test_a_folder_without_results_is_reported(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    with pytest.raises(CannotRun, match="holds no results of this study"):
        read_plan(folder, "edges", EdgesPlan)
    folder.plan("edges").write_text("{}")
    with pytest.raises(CannotRun, match="is no plan"):
        read_plan(folder, "edges", EdgesPlan)
    write_plan(folder, "edges", PLAN, NETWORKS, VIDEOS)
    (folder.networks / "random0.anet").unlink()
    with pytest.raises(CannotRun, match="random0"):
        read_plan(folder, "edges", EdgesPlan)


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_can_be_read(text: str) -> None:
    assert "edge_rate" in read_setting(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("edge_rate", "write NAME=VALUE"),
        ("edge_rat=3", "did you mean"),
        ("edge_rate=-1", "at least 0"),
        ("edge_optimiser=rmsprop", "adam"),
    ],
)
def test_wrong_settings_are_reported(text: str, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        read_setting(text)
