"""Choose the networks of searches, and train networks, for the studies `figure4` and `table3`.

The three best networks of a search are trained afresh, and the best of them on the validation split
is its network. Choices have the seed 0; the reported trainings have the seeds 1, 2, ... and are
evaluated on the test split, which chooses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import attrs

from anetc.data.folds import with_all_groups
from anetc.data.spec import parse_spec, spec_text
from anetc.study.networks import StudyNetwork
from anetc.study.searches import SearchPlan
from anetc.study.trainings import Training, Trainings, TrialPlan
from anetdsl.evolve.contract import TrialJob, TrialResult


@attrs.frozen(kw_only=True)
class ComparisonPlan(TrialPlan):
    """Data of searches and trainings, and their budgets."""

    methods: tuple[str, ...]
    seeds: int = 5
    """Number of searches with each method."""
    candidates: int = 36
    population: int = 8
    tournament: int = 3
    edge_optimiser: str = "sgd"
    compared: int = 3
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
    """Return the one of the best candidates that is the best on the validation split afresh."""
    found = [
        (trainings.run(choice(plan, network)).fitness or 0.0, network)
        for network in best[: plan.compared]
    ]
    return max(found, key=lambda pair: pair[0])[1]


def choice(plan: ComparisonPlan, network: StudyNetwork, **changes: Any) -> Training:
    """Return a training from the start by which a network or a setting is chosen.

    Its seed is 0, so that the reported trainings are independent of it. Searches with the same seed
    share their initial networks, and so the trainings of these.
    """
    settings = {**plan.training(), "iterations": plan.final_iterations, **changes, "seed": 0}
    job = TrialJob(data=plan.data, folds=plan.folds, settings=settings, recipe=plan.recipe)
    return Training(f"afresh-{settings['iterations']}-0", network.text, job)


def reported(
    plan: ComparisonPlan, network: StudyNetwork, seed: int, iterations: int, **changes: Any
) -> Training:
    """Return a reported training from the start, which is evaluated on the test split.

    Where the data have folds, it is trained on all of their groups, and has no validation split.
    """
    settings = {**plan.training(), "iterations": iterations, **changes, "seed": seed}
    spec = parse_spec(plan.data)
    whole = with_all_groups(spec)
    job = TrialJob(
        data=spec_text(whole),
        split="validation" if whole == spec else "test",
        settings=settings,
        recipe=plan.recipe,
    )
    return Training(f"afresh-{iterations}-{seed}", network.text, job, test=whole == spec)


def accuracies(result: TrialResult) -> tuple[float | None, float]:
    """Return the validation and the test top-1 of a reported training, in per cent.

    A training on all groups of the folds has no validation split, and None as the first value.
    """
    if "test_top1" in result.measures:
        return _measure(result, "top1"), _measure(result, "test_top1")
    return None, _measure(result, "top1")


def _measure(result: TrialResult, name: str) -> float:
    value = result.measures.get(name)
    return math.nan if value is None else value
