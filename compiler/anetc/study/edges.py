"""The study `edges`: whether learned edge weights mark the edges that matter (equation 2).

For each setting of the training of edge weights, network and seed:

1. The network is trained in the budget of a trial, and learns edge weights.
2. Half of the edges that learned a weight is kept: those of the highest weight, random ones, or
   those of the lowest weight (`halves`).
3. The three networks are trained afresh, from other initial weights, in the same budget and with
   the default setting. So the random half is the same for all settings.

The fitness of a half is the mean over the seeds. Intervals and tests are over networks, because
trainings of one network are not independent. Edge weights guide if upper > random > lower, with
intervals of the paired differences above 0.
"""

from __future__ import annotations

import functools
import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from anetc.study.comparison import compare_rows, comparison_cells
from anetc.study.halves import HALVES, Half, half_of, learned_pairs, with_half
from anetc.study.networks import StudyNetwork
from anetc.study.trainings import Case, Diverged, Training, Trainings, TrialPlan
from anetc.training.settings import TrainSettings
from anetdsl.confidence import mean_interval
from anetdsl.errors import CannotRun
from anetdsl.evolve.contract import TrialJob, TrialResult
from anetdsl.result_tables import markdown_table
from anetdsl.settings_reader import option_values, read_value

T = TypeVar("T")

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
    """Number of edges that learned a weight."""
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
    return _cases(_row, plan, networks)


def learned_cases(
    plan: EdgesPlan, networks: Sequence[StudyNetwork]
) -> Iterator[Case[LearnedWeights]]:
    """Yield the first training of each case alone, to compare the weights of several seeds."""
    return _cases(_learned, plan, networks)


def _cases(
    compute: Callable[..., T], plan: EdgesPlan, networks: Sequence[StudyNetwork]
) -> Iterator[Case[T]]:
    for seed in range(plan.seeds):
        for setting in plan.settings:
            for network in networks:
                name = f"{setting}, {network.name}, seed {seed}"
                yield Case(name, functools.partial(compute, plan, setting, network, seed))


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
    *("upper - random", "random - lower", "upper - lower", "p", "p (Holm)", "networks", "seeds"),
)


def edges_table(
    plan: EdgesPlan, rows: Sequence[EdgesRow], learned: Sequence[LearnedWeights]
) -> str:
    """Return the measure of each setting as Markdown: means over networks.

    Differences are those of halves of one network, averaged over its seeds, with 95 % intervals of
    Student's t over networks. p is that of upper - lower; Holm's correction is for the number of
    settings. The agreement is Spearman's correlation of the weights that two seeds learn in the
    same network: without it weights depend on chance.
    """
    settings = [one for one in plan.settings if any(row.setting == one for row in rows)]
    own = {setting: [row for row in rows if row.setting == setting] for setting in settings}
    fitness = {
        setting: {half: _by_network(own[setting], half) for half in HALVES} for setting in own
    }
    guided = compare_rows({one: (fitness[one]["upper"], fitness[one]["lower"]) for one in settings})
    lines = []
    for setting in settings:
        half = fitness[setting]
        weights = [weight for row in own[setting] for weight in row.weights]
        near = statistics.fmean(abs(weight - 0.5) <= _NEAR_HALF for weight in weights)
        parts = compare_rows(
            {
                "upper - random": (half["upper"], half["random"]),
                "random - lower": (half["random"], half["lower"]),
            }
        )
        lines.append(
            [
                f"`{setting}`",
                f"{statistics.pstdev(weights):.2f}",
                f"{100 * near:.0f} %",
                _agreement([one for one in learned if one.setting == setting]),
                f"{statistics.fmean(row.whole for row in own[setting]):.1f}",
                *(f"{statistics.fmean(half[name].values()):.1f}" for name in HALVES),
                *(comparison_cells(part)[0] for part in parts.values()),
                *comparison_cells(guided[setting]),
                str(len(half["upper"])),
                str(len({row.seed for row in own[setting]})),
            ]
        )
    return markdown_table(HEADER, lines)


def _by_network(rows: Sequence[EdgesRow], half: Half) -> dict[str, float]:
    """Return the fitness of a half by network, as the mean over seeds."""
    names = dict.fromkeys(row.network for row in rows)
    return {
        name: statistics.fmean(row.fitness[half] for row in rows if row.network == name)
        for name in names
    }


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
    """Return upper - lower of each network and setting as Markdown.

    With several seeds it is the mean and its standard error. `edges kept` has the number of edges
    in the halves, which can differ where an edge is the last of its node.
    """
    settings = list(dict.fromkeys(row.setting for row in rows))
    networks = list(dict.fromkeys(row.network for row in rows))
    lines = []
    for network in networks:
        own = [row for row in rows if row.network == network]
        kept = sorted({count for row in own for count in row.kept.values()})
        cells = (_difference(own, network, setting) for setting in settings)
        lines.append([network, f"{' or '.join(map(str, kept))} of {own[0].edges}", *cells])
    header = ["upper - lower", "edges kept", *(f"`{setting}`" for setting in settings)]
    return markdown_table(header, lines)


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
