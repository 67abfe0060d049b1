"""Write the results of the finals as Markdown."""

from __future__ import annotations

from anetdsl.confidence import MeanDifference, MeanInterval
from anetdsl.evolve.finals.plan import Contestant, Plan
from anetdsl.evolve.finals.standings import Standings
from anetdsl.result_tables import interval_text, markdown_table, p_text
from anetdsl.terminal import visible

ORIGINS = {"search": "search", "pruned": "search, pruned", "beside": "beside"}
MEASURES = {"top1": "top-1, %", "top5": "top-5, %", "fitness": "fitness"}


def finals_page(standings: Standings, name: str) -> str:
    """Return the Markdown page of finals: the networks, the comparison and the test.

    `name` is that of the search.
    """
    plan = standings.plan
    parts = [f"# Finals of {visible(name)}", "", *finals_lead(standings), ""]
    parts += [
        f"## Comparison on the {plan.split} split",
        "",
        comparison_caption(plan),
        "",
        markdown_table(*comparison_rows(standings)).rstrip("\n"),
    ]
    if standings.test or standings.full_test:
        parts += ["", f"## The {plan.test_split} split, evaluated once, at the end", ""]
        if plan.test_split == plan.split:
            parts += [SAME_SPLIT, ""]
        parts.append(markdown_table(*test_rows(standings)).rstrip("\n"))
    if notes := remarks(standings):
        parts += ["", "## Remarks", "", *(f"- {visible(note)}" for note in notes)]
    return "\n".join(parts) + "\n"


SAME_SPLIT = (
    "The winner was chosen by this split, so its result is too good by chance: no videos were held "
    "out."
)


def finals_lead(standings: Standings) -> list[str]:
    """Return sentences about the winner."""
    if standings.winner is None:
        return ["The trainings are not finished, so there is no winner yet."]
    winner = standings.plan.contestant(standings.winner)
    lines = [
        f"The winner is {visible(winner.name)} ({ORIGINS[winner.origin]}): it has the highest mean "
        f"fitness on the {standings.plan.split} split among the networks of the search."
    ]
    if better := standings.better_beside():
        names = ", ".join(map(visible, better))
        lines.append(f"Networks beside the search with a higher mean: {names}.")
    return lines


def comparison_caption(plan: Plan) -> str:
    """Return how the networks of the comparison were trained, in words."""
    seeds = plan.settings.seeds
    rates = plan.settings.learning_rates
    rate = (
        "the learning rate of the candidates"
        if not rates
        else f"the best of the learning rates {', '.join(f'{rate:g}' for rate in rates)}"
        if len(rates) > 1
        else f"a learning rate of {rates[0]:g}"
    )
    return (
        f"Each network was trained afresh for {plan.steps:,} steps with {seeds} "
        f"seed{'s' if seeds != 1 else ''} and {rate}. Means over the seeds, with 95 % intervals of "
        "Student's t. Difference: the winner minus this network, in pairs of equal seeds."
    )


def comparison_rows(standings: Standings) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of the comparison."""
    measure = standings.headline
    has_rates = bool(standings.plan.settings.learning_rates)
    heading = ["network", "origin", "parameters", "multiply-adds"]
    heading += ["learning rate"] if has_rates else []
    heading += ["fitness", *([MEASURES[measure]] if measure != "fitness" else [])]
    heading += [f"difference, {MEASURES[measure]}", "p"]
    rows = []
    for one in standings.validation:
        contestant = standings.plan.contestant(one.network)
        row = [_name(standings, contestant), ORIGINS[contestant.origin]]
        row += [f"{contestant.parameters:,}", f"{contestant.multiply_adds:,}"]
        if has_rates:
            row.append("" if one.learning_rate is None else f"{one.learning_rate:g}")
        row.append(optional_interval(one.interval("fitness")))
        if measure != "fitness":
            row.append(optional_interval(one.interval(measure)))
        row += _difference(standings.difference(standings.validation, one.network, measure))
        rows.append(row)
    return heading, rows


def test_rows(standings: Standings) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of the test: the full trainings first."""
    measure = standings.headline
    heading = ["network", "training", "steps", "seeds", MEASURES[measure]]
    heading += ["top-5, %"] if measure == "top1" else []
    heading += [f"difference, {MEASURES[measure]}", "p"]
    rows = []
    for training, table in (("full", standings.full_test), ("comparison", standings.test)):
        for one in table:
            row = [_name(standings, standings.plan.contestant(one.network)), training]
            row += [f"{one.steps:,}", str(len(one.seeds)), optional_interval(one.interval(measure))]
            if measure == "top1":
                row.append(optional_interval(one.interval("top5")))
            row += _difference(standings.difference(table, one.network, measure))
            rows.append(row)
    return heading, rows


def _name(standings: Standings, contestant: Contestant) -> str:
    name = visible(contestant.name)
    return f"{name} (winner)" if contestant.name == standings.winner else name


def optional_interval(interval: MeanInterval | None) -> str:
    """Return the text of an interval; a dash if no training gave a value."""
    return "–" if interval is None else interval_text(interval)


def _difference(difference: MeanDifference | None) -> list[str]:
    if difference is None:
        return ["", ""]
    return [interval_text(difference.difference, signed=True), p_text(difference.p)]


def remarks(standings: Standings) -> list[str]:
    """Return remarks about the choice of the networks, and about failed trainings."""
    return [*standings.plan.notes, *_failures(standings)]


def _failures(standings: Standings) -> list[str]:
    return [
        f"{one.failed} of the {one.failed + len(one.seeds)} trainings of {one.network} failed"
        for one in standings.validation
        if standings.winner is not None and one.failed
    ]
