"""Values computed from a run, compared with simple computations."""

from __future__ import annotations

import doctest
import random
from pathlib import Path
from types import ModuleType

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anetdsl import terminal
from anetdsl.evolve.candidates import Member, Record
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.propose.algorithms import population
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.report import markup, wording
from anetdsl.report.facts import (
    best_curve,
    current_population,
    first_reaching,
    last_finished,
    lineage,
    lineage_steps,
    parent_pairs,
    pareto_front,
    ranked,
    scored_candidates,
    second_looks,
    spread_of_seeds,
    top_three_curve,
    value_at,
)
from anetdsl.report.run_groups import groups_of
from anetdsl.report.sections.method_curves import spread

fitnesses = st.lists(
    st.one_of(st.none(), st.just(float("nan")), st.integers(0, 30).map(float)), max_size=24
)


def run_of(values: list[float | None], **settings: object) -> Run:
    """Return a run of candidates with these fitnesses; None is a failed candidate."""
    records = [
        Record(
            index,
            f"g{index}",
            "failed" if value is None else "done",
            "",
            fitness=value,
            parameters=random.Random(index).randrange(5) or None,
        )
        for index, value in enumerate(values)
    ]
    search = attrs.evolve(SearchSettings(space("small", 12), population=5), **settings)
    return Run(Path("run"), search, {}, tuple(records))


@given(fitnesses)
def test_curves_of_the_best(values: list[float | None]) -> None:
    run = run_of(values)
    three, best = top_three_curve(run), best_curve(run)
    for number in range(1, len(values) + 1):
        seen = sorted(v for v in values[:number] if v is not None and v == v)[::-1]
        assert value_at(best, number) == (seen[0] if seen else None)
        expected = sum(seen[:3]) / 3 if len(seen) >= 3 else None
        assert value_at(three, number) == (None if expected is None else pytest.approx(expected))
    for curve in (three, best):
        assert [v for _, v in curve] == sorted(v for _, v in curve)
        assert not curve or curve[-1][0] == last_finished(run) == len(values)
        if curve:
            assert first_reaching(curve, curve[0][1]) == curve[0][0]
            assert first_reaching(curve, curve[-1][1] + 1) is None


@given(fitnesses)
def test_pareto_front(values: list[float | None]) -> None:
    candidates = [one for one in scored_candidates(run_of(values)) if one.record.parameters]
    front = pareto_front(scored_candidates(run_of(values)), "parameters")

    def beats(a: object, b: object) -> bool:
        return (
            a.record.parameters <= b.record.parameters
            and a.fitness >= b.fitness
            and (a.record.parameters, a.fitness) != (b.record.parameters, b.fitness)
        )

    best = {
        (one.record.parameters, one.fitness)
        for one in candidates
        if not any(beats(other, one) for other in candidates)
    }
    assert [(one.record.parameters, one.fitness) for one in front] == sorted(best)


@given(fitnesses, st.sampled_from(["guided", "aging", "random"]))
def test_population_is_that_of_the_search(values: list[float | None], method: str) -> None:
    run = run_of([v if v is None or v == v else None for v in values], method=method)
    names = {member.name for member in population(run.settings, run.members)}
    assert {one.name for one in current_population(run)} == names
    assert list(current_population(run)) == list(ranked(current_population(run)))


@given(st.permutations(range(12)), st.sampled_from(["guided", "aging"]))
def test_population_with_order_arrival(order: list[int], method: str) -> None:
    """The population is that of the driver, which adds results as they finish."""
    run = run_of([float(index % 4) for index in range(12)], method=method, order="arrival")
    ranks = {index: 100.0 + rank for rank, index in enumerate(order)}
    records = tuple(attrs.evolve(one, finished=ranks[one.index]) for one in run.records)
    visible = VisiblePopulation(run.settings, population)
    for index in order:
        record = records[index]
        visible.add(Result(index, Member(index, record.name, "", record.fitness or 0.0)))
    found = current_population(attrs.evolve(run, records=records))
    assert {one.name for one in found} == {member.name for member in visible.members}
    assert list(found) == list(ranked(found))


def test_lineage_ends_at_a_missing_parent_or_a_cycle() -> None:
    run = run_of([1.0, 2.0, 3.0, 4.0, 5.0])
    parents = {"g0": "gone", "g1": "g0", "g2": "g1", "g3": "g4", "g4": "g3"}
    records = tuple(attrs.evolve(one, parent=parents[one.name]) for one in run.records)
    run = attrs.evolve(run, records=records)
    assert [one.name for one in lineage(run, records[2])] == ["g0", "g1", "g2"]
    assert [one.name for one in lineage(run, records[4])] == ["g3", "g4"]
    alone = attrs.evolve(records[0], parent="g0")
    assert lineage(attrs.evolve(run, records=(alone,)), alone) == (alone,)
    assert [(p.name, c.name) for p, c in parent_pairs(run)] == [
        *(("g0", "g1"), ("g1", "g2"), ("g4", "g3"), ("g3", "g4")),
    ]


def with_looks(values: list[float | None], looks: dict[int, int]) -> Run:
    """Return a run in which the candidates of the keys train those of the values again."""
    run = run_of(values)
    records = [
        attrs.evolve(one, confirms=f"g{looks[one.index]}" if one.index in looks else None)
        for one in run.records
    ]
    return attrs.evolve(run, records=tuple(records))


@given(fitnesses, st.data())
def test_second_looks_are_part_of_their_networks(
    values: list[float | None], data: st.DataObject
) -> None:
    """Curves are those of the means at each moment. A second look is no network of its own."""
    looks: dict[int, int] = {}
    for index in range(1, len(values)):
        free = [k for k in range(index) if k not in looks and values[k] is not None]
        free = [k for k in free if values[k] == values[k]]
        if free and data.draw(st.booleans()):
            looks[index] = data.draw(st.sampled_from(free))
    run = with_looks(values, looks)
    assert not {one.record.index for one in scored_candidates(run)} & looks.keys()
    for number in range(1, len(values) + 1):
        results: dict[int, list[float]] = {}
        for index, value in enumerate(values[:number]):
            if value is not None and value == value:
                results.setdefault(looks.get(index, index), []).append(value)
        means = sorted((sum(found) / len(found) for found in results.values()), reverse=True)
        best, three = value_at(best_curve(run), number), value_at(top_three_curve(run), number)
        assert best == (pytest.approx(means[0]) if means else None)
        assert three == (pytest.approx(sum(means[:3]) / 3) if len(means) > 2 else None)
    assert {one.name: one.fitness for one in scored_candidates(run)} == pytest.approx(
        {f"g{index}": sum(found) / len(found) for index, found in results.items()} if values else {}
    )


def test_spread_of_seeds_is_pooled() -> None:
    """Two pairs that differ by 2 and by 4: variances 2 and 8, pooled 5."""
    run = with_looks([10.0, 20.0, 12.0, 16.0, 50.0], {2: 0, 3: 1})
    assert spread_of_seeds(run) == pytest.approx(5**0.5)
    assert [(one.name, second.name) for one, second in second_looks(run)] == [
        ("g0", "g2"),
        ("g1", "g3"),
    ]
    assert spread_of_seeds(run_of([1.0, 2.0])) is None


def test_steps_of_a_lineage() -> None:
    """Earlier versions recorded no inherited steps: with `inherit` those of all ancestors count."""
    run = run_of([1.0, 2.0])
    first = attrs.evolve(run.records[0], iterations=200, inherited_steps=600)
    child = attrs.evolve(run.records[1], iterations=200, parent="g0")
    assert lineage_steps(run, first) == 800
    assert lineage_steps(run, attrs.evolve(first, iterations=None)) is None
    old = attrs.evolve(run, records=(attrs.evolve(first, inherited_steps=None), child))
    assert lineage_steps(old, child) == 200
    inherits = attrs.evolve(old, running=Running(inherit=True))
    assert lineage_steps(inherits, child) == 400


# Several runs


def test_runs_that_differ_only_in_seeds_are_one_group() -> None:
    runs = [
        run_of([1.0], seed=0),
        run_of([1.0], method="random"),
        run_of([1.0], seed=1, candidates=77),
        run_of([1.0], threshold=0.5),
        attrs.evolve(run_of([1.0], method="random"), trial={"settings": {"batch": 4}}),
    ]
    groups = groups_of(runs)
    assert [len(group.runs) for group in groups] == [2, 1, 1, 1]
    names = [group.name for group in groups]
    assert names[2] == "guided, threshold 0.5"
    assert names[3] == "random, batch 4"
    assert len(set(names)) == 4


def test_runs_with_different_training_are_separate_groups() -> None:
    """Settings of the training count; settings of the execution, such as the timeout, do not.

    Groups are in the order of their first runs.
    """
    runs = [
        attrs.evolve(run_of([1.0], seed=seed), running=running)
        for seed, running in enumerate(
            [
                Running(),
                Running(halving=4),
                Running(inherit=True),
                Running(executor="threads:8", gpus=("0",), timeout=9.0, retries=3),
                Running(halving=4, keep_all_weights=True),
            ]
        )
    ]
    groups = groups_of(runs)
    assert [(group.name, [run.settings.seed for run in group.runs]) for group in groups] == [
        ("guided, halving 1, inherit false", [0, 3]),
        ("guided, halving 4, inherit false", [1, 4]),
        ("guided, halving 1, inherit true", [2]),
    ]


def test_spread_of_curves() -> None:
    """The spread begins at the first number that all curves have and ends at the given number."""
    curves = [((3, 10.0), (5, 20.0), (9, 20.0)), ((4, 12.0), (8, 40.0))]
    assert spread(curves, 6) == [
        (4, 10.0, 11.0, 12.0),
        (5, 12.0, 16.0, 20.0),
        (6, 12.0, 16.0, 20.0),
    ]
    assert spread([(), curves[0]], 3) == [(3, 10.0, 10.0, 10.0)]
    assert spread([()], 3) == []


@pytest.mark.parametrize("module", [markup, terminal, wording])
def test_examples_in_docstrings(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
