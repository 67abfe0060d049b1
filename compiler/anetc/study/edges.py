"""The study `edges`: whether learned edge weights mark the edges that matter (equation 2).

For each setting of the training of edge weights, network and seed:

1. The network is trained in the budget of a trial, and learns edge weights.
2. Half of the edges that learned a weight is kept: those of the highest weight, random ones, or
   those of the lowest weight (`halves`).
3. The three networks are trained afresh, from other initial weights, in the same budget and with
   the default setting. So the random half is the same for all settings.

Edge weights guide if upper > random > lower, with intervals of the paired differences above 0.
"""

from __future__ import annotations

import functools
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from anetc.study.halves import HALVES, Half, half_of, learned_pairs, with_half
from anetc.study.networks import StudyNetwork
from anetc.study.trainings import Case, Diverged, Training, Trainings, TrialPlan
from anetc.training.settings import TrainSettings
from anetdsl.confidence import mean_interval, paired_difference
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialJob, TrialResult
from anetdsl.result_tables import interval_text, markdown_table, p_text
from anetdsl.settings_reader import option_values, read_value

FIXED = "edge_rate=0"
"""The setting that learns no edge weights: all stay at their initial values near 0.5."""
SETTINGS = (
    "edge_rate=50",
    "edge_optimiser=adam,edge_rate=0.25",
    "edge_rate=4",
    "edge_rate=200",
    "edge_optimiser=normalised,edge_rate=0.02",
    "edge_optimiser=adam,edge_rate=1",
    "edge_rate=20",
    FIXED,
)
"""Settings to try, the most informative ones first."""
EXAMPLES = ("small_assemblenet", "small_four_stream_fully")
_AFRESH = 1_000_000
"""Difference of the seeds of the trainings of halves and of the training before."""
_NEAR_HALF = 0.05


@attrs.frozen(kw_only=True)
class EdgesPlan(TrialPlan):
    """Networks, settings and budget of the study. `edge_rate` is that of halves."""

    settings: tuple[str, ...] = SETTINGS
    seeds: int = 3
    examples: tuple[str, ...] = EXAMPLES
    random: int = 4
    """Number of random networks."""

    def training_settings(self, seed: int, changes: Mapping[str, Any] = {}) -> dict[str, Any]:
        """Return the settings of a training."""
        return {**self.training(), **changes, "seed": seed}


@attrs.frozen
class LearnedWeights:
    """Edge weights that a network has learned with a setting and a seed."""

    setting: str
    network: str
    seed: int
    weights: tuple[float, ...]


@attrs.frozen
class EdgesRow:
    """The result of a case."""

    setting: str
    network: str
    seed: int
    weights: tuple[float, ...]
    """Learned weights."""
    whole: float
    """Fitness of the network that learned the weights."""
    edges: int
    """Number of edges that can be dropped."""
    kept: Mapping[Half, int]
    """Number of these edges in each half."""
    fitness: Mapping[Half, float]
    """Fitness of each half, trained afresh."""


def read_setting(text: str) -> dict[str, Any]:
    """Return the training settings of a text such as `edge_optimiser=adam,edge_rate=0.25`.

    Raise CannotRun for a name or a value that training does not have.
    """
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value:
            raise CannotRun(f"--setting {text}: write NAME=VALUE,..., such as edge_rate=50")
        values[name] = _number(value)
    read_value(option_values(values), TrainSettings)
    return values


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def edges_cases(plan: EdgesPlan, networks: Sequence[StudyNetwork]) -> Iterator[Case[EdgesRow]]:
    """Yield the cases, seed by seed, and for each seed setting by setting."""
    for seed in range(plan.seeds):
        for setting in plan.settings:
            for network in networks:
                compute = functools.partial(_row, plan, setting, network, seed)
                yield Case(f"{setting}, {network.name}, seed {seed}", compute)


def learned_cases(
    plan: EdgesPlan, networks: Sequence[StudyNetwork]
) -> Iterator[Case[LearnedWeights]]:
    """Yield the first training of each case alone, to compare the weights of several seeds."""
    for case_seed in range(plan.seeds):
        for setting in plan.settings:
            for network in networks:
                compute = functools.partial(_learned, plan, setting, network, case_seed)
                yield Case(f"{setting}, {network.name}, seed {case_seed}", compute)


def _learned(
    plan: EdgesPlan, setting: str, network: StudyNetwork, seed: int, trainings: Trainings
) -> LearnedWeights:
    result = _learn(plan, setting, network, seed, trainings)
    return LearnedWeights(setting, network.name, seed, _flat(result.edges))


def _learn(
    plan: EdgesPlan, setting: str, network: StudyNetwork, seed: int, trainings: Trainings
) -> TrialResult:
    """Train a network with a setting of the training of edge weights."""
    settings = plan.training_settings(seed, read_setting(setting))
    return _train(plan, network, f"{_slug(setting)}-{network.name}-{seed}", settings, trainings)


def _train(
    plan: EdgesPlan,
    network: StudyNetwork,
    name: str,
    settings: Mapping[str, Any],
    trainings: Trainings,
) -> TrialResult:
    job = TrialJob(data=plan.data, settings=settings)
    return trainings.run(Training(name, network.text, job))


def _flat(edges: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    return tuple(weight for values in edges.values() for weight in values)


def _row(
    plan: EdgesPlan, setting: str, network: StudyNetwork, seed: int, trainings: Trainings
) -> EdgesRow:
    learned = _learn(plan, setting, network, seed, trainings)
    parsed = network.network
    halves = {half: half_of(parsed, half, learned.edges, seed) for half in HALVES}
    settings = plan.training_settings(_AFRESH + seed)
    fitness = {}
    for half, kept in halves.items():
        name = f"half-{network.name}-{half}-{seed}"
        made = with_half(network, half, kept)
        try:
            fitness[half] = _train(plan, made, name, settings, trainings).fitness or 0.0
        except Diverged:
            fitness[half] = 0.0
    return EdgesRow(
        setting=setting,
        network=network.name,
        seed=seed,
        weights=_flat(learned.edges),
        whole=learned.fitness or 0.0,
        edges=len(learned_pairs(parsed)),
        kept={half: len(kept) for half, kept in halves.items()},
        fitness=fitness,
    )


def _slug(setting: str) -> str:
    return setting.replace("edge_", "").replace("=", "").replace(",", "-")


HEADER = (
    *("setting", "sd of weights", "within 0.05 of 0.5", "agreement of seeds"),
    *("whole", "upper", "random", "lower"),
    *("upper - random", "random - lower", "upper - lower", "p", "pairs"),
)


_COMPARED: tuple[tuple[Half, Half], ...] = (
    ("upper", "random"),
    ("random", "lower"),
    ("upper", "lower"),
)


def edges_table(
    plan: EdgesPlan, rows: Sequence[EdgesRow], learned: Sequence[LearnedWeights]
) -> str:
    """Return the measure of each setting as Markdown: means over networks and seeds.

    Differences are those of halves of one network and seed, with 95 % intervals of Student's t; p
    is that of upper - lower. The agreement is Spearman's correlation of the weights that two seeds
    learn in the same network: without it weights depend on chance.
    """
    lines = []
    for setting in plan.settings:
        own = [row for row in rows if row.setting == setting]
        if own:
            weights = [one for one in learned if one.setting == setting]
            lines.append([f"`{setting}`", *_cells(own, weights)])
    return markdown_table(HEADER, lines)


def _cells(rows: Sequence[EdgesRow], learned: Sequence[LearnedWeights]) -> list[str]:
    weights = [weight for row in rows for weight in row.weights]
    near = statistics.fmean(abs(weight - 0.5) <= _NEAR_HALF for weight in weights)
    fitness = {half: [row.fitness[half] for row in rows] for half in HALVES}
    differences = [paired_difference(fitness[one], fitness[other]) for one, other in _COMPARED]
    return [
        f"{statistics.pstdev(weights):.2f}",
        f"{100 * near:.0f} %",
        _agreement(learned),
        f"{mean_interval([row.whole for row in rows]).mean:.1f}",
        *(f"{statistics.fmean(fitness[half]):.1f}" for half in HALVES),
        *(interval_text(value.difference, signed=True) for value in differences),
        p_text(differences[-1].p),
        str(len(rows)),
    ]


def _agreement(learned: Sequence[LearnedWeights]) -> str:
    """Return the mean correlation of the weights of one network that two seeds have learned."""
    found = [
        rank_correlation(one.weights, other.weights)
        for one, other in itertools.combinations(learned, 2)
        if one.network == other.network
    ]
    known = [value for value in found if value is not None]
    return f"{statistics.fmean(known):.2f}" if known else ""


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; None if all values of a sequence are equal."""
    try:
        return statistics.correlation(_ranks(first), _ranks(second))
    except statistics.StatisticsError:
        return None


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks of values; equal values have the mean of their ranks."""
    return [
        sum(other < value for other in values) + (values.count(value) - 1) / 2 for value in values
    ]


def by_network_table(rows: Sequence[EdgesRow]) -> str:
    """Return upper - lower of each network and setting as Markdown, with standard errors."""
    settings = list(dict.fromkeys(row.setting for row in rows))
    networks = list(dict.fromkeys(row.network for row in rows))
    lines = [
        [network, *(_difference(rows, network, setting) for setting in settings)]
        for network in networks
    ]
    return markdown_table(["upper - lower", *(f"`{setting}`" for setting in settings)], lines)


def _difference(rows: Sequence[EdgesRow], network: str, setting: str) -> str:
    found = [
        row.fitness["upper"] - row.fitness["lower"]
        for row in rows
        if (row.network, row.setting) == (network, setting)
    ]
    if not found:
        return ""
    interval = mean_interval(found)
    error = interval.standard_error
    return f"{interval.mean:+.1f}" + (f" ± {error:.1f}" if error is not None else "")
