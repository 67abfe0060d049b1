"""Results of the finals: means over seeds with their intervals, and differences to the winner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from anetdsl.confidence import (
    MeanDifference,
    MeanInterval,
    mean_interval,
    paired_difference,
)
from anetdsl.evolve.finals.plan import Contestant, Plan
from anetdsl.evolve.finals.stages import (
    Records,
    chosen_rate,
    comparison_trainings,
    full_trainings,
    look_name,
    rate_trainings,
    winner_of,
)
from anetdsl.evolve.trainings.training import Training, TrainingRecord

RESULTS_SCHEMA = "anetdsl-finals"
RESULTS_VERSION = 1


@attrs.frozen(kw_only=True)
class Standing:
    """Trainings of one network with several seeds, and their measures on one split."""

    network: str
    steps: int
    learning_rate: float | None
    seeds: tuple[int, ...]
    """Seeds whose trainings are done."""
    failed: int
    """Number of trainings that failed or are not done."""
    measures: Mapping[str, tuple[float, ...]]
    """Values by seed, `fitness` included; a measure that some training lacks is left out."""

    def interval(self, name: str) -> MeanInterval | None:
        """Return the mean of a measure with its 95 % interval; None without values."""
        values = self.measures.get(name)
        return mean_interval(values) if values else None


@attrs.frozen(kw_only=True)
class Standings:
    """Results of finals, complete or so far."""

    plan: Plan
    winner: str | None
    """Name of the winner; None if no network of the search has all its results."""
    validation: tuple[Standing, ...]
    """The comparison, by falling mean fitness."""
    full_validation: tuple[Standing, ...]
    """The full trainings, on the validation split."""
    test: tuple[Standing, ...]
    """The trainings of the comparison of the winner and the networks beside, on the test split."""
    full_test: tuple[Standing, ...]
    """The full trainings, on the test split."""

    @property
    def headline(self) -> str:
        """Measure of the tables: `top1`, or `fitness` where videos have several labels."""
        has_top1 = all("top1" in one.measures for one in self.validation if one.seeds)
        return "top1" if has_top1 else "fitness"

    def difference(
        self, standings: Sequence[Standing], network: str, measure: str
    ) -> MeanDifference | None:
        """Return the winner's measure minus that of a network, in pairs of equal seeds.

        None for the winner itself, and if the two have fewer than one seed in common.
        """
        own = next((one for one in standings if one.network == self.winner), None)
        other = next((one for one in standings if one.network == network), None)
        if own is None or other is None or network == self.winner:
            return None
        first = dict(zip(own.seeds, own.measures.get(measure, ())))
        second = dict(zip(other.seeds, other.measures.get(measure, ())))
        common = [seed for seed in first if seed in second]
        if not common:
            return None
        return paired_difference([first[s] for s in common], [second[s] for s in common])

    def better_beside(self) -> tuple[str, ...]:
        """Return the networks beside whose mean fitness is higher than the winner's."""
        means = {
            one.network: interval.mean
            for one in self.validation
            if (interval := one.interval("fitness")) is not None and not one.failed
        }
        if self.winner is None:
            return ()
        return tuple(
            name
            for name, mean in means.items()
            if not self.plan.contestant(name).can_win and mean > means[self.winner]
        )


def standings_of(plan: Plan, records: Records) -> Standings:
    """Return the results of finals, as far as their trainings are done."""
    if not _are_finished(records, rate_trainings(plan)):
        return Standings(
            plan=plan, winner=None, validation=(), full_validation=(), test=(), full_test=()
        )
    compared = {one.name: comparison_trainings(plan, one, records) for one in plan.contestants}
    validation = [
        _standing(plan, one, records, compared[one.name], plan.steps) for one in plan.contestants
    ]
    is_compared = _are_finished(records, [one for own in compared.values() for one in own])
    winner = winner_of(plan, records) if is_compared else None
    full: tuple[Training, ...] = ()
    looked: list[Contestant] = []
    if winner is not None:
        full = full_trainings(plan, winner, records)
        looked = [winner, *(one for one in plan.contestants if not one.can_win)]
    return Standings(
        plan=plan,
        winner=None if winner is None else winner.name,
        validation=tuple(sorted(validation, key=_rank)),
        full_validation=_present(
            _standing(plan, plan.contestant(one.network), records, [one], plan.full_steps)
            for one in full
        ),
        test=_present(
            _standing(plan, one, records, compared[one.name], plan.steps, look_name)
            for one in looked
        ),
        full_test=_present(
            _standing(
                plan, plan.contestant(one.network), records, [one], plan.full_steps, look_name
            )
            for one in full
        ),
    )


def _are_finished(records: Records, trainings: Iterable[Training]) -> bool:
    found = [records.get(training.name) for training in trainings]
    return all(one is not None and one.status in ("done", "failed") for one in found)


def _rank(standing: Standing) -> tuple[bool, float]:
    """Return the place of a network: networks with a failed training are last."""
    interval = standing.interval("fitness")
    return bool(standing.failed), -interval.mean if interval is not None else 0.0


def _present(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    return tuple(one for one in standings if one.seeds)


def _standing(
    plan: Plan,
    contestant: Contestant,
    records: Records,
    trainings: Sequence[Training],
    steps: int,
    name_of: Callable[[str], str] = str,
) -> Standing:
    found = [records.get(name_of(training.name)) for training in trainings]
    done = [one for one in found if one is not None and one.status == "done"]
    return Standing(
        network=contestant.name,
        steps=steps,
        learning_rate=chosen_rate(plan, contestant, records),
        seeds=tuple(one.seed for one in done if one.seed is not None),
        failed=len(found) - len(done),
        measures=_measures(done),
    )


def _measures(done: Sequence[TrainingRecord]) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for name in dict.fromkeys(["fitness", *(key for one in done for key in one.measures)]):
        values = [one.measure(name) for one in done]
        if values and all(value is not None for value in values):
            found[name] = tuple(value for value in values if value is not None)
    return found


def standings_to_json(standings: Standings) -> dict[str, Any]:
    """Return the JSON object of `table.json` (docs/schemas/finals.schema.json)."""
    plan = standings.plan
    return {
        "schema": RESULTS_SCHEMA,
        "schema_version": RESULTS_VERSION,
        "winner": standings.winner,
        "headline": standings.headline,
        "split": plan.split,
        "test_split": plan.test_split,
        "networks": [
            {
                name: getattr(one, name)
                for name in (
                    *("name", "origin", "source", "fitness", "dropped"),
                    *("parameters", "multiply_adds"),
                )
            }
            for one in plan.contestants
        ],
        **{
            table: [
                _standing_to_json(standings, getattr(standings, table), one)
                for one in getattr(standings, table)
            ]
            for table in ("validation", "full_validation", "test", "full_test")
        },
        "better_beside": list(standings.better_beside()),
        "notes": list(plan.notes),
    }


def _standing_to_json(
    standings: Standings, table: Sequence[Standing], one: Standing
) -> dict[str, Any]:
    difference = standings.difference(table, one.network, standings.headline)
    return {
        "network": one.network,
        "steps": one.steps,
        "learning_rate": one.learning_rate,
        "seeds": list(one.seeds),
        "failed": one.failed,
        "measures": {name: list(values) for name, values in one.measures.items()},
        "intervals": {name: _interval_to_json(one.interval(name)) for name in one.measures},
        "winner_minus_this": None
        if difference is None
        else {**_interval_to_json(difference.difference), "p": difference.p},
    }


def _interval_to_json(interval: MeanInterval | None) -> dict[str, Any]:
    return {} if interval is None else attrs.asdict(interval)
