"""The trainings of the finals, stage by stage. Each stage depends on the results before it.

rate         each network with each learning rate, one seed; if there are rates to choose from
comparison   each network with its learning rate and all seeds
full         the winner for the full number of steps
test         an evaluation of trained weights on the test split, once all else is decided

The functions of this module are pure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import attrs

from anetdsl.evolve.contract import TrialJob
from anetdsl.evolve.finals.plan import Contestant, Plan
from anetdsl.evolve.trainings.training import Training, TrainingRecord, fresh_trainings
from anetdsl.evolve.trainings.training_folder import TrainingFolder

Stage = Literal["rate", "comparison", "full", "test"]
STAGES: tuple[Stage, ...] = get_args(Stage)

Records = Mapping[str, TrainingRecord]
"""Records of trainings by name."""


def _rate(plan: Plan, contestant: Contestant, rate: float) -> Training:
    (training,) = fresh_trainings(
        contestant.name,
        contestant.text,
        plan.trial,
        iterations=plan.steps,
        seeds=[plan.rate_seed],
        learning_rate=rate,
        stage="rate",
        label=f"{rate:g}",
    )
    return training


def rate_trainings(plan: Plan) -> tuple[Training, ...]:
    """Return the trainings by which learning rates are chosen: none for fewer than two rates."""
    rates = plan.settings.learning_rates
    if len(rates) < 2:
        return ()
    return tuple(_rate(plan, one, rate) for one in plan.contestants for rate in rates)


def chosen_rate(plan: Plan, contestant: Contestant, records: Records) -> float | None:
    """Return the learning rate of a network: the best one of its trainings with each rate.

    Of equal ones it is the first in the list. None: the rate of the candidates, as no rates are
    given. If all trainings failed, it is the lowest rate.
    """
    rates = plan.settings.learning_rates
    if len(rates) < 2:
        return rates[0] if rates else None
    found = [(records[_rate(plan, contestant, rate).name].fitness, rate) for rate in rates]
    done = [(fitness, rate) for fitness, rate in found if fitness is not None]
    return max(done, key=lambda one: one[0])[1] if done else min(rates)


def comparison_trainings(
    plan: Plan, contestant: Contestant, records: Records
) -> tuple[Training, ...]:
    """Return the trainings of a network that are compared, by seed."""
    return fresh_trainings(
        contestant.name,
        contestant.text,
        plan.trial,
        iterations=plan.steps,
        seeds=plan.seeds,
        learning_rate=chosen_rate(plan, contestant, records),
        stage="comparison",
    )


def complete_results(
    plan: Plan, contestant: Contestant, records: Records
) -> tuple[TrainingRecord, ...] | None:
    """Return the results of a network by seed; None if a training is missing or has failed."""
    found = [records.get(one.name) for one in comparison_trainings(plan, contestant, records)]
    done = tuple(one for one in found if one is not None and one.status == "done")
    return done if len(done) == len(found) else None


def winner_of(plan: Plan, records: Records) -> Contestant | None:
    """Return the network of the search with the highest mean fitness; None if all have failed.

    A network of which a training failed cannot win. Of equal ones, the one with fewer multiply-adds
    wins.
    """
    means = [
        (statistics.fmean(one.fitness or 0.0 for one in found), contestant)
        for contestant in plan.contestants
        if contestant.can_win and (found := complete_results(plan, contestant, records)) is not None
    ]
    if not means:
        return None
    return max(means, key=lambda one: (one[0], -one[1].multiply_adds))[1]


def full_trainings(plan: Plan, winner: Contestant, records: Records) -> tuple[Training, ...]:
    """Return the full training of the winner and, if asked for, of the networks beside it."""
    contestants = [winner]
    if plan.settings.full_beside:
        contestants += [one for one in plan.contestants if not one.can_win]
    return tuple(
        training
        for contestant in contestants
        for training in fresh_trainings(
            contestant.name,
            contestant.text,
            plan.trial,
            iterations=plan.full_steps,
            seeds=plan.seeds[:1],
            learning_rate=chosen_rate(plan, contestant, records),
            stage="full",
        )
    )


def test_looks(
    plan: Plan, winner: Contestant, records: Records, folder: TrainingFolder
) -> tuple[Training, ...]:
    """Return the evaluations on the test split: of the winner and of the networks beside it.

    Their trainings of the comparison and their full trainings are evaluated, as far as they are
    done.
    """
    compared = [
        training
        for contestant in plan.contestants
        if contestant == winner or not contestant.can_win
        for training in comparison_trainings(plan, contestant, records)
    ]
    looks = []
    for training in [*full_trainings(plan, winner, records), *compared]:
        record = records.get(training.name)
        if record is not None and record.status == "done":
            looks.append(_look(plan, training, record, folder))
    return tuple(looks)


def look_name(training: str) -> str:
    """Return the name of the evaluation of a training on the test split."""
    return f"{training}-test"


def _look(
    plan: Plan, training: Training, record: TrainingRecord, folder: TrainingFolder
) -> Training:
    job = TrialJob(
        data=training.job.data,
        split=plan.test_split,
        settings=training.job.settings,
        recipe=training.job.recipe,
        device=training.job.device,
        evaluate=str(folder.trial_folder(record).weights.absolute()),
    )
    return attrs.evolve(training, name=look_name(training.name), job=job, stage="test")


def training_counts(plan: Plan) -> Mapping[Stage, int]:
    """Return the number of trainings of each stage, if none fails."""
    beside = sum(not one.can_win for one in plan.contestants)
    full = 1 + (beside if plan.settings.full_beside else 0)
    return {
        "rate": len(rate_trainings(plan)),
        "comparison": len(plan.contestants) * plan.settings.seeds,
        "full": full,
        "test": (1 + beside) * plan.settings.seeds + full,
    }


def done_in(stage: Stage, records: Sequence[TrainingRecord]) -> int:
    """Return how many trainings of a stage are done or have failed."""
    return sum(one.stage == stage and one.status in ("done", "failed") for one in records)
