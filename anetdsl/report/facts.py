"""Compute from a run the values that a report displays.

A candidate is scored once it has a finite fitness. Curves are over the number of candidates so far,
in the order of their indices and including the initial population (paper 4.1, Figure 4).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence

import attrs

from anetdsl.evolve.candidates import Member, Record
from anetdsl.evolve.drive.population import Result, VisiblePopulation
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.fitness_values import Fitness, of_record, of_records
from anetdsl.evolve.propose.algorithms import population

Curve = tuple[tuple[int, float], ...]
"""Points (number of candidates so far, value). A value holds until the next point."""


@attrs.frozen
class ScoredCandidate:
    """A network with a finite fitness."""

    record: Record
    estimate: Fitness
    """Fitness by all trainings of the network (`confirm`), with its standard error."""

    @property
    def fitness(self) -> float:
        """Mean fitness over the trainings of the network."""
        return self.estimate.mean

    @property
    def number(self) -> int:
        """Number of candidates up to this one, itself included."""
        return self.record.index + 1

    @property
    def name(self) -> str:
        """Name of the candidate."""
        return self.record.name


def scored_candidates(run: Run) -> tuple[ScoredCandidate, ...]:
    """Return the networks with a finite fitness, in the order of their indices.

    A second look is no network of its own: its result is part of that of the network.
    """
    found = of_records(run.records)
    return tuple(
        ScoredCandidate(record, found[record.name])
        for record in run.records
        if record.name in found and record.confirms is None
    )


def second_looks(run: Run) -> tuple[tuple[ScoredCandidate, Record], ...]:
    """Return each network with the record of its second look, if both are done."""
    by_name = {one.name: one for one in scored_candidates(run)}
    return tuple(
        (by_name[record.confirms], record)
        for record in run.records
        if record.confirms in by_name and of_record(record) is not None
    )


def has_inherited_steps(run: Run) -> bool:
    """Return whether candidates may have started from the weights of ancestors."""
    return run.running.inherit or any(record.inherited_steps for record in run.records)


def spread_of_seeds(run: Run) -> float | None:
    """Return the standard deviation of trainings of one network that differ in their seeds.

    It is pooled over all networks that were trained more than once; None if there are none.
    """
    several = [one.estimate for one in scored_candidates(run) if one.estimate.trainings > 1]
    if not several:
        return None
    squares = math.fsum(
        math.fsum((value - one.mean) ** 2 for value in one.values) for one in several
    )
    return math.sqrt(squares / sum(one.trainings - 1 for one in several))


def ranked(candidates: Sequence[ScoredCandidate]) -> tuple[ScoredCandidate, ...]:
    """Sort candidates by falling fitness; of equal ones, the earlier is first."""
    return tuple(sorted(candidates, key=lambda one: (-one.fitness, one.record.index)))


def last_finished(run: Run) -> int:
    """Return the number of candidates up to the last one that is done or failed, or 0."""
    return max((r.index + 1 for r in run.records if r.status in ("done", "failed")), default=0)


def current_population(run: Run) -> tuple[ScoredCandidate, ...]:
    """Return the population of the search now, by falling fitness.

    Candidates join the population in the order of their indices, or with `order = "arrival"` in the
    order in which they finished.
    """
    by_name = {one.name: one for one in scored_candidates(run)}
    settings = attrs.evolve(run.settings, order="arrival")
    visible = VisiblePopulation(settings, population)
    for record in _in_join_order(run):
        if record.fitness is None or of_record(record) is None:
            continue
        if record.confirms is not None:
            visible.add(Result(record.index, None, confirmed=(record.confirms, record.fitness)))
        else:
            member = Member(record.index, record.name, record.text, record.fitness)
            visible.add(Result(record.index, member))
    return ranked([by_name[one.name] for one in visible.members if one.name in by_name])


def _in_join_order(run: Run) -> Sequence[Record]:
    """Return the candidates in the order in which their results were taken in."""
    if run.settings.order == "index":
        return run.records
    return sorted(run.records, key=lambda record: record.finished or 0.0)


def best_curve(run: Run) -> Curve:
    """Return the best fitness among the candidates so far."""
    return _curve(run, 1)


def top_three_curve(run: Run) -> Curve:
    """Return the mean fitness of the best three networks so far (Figure 4).

    The curve begins with the third network. If the worst network leaves the population, the best
    three of the population are the best three of all networks so far.
    """
    return _curve(run, 3)


def _curve(run: Run, count: int) -> Curve:
    """Return the mean of the best `count`, where it changes and at the last candidate.

    A second look changes the fitness of its network, so that the curve may fall.
    """
    ordered: list[float] = []
    known: dict[str, Fitness] = {}
    points: list[tuple[int, float]] = []
    for record in run.records:
        fitness = of_record(record)
        if fitness is None:
            continue
        name = record.confirms or record.name
        if (before := known.get(name)) is not None:
            del ordered[bisect.bisect_left(ordered, before.mean)]
            fitness = before.and_another(fitness)
        known[name] = fitness
        bisect.insort(ordered, fitness.mean)
        best = ordered[-count:]
        if len(best) == count and (not points or points[-1][1] != sum(best) / count):
            points.append((record.index + 1, sum(best) / count))
    end = last_finished(run)
    if points and points[-1][0] < end:
        points.append((end, points[-1][1]))
    return tuple(points)


def value_at(curve: Curve, number: int) -> float | None:
    """Return the value of a curve after `number` candidates; None before its first point."""
    place = bisect.bisect_right(curve, (number, math.inf))
    return curve[place - 1][1] if place else None


def first_reaching(curve: Curve, value: float) -> int | None:
    """Return after how many candidates a curve is at least `value`; None if it never is."""
    return next((number for number, found in curve if found >= value), None)


def lineage(run: Run, last: Record) -> tuple[Record, ...]:
    """Return the ancestors of a candidate, the first one first, and the candidate itself.

    The chain ends at a parent that is not in the run. It also ends at a cycle, which only a run
    that was edited by hand can contain.
    """
    by_name = {record.name: record for record in run.records}
    chain = {last.name: last}
    record = last
    while record.parent is not None and record.parent not in chain:
        parent = by_name.get(record.parent)
        if parent is None:
            break
        chain[parent.name] = record = parent
    return tuple(reversed(chain.values()))


def lineage_steps(run: Run, last: Record) -> int | None:
    """Return the training steps behind a candidate's weights: its own, and inherited ones.

    They are the candidate's own steps if it was trained from the start; None if it is not trained.
    Runs of earlier versions do not record which weights were inherited: with `inherit` the steps of
    all ancestors count.
    """
    if last.iterations is None:
        return None
    if last.inherited_steps is not None:
        return last.iterations + last.inherited_steps
    chain = lineage(run, last) if run.running.inherit else (last,)
    return sum(record.iterations or 0 for record in chain)


def best_with_parent(run: Run) -> ScoredCandidate | None:
    """Return the best candidate that has a parent in the run; None in random search."""
    names = {record.name for record in run.records}
    return next(
        (
            one
            for one in ranked(scored_candidates(run))
            if one.record.parent in names and one.record.parent != one.name
        ),
        None,
    )


def parent_pairs(run: Run) -> Iterator[tuple[ScoredCandidate, ScoredCandidate]]:
    """Yield each pair of a scored parent and its scored child, in the order of the children."""
    by_name = {one.name: one for one in scored_candidates(run)}
    for child in by_name.values():
        parent = by_name.get(child.record.parent or "")
        if parent is not None and parent is not child:
            yield parent, child


def pareto_front(candidates: Sequence[ScoredCandidate], cost: str) -> tuple[ScoredCandidate, ...]:
    """Return the candidates on the Pareto front of cost and fitness, by rising cost.

    `cost` is `parameters` or `multiply_adds`. Candidates without this cost are left out.
    """
    priced = [
        (getattr(one.record, cost), -one.fitness, one.record.index, one)
        for one in candidates
        if getattr(one.record, cost)
    ]
    front: list[ScoredCandidate] = []
    for _, _, _, one in sorted(priced, key=lambda entry: entry[:3]):
        if not front or one.fitness > front[-1].fitness:
            front.append(one)
    return tuple(front)
