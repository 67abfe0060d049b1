"""The report of several runs: methods compared, over several seeds each (Figure 4)."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

import attrs

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.charts import Axis, Line, plot
from anetdsl.report.facts import (
    Curve,
    best_curve,
    judged,
    last_round,
    ranked,
    reached,
    top_three_curve,
    value_at,
)
from anetdsl.report.markup import Markup, TableColumn, figure, joined, paragraph, table, text
from anetdsl.report.page import Section, page
from anetdsl.report.pictures import Artist
from anetdsl.report.sections.costs import compared_costs
from anetdsl.report.sections.networks import network_figure
from anetdsl.report.sections.summary import flat
from anetdsl.report.words import fitness_label
from anetdsl.terminal import duration

_MEASURED = ("mean of the top three", "best")


@attrs.frozen
class Group:
    """Runs that differ in their seeds alone, and perhaps in how far they are."""

    name: str
    runs: tuple[Run, ...]


def groups_of(runs: Sequence[Run]) -> tuple[Group, ...]:
    """The runs by method, and by whatever else differs; the groups in the order they come in."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[json.dumps(_asked(run), sort_keys=True)].append(run)
    asked = [json.loads(key) for key in found]
    named = []
    for mine in asked:
        twins = [other for other in asked if other["method"] == mine["method"]]
        differing = [key for key in mine if any(other.get(key) != mine[key] for other in twins)]
        more = ", ".join(f"{key.rpartition('.')[2]} {mine[key]}" for key in differing)
        named.append(f"{mine['method']}, {more}" if more else mine["method"])
    # Twins that differ in settings one of them does not have are told apart by their runs.
    return tuple(
        Group(name if named.count(name) == 1 else f"{name} ({members[0].name})", tuple(members))
        for name, members in zip(named, found.values())
    )


def _asked(run: Run) -> dict[str, str]:
    """What must be the same for two runs to be repetitions of one another."""
    running = {"inherit": run.running.inherit, "halving": run.running.halving}
    values = flat({**attrs.asdict(run.settings), "trial": run.trial, "running": running})
    for free in ("seed", "rounds", "trial.settings.seed"):
        values.pop(free, None)
    return values


def comparison(runs: Sequence[Run], artist: Artist) -> str:
    """The page about several runs, HTML."""
    groups = groups_of(runs)
    said = ", ".join(f"{group.name} ({_count(group)})" for group in groups)
    lead = paragraph(text(f"{len(runs)} searches compared: {said}."))
    return page("Searches compared", lead, list(_sections(groups, artist)))


def _count(group: Group) -> str:
    return "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs"


def _sections(groups: tuple[Group, ...], artist: Artist) -> Iterator[Section]:
    curves = joined([_curves(groups), _each_run(groups)])
    yield Section("fitness", "Fitness over rounds", curves)
    yield Section("finals", "Results", joined([_finals(groups), _runs(groups)]))
    judged_of = {group.name: [one for run in group.runs for one in judged(run)] for group in groups}
    if any(judged_of.values()):
        yield Section("cost", "Cost and fitness", compared_costs(judged_of))
        best = [
            network_figure(ranked(candidates)[0], artist, of=name)
            for name, candidates in judged_of.items()
            if candidates
        ]
        yield Section("networks", "The best network of each", joined(best))


def _far_enough(groups: Sequence[Group]) -> tuple[list[Group], int, list[str]]:
    """The groups with the runs to compare, the last round that these have, and who was left out.

    A run that has only begun would leave nothing to compare: who has less than half as many rounds
    as the furthest run is left out.
    """
    furthest = max((last_round(run) for group in groups for run in group.runs), default=0)

    def is_compared(run: Run) -> bool:
        return bool(judged(run)) and 2 * last_round(run) >= furthest

    kept = [attrs.evolve(group, runs=tuple(filter(is_compared, group.runs))) for group in groups]
    last = min((last_round(run) for group in kept for run in group.runs), default=0)
    left_out = [run.name for group in groups for run in group.runs if not is_compared(run)]
    return kept, last, left_out


def _fitness(groups: Sequence[Group]) -> str:
    return fitness_label(record for group in groups for run in group.runs for record in run.records)


def _stairs(curve: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """A curve as points to be joined by straight lines."""
    points: list[tuple[float, float]] = []
    for round, value in curve:
        if points and points[-1][1] != value:
            points.append((round, points[-1][1]))
        points.append((round, value))
    return points


def _spread(curves: Sequence[Curve], last: int) -> list[tuple[int, float, float, float]]:
    """(round, lowest, mean, highest) of curves, at the rounds where one changes, up to `last`."""
    curves = [curve for curve in curves if curve]
    if not curves:
        return []
    first = max(curve[0][0] for curve in curves)
    rounds = {round for curve in curves for round, _ in curve if first <= round <= last}
    points = []
    for round in sorted(rounds | ({last} if last >= first else set())):
        values = [value for curve in curves if (value := value_at(curve, round)) is not None]
        points.append((round, min(values), statistics.fmean(values), max(values)))
    return points


def methods_chart(runs: Sequence[Run], *, alone: bool) -> str:
    """The methods' curves, SVG: standing `alone`, with its heading, or within a page."""
    groups, last, _ = _far_enough(groups_of(runs))
    lines = []
    for color, group in enumerate(groups):
        spread = _spread([top_three_curve(run) for run in group.runs], last)
        lines.append(
            Line(
                f"{group.name} ({_count(group)})",
                _stairs([(round, mean) for round, _, mean, _ in spread]),
                band=_band(spread) if len(group.runs) > 1 else (),
                color=color,
            )
        )
    return plot(
        lines,
        title="Mean fitness of the top three over the rounds, by method",
        description="; ".join(
            f"{line.name} ends at {line.points[-1][1]:.2f}" for line in lines if line.points
        ),
        x=Axis("round (candidates, in order)", whole=True, low=0, high=max(last, 1)),
        y=Axis(_fitness(groups)),
        heading=alone,
        styled=alone,
        width=960,
        height=420,
    )


def _curves(groups: Sequence[Group]) -> Markup:
    _, last, left_out = _far_enough(groups)
    who = f"which all have but {', '.join(left_out)}" if left_out else "which all of them have"
    return figure(
        "Mean of the top three, by method",
        Markup(methods_chart([run for group in groups for run in group.runs], alone=False)),
        "As in Figure 4 of the paper: the mean fitness of the three best candidates up to each "
        "round. Lines are means over a method's runs, which differ in their seeds; bands reach "
        f"from the lowest run to the highest. Up to round {last}, {who}.",
    )


def _band(
    spread: Sequence[tuple[int, float, float, float]],
) -> list[tuple[float, float, float]]:
    """The band's points, in steps as the line's."""
    band: list[tuple[float, float, float]] = []
    for round, low, _, high in spread:
        if band:
            band.append((round, *band[-1][1:]))
        band.append((round, low, high))
    return band


def _each_run(groups: Sequence[Group]) -> Markup:
    lines = [
        Line(
            group.name if number == 0 else "",
            top_three_curve(run),
            color=color,
            stepped=True,
        )
        for color, group in enumerate(groups)
        for number, run in enumerate(group.runs)
    ]
    chart = plot(
        lines,
        title="Mean fitness of the top three over the rounds, each run",
        x=Axis("round (candidates, in order)", whole=True, low=0),
        y=Axis(_fitness(groups)),
        heading=False,
        styled=False,
        width=960,
    )
    return figure("Each run", Markup(chart), "The same, a line for each run, to its own end.")


def _finals(groups: Sequence[Group]) -> Markup:
    """Each method's results at the last round that all have."""
    groups, last, left_out = _far_enough(groups)
    ends: dict[str, list[list[float]]] = {}
    for group in groups:
        curves = [(top_three_curve(run), best_curve(run)) for run in group.runs]
        ends[group.name] = [
            [value for pair in curves if (value := value_at(pair[which], last)) is not None]
            for which in range(len(_MEASURED))
        ]
    means = [statistics.fmean(three) for three, _ in ends.values() if three]
    level = min(means, default=None)
    rows = []
    for group in groups:
        three, best = ends[group.name]
        rows.append(
            (
                group.name,
                len(group.runs),
                statistics.fmean(three) if three else None,
                statistics.stdev(three) if len(three) > 1 else None,
                statistics.fmean(best) if best else None,
                statistics.stdev(best) if len(best) > 1 else None,
                max(best, default=None),
                *_reaching(group, level),
            )
        )
    reached_it = "reached" if level is None else f"reached {level:.2f}"
    columns = (
        TableColumn("method"),
        TableColumn("runs", "number"),
        TableColumn("top three, mean", "number", 2),
        TableColumn("sd", "number", 2),
        TableColumn("best, mean", "number", 2),
        TableColumn("sd", "number", 2),
        TableColumn("best of all", "number", 2),
        TableColumn(reached_it, "number"),
        TableColumn("after rounds, mean", "number", 1),
    )
    who = f"all runs have but {', '.join(left_out)}" if left_out else "all runs have"
    caption = (
        f"At round {last}, which {who}. sd: the standard deviation over runs (n - 1). The "
        "last two columns: how many runs got to where the lowest method ends, by the mean of the "
        "top three, and how many rounds these took on average."
    )
    return table(columns, rows, caption=caption)


def _reaching(group: Group, level: float | None) -> tuple[int | None, float | None]:
    """How many runs of a group reached a level, and after how many rounds on average."""
    if level is None:
        return None, None
    rounds = [reached(top_three_curve(run), level) for run in group.runs]
    known = [round for round in rounds if round is not None]
    return len(known), statistics.fmean(known) if known else None


def _runs(groups: Sequence[Group]) -> Markup:
    """Each run's own end."""
    rows = []
    for group in groups:
        for run in group.runs:
            candidates = judged(run)
            three = top_three_curve(run)
            best = ranked(candidates)
            spent = sum(record.seconds or 0.0 for record in run.records)
            rows.append(
                (
                    run.name,
                    group.name,
                    run.settings.seed,
                    len(candidates),
                    sum(record.status == "failed" for record in run.records),
                    three[-1][1] if three else None,
                    best[0].fitness if best else None,
                    best[0].name if best else "",
                    duration(spent) if spent else "",
                )
            )
    columns = (
        TableColumn("run"),
        TableColumn("method"),
        TableColumn("seed", "number"),
        TableColumn("done", "number"),
        TableColumn("failed", "number"),
        TableColumn("top three", "number", 2),
        TableColumn("best", "number", 2),
        TableColumn("best network"),
        TableColumn("training"),
    )
    return table(columns, rows, caption="Each run, at its own end.")
