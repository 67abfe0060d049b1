"""What a run says, as numbers: all that a report draws is worked out here.

A candidate counts as judged once it has a fitness, a finite one. The rounds of a search are its
candidates in the order of their indices, the initial population among them (paper 4.1, Figure 4).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence

import attrs

from anetdsl.evolve.candidates import Member, Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.propose.algorithms import population

Curve = tuple[tuple[int, float], ...]
"""(round, value), rounds from 1. Between its points a value stays as it was."""


@attrs.frozen
class Judged:
    """A candidate with its fitness."""

    record: Record
    fitness: float

    @property
    def round(self) -> int:
        """Which round of the search it was, from 1."""
        return self.record.index + 1

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.record.name


def judged(run: Run) -> tuple[Judged, ...]:
    """The candidates that have a fitness, in the order of their indices."""
    return tuple(
        Judged(record, record.fitness)
        for record in run.records
        if record.status == "done" and record.fitness is not None and math.isfinite(record.fitness)
    )


def ranked(candidates: Sequence[Judged]) -> tuple[Judged, ...]:
    """The best first; of equals the one that came first."""
    return tuple(sorted(candidates, key=lambda one: (-one.fitness, one.record.index)))


def last_round(run: Run) -> int:
    """The last round whose candidate is finished, judged or failed; 0 before the first."""
    return max((r.index + 1 for r in run.records if r.status in ("done", "failed")), default=0)


def alive(run: Run) -> tuple[Judged, ...]:
    """The population now, the best first.

    Candidates join it by number, or where the search takes results as they come, as they came.
    """
    by_name = {one.name: one for one in judged(run)}
    members = population(run.settings, _joined(run))
    return ranked([by_name[member.name] for member in members if member.name in by_name])


def _joined(run: Run) -> Sequence[Member]:
    """The candidates that have a result, in the order in which the search took them in."""
    if run.settings.order == "index":
        return run.members
    finished = {record.index: record.finished or 0.0 for record in run.records}
    return sorted(run.members, key=lambda member: finished[member.index])


def best_curve(run: Run) -> Curve:
    """The best fitness up to each round."""
    return _curve(run, 1)


def top_three_curve(run: Run) -> Curve:
    """The mean fitness of the best three up to each round: what Figure 4 draws.

    It begins with the third candidate. Where the worst of a population leaves, its best three are
    the best three of all so far.
    """
    return _curve(run, 3)


def _curve(run: Run, count: int) -> Curve:
    """The mean of the best `count`, at the rounds where it changes and at the last one."""
    best: list[float] = []
    points: list[tuple[int, float]] = []
    for one in judged(run):
        bisect.insort(best, one.fitness)
        del best[:-count]
        if len(best) == count and (not points or points[-1][1] != sum(best) / count):
            points.append((one.round, sum(best) / count))
    end = last_round(run)
    if points and points[-1][0] < end:
        points.append((end, points[-1][1]))
    return tuple(points)


def value_at(curve: Curve, round: int) -> float | None:
    """What a curve says at a round; None before its first point."""
    place = bisect.bisect_right(curve, (round, math.inf))
    return curve[place - 1][1] if place else None


def reached(curve: Curve, value: float) -> int | None:
    """The first round at which a curve has at least a value."""
    return next((round for round, found in curve if found >= value), None)


def lineage(run: Run, last: Record) -> tuple[Record, ...]:
    """The ancestors of a candidate, the first founder first, and itself.

    It ends early where a parent is not in the run, or where a chain runs in a circle, which only a
    run written by hand can hold.
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


def storyline(run: Run) -> Judged | None:
    """The best candidate that has ancestors: whose descent can be told. None in random search."""
    names = {record.name for record in run.records}
    return next(
        (
            one
            for one in ranked(judged(run))
            if one.record.parent in names and one.record.parent != one.name
        ),
        None,
    )


def descents(run: Run) -> Iterator[tuple[Judged, Judged]]:
    """Each pair of parent and child that were both judged, in the children's order."""
    by_name = {one.name: one for one in judged(run)}
    for child in by_name.values():
        parent = by_name.get(child.record.parent or "")
        if parent is not None and parent is not child:
            yield parent, child


def cheapest(candidates: Sequence[Judged], cost: str) -> tuple[Judged, ...]:
    """The Pareto front: those that no other is both as cheap as and better than, by rising cost.

    `cost` is `parameters` or `multiply_adds`; who has none is left out.
    """
    priced = [
        (getattr(one.record, cost), -one.fitness, one.record.index, one)
        for one in candidates
        if getattr(one.record, cost)
    ]
    front: list[Judged] = []
    for _, _, _, one in sorted(priced, key=lambda entry: entry[:3]):
        if not front or one.fitness > front[-1].fitness:
            front.append(one)
    return tuple(front)
