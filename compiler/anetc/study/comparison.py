"""Choose the networks of searches, and train networks, for the studies `figure4` and `table3`.

The three best networks of a search are trained afresh, and the best of them on the validation split
is its network. Choices have the seed 0 (and 101, 102, ... where several are wanted); the reported
trainings have the seeds 1, 2, ... and are evaluated on the test split, which chooses nothing. A
training that diverged is never chosen, and its reported accuracy is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from anetc.data.folds import with_all_groups
from anetc.data.spec import parse_spec, spec_text
from anetc.study.networks import StudyNetwork
from anetc.study.searches import SearchPlan
from anetc.study.trainings import Diverged, Training, TrainingFailed, Trainings, TrialPlan
from anetdsl.confidence import MeanDifference, holm, paired_difference
from anetdsl.evolve.contract import TrialJob
from anetdsl.result_tables import interval_text, p_text

LAST_SEED = 100
"""Last seed of reported trainings. Trainings that choose have the seeds 0 and 101, 102, ..."""


@attrs.frozen(kw_only=True)
class ComparisonPlan(TrialPlan):
    """Data of searches and trainings, and their budgets."""

    methods: tuple[str, ...]
    seeds: int = 5
    """Number of searches with each method, and of reported trainings of an example."""
    first_seed: int = 1
    """Seed of the first of them."""
    candidates: int = 36
    population: int = 8
    tournament: int = 3
    edge_optimiser: str = "sgd"
    finalists: int = 3
    """Number of the best candidates of a search that are trained afresh on the validation split."""
    final_iterations: int = 600
    """Steps of a training afresh."""
    max_params: int | None = None
    """Most parameters of a candidate of a search: those of the largest example."""
    search_data: str | None = None
    """Data of the searches; None for `data`. A search with inherited weights cannot use folds."""
    folds: Literal["one", "all"] = "one"
    """Folds of `data`, if it has some, on which networks and learning rates are chosen."""
    frames: int | None = None
    """Frames of a clip; None for those of the data."""
    size: tuple[int, int] | None = None
    """Height and width of a clip, in pixels; None for those of the data."""

    @property
    def search_seeds(self) -> range:
        """The seeds of the searches."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the clips, where it differs from that of the data."""
        return recipe_of(self.frames, self.size)

    def training(self) -> dict[str, Any]:
        """Return the settings of the training of a candidate, without a seed."""
        return {**super().training(), "edge_optimiser": self.edge_optimiser}


def recipe_of(frames: int | None, size: tuple[int, int] | None) -> dict[str, Any]:
    """Return the recipe of clips with so many frames, and with a height and width."""
    given = {"frames": frames, "size": None if size is None else list(size)}
    return {name: value for name, value in given.items() if value is not None}


def search_plan(plan: ComparisonPlan, method: str, seed: int, **changes: Any) -> SearchPlan:
    """Return the search of a method with a seed."""
    return SearchPlan(
        method=method,
        seed=seed,
        data=plan.search_data or plan.data,
        candidates=plan.candidates,
        population=plan.population,
        tournament=plan.tournament,
        max_params=plan.max_params,
        training=plan.training(),
        recipe=plan.recipe,
        **changes,
    )


def choose(
    plan: ComparisonPlan, best: Sequence[StudyNetwork], trainings: Trainings
) -> StudyNetwork:
    """Train the best candidates afresh, and return the one with the highest validation fitness.

    Raise TrainingFailed if there is none, or all of them diverge.
    """
    found = [(fitness_of(choice(plan, one), trainings), one) for one in best[: plan.finalists]]
    fitness, network = max(found, key=lambda pair: pair[0], default=(-math.inf, None))
    if network is None or fitness == -math.inf:
        raise TrainingFailed("no candidate of the search could be trained")
    return network


def fitness_of(training: Training, trainings: Trainings) -> float:
    """Return the fitness of a training that chooses; minus infinity if it diverged."""
    try:
        return trainings.run(training).fitness or 0.0
    except Diverged:
        return -math.inf


def choice(
    plan: ComparisonPlan, network: StudyNetwork, number: int = 0, **changes: Any
) -> Training:
    """Return a training from initial weights, whose fitness chooses a network or a learning rate.

    The seed is 0 for the first training, and `LAST_SEED` + `number` for each other one. Searches
    with the same seed share their initial networks, and so the trainings of these networks.
    """
    seed = LAST_SEED + number if number else 0
    settings = {**plan.training(), "iterations": plan.final_iterations, **changes, "seed": seed}
    job = TrialJob(data=plan.data, folds=plan.folds, settings=settings, recipe=plan.recipe)
    return Training(f"afresh-{settings['iterations']}-{seed}", network.text, job)


def reported(
    plan: ComparisonPlan, network: StudyNetwork, seed: int, iterations: int, **changes: Any
) -> Training:
    """Return a reported training from initial weights, which is evaluated on the test split.

    If the data have folds, it is trained on all of their groups, and has no validation split.
    """
    settings = {**plan.training(), "iterations": iterations, **changes, "seed": seed}
    spec = parse_spec(plan.data)
    all_groups = with_all_groups(spec)
    has_folds = all_groups != spec
    job = TrialJob(
        data=spec_text(all_groups),
        split="test" if has_folds else "validation",
        settings=settings,
        recipe=plan.recipe,
    )
    return Training(f"afresh-{iterations}-{seed}", network.text, job, test=not has_folds)


def accuracies(training: Training, trainings: Trainings) -> tuple[float | None, float]:
    """Return the validation and the test top-1 of a reported training, in per cent.

    Both are 0 if it diverged. A training on all groups of the folds has no validation split, and
    None as the first value.
    """
    try:
        measures = trainings.run(training).measures
    except Diverged:
        return (0.0 if training.test else None), 0.0
    if training.test:
        return measures["top1"] or 0.0, measures["test_top1"] or 0.0
    return None, measures["top1"] or 0.0


@attrs.frozen
class Comparison:
    """The comparison of two rows of a table, in pairs of equal seeds or networks."""

    test: MeanDifference
    corrected: float | None
    """The p-value after Holm's correction for all comparisons of the table."""


Values = Mapping[Any, float]
"""Accuracy or fitness by seed or by network."""


def compare_rows(rows: Mapping[str, tuple[Values, Values]]) -> dict[str, Comparison]:
    """Return, by name, the differences of the first values to the second ones in pairs.

    A pair has the same seed or network. Rows without a pair are left out.
    """
    tests = {}
    for name, (first, second) in rows.items():
        if pairs := [(first[key], second[key]) for key in first if key in second]:
            tests[name] = paired_difference([one for one, _ in pairs], [two for _, two in pairs])
    known = {name: test.p for name, test in tests.items() if test.p is not None}
    corrected = dict(zip(known, holm(list(known.values()))))
    return {name: Comparison(test, corrected.get(name)) for name, test in tests.items()}


def comparison_cells(comparison: Comparison | None) -> list[str]:
    """Return the cells of a table: difference, p-value and corrected p-value."""
    if comparison is None:
        return ["", "", ""]
    difference = interval_text(comparison.test.difference, signed=True)
    return [difference, p_text(comparison.test.p), p_text(comparison.corrected)]


def accuracy_cells(accuracy: float | None, compared_with: float | None) -> list[str]:
    """Return the cells of one training: accuracy, and `compared_with` - accuracy, if known."""
    if accuracy is None:
        return ["", ""]
    difference = "" if compared_with is None else f"{compared_with - accuracy:+.1f}"
    return [f"{accuracy:.1f}", difference]
