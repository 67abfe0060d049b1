"""Tabulate the candidates of a search: the population, the failures, all candidates."""

from __future__ import annotations

from collections import Counter

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import (
    current_population,
    has_inherited_steps,
    lineage_steps,
    second_looks,
    spread_of_seeds,
)
from anetdsl.report.markup import Markup, TableColumn, joined, paragraph, table, tag, text
from anetdsl.report.wording import shortened

_MAX_FAILURES = 200
_MAX_WITH_OPERATIONS = 2_000
"""Number of candidates up to which the table of all candidates lists their operations."""
_MAX_OPEN = 60
"""Number of candidates up to which the table of all candidates is open."""
_LONGEST_MESSAGE = 400

_REASONS = {
    "out_of_memory": "out of memory",
    "nan": "a value that is not finite (NaN)",
    "timeout": "timeout",
    "bad_data": "unreadable data",
    "killed": "killed by another process",
    "error": "error",
}
_TOP1, _TOP5 = "top\N{NON-BREAKING HYPHEN}1", "top\N{NON-BREAKING HYPHEN}5"


def population_table(run: Run) -> Markup:
    """Return the table of the population now, by falling fitness."""
    members = current_population(run)
    again = any(one.estimate.trainings > 1 for one in members)
    inherited = has_inherited_steps(run)
    columns = (
        TableColumn("rank", "number"),
        TableColumn("name"),
        TableColumn("fitness", "number", 2),
        *((TableColumn("trainings", "number"),) if again else ()),
        TableColumn(_TOP1, "number", 1),
        TableColumn(_TOP5, "number", 1),
        TableColumn("parameters", "amount"),
        TableColumn("multiply-adds", "amount"),
        *((TableColumn("steps of lineage", "number"),) if inherited else ()),
        TableColumn("parent"),
        TableColumn("operations", "prose"),
    )
    rows = [
        (
            rank,
            one.name,
            (one.fitness, one.estimate.standard_error),
            *((one.estimate.trainings,) if again else ()),
            one.record.top1,
            one.record.top5,
            one.record.parameters,
            one.record.multiply_adds,
            *((lineage_steps(run, one.record),) if inherited else ()),
            one.record.parent or "",
            _operations(one.record),
        )
        for rank, one in enumerate(members, 1)
    ]
    caption = f"The {len(members)} candidates of the population. New parents are drawn from them."
    return table(columns, rows, caption=f"{caption}{_error_note(run)}")


def _error_note(run: Run) -> str:
    """Explain ± in a table of fitness values, if there are standard errors."""
    if all(record.standard_error is None for record in run.records):
        return ""
    return " ±: standard error."


def second_look_table(run: Run) -> Markup:
    """Return the table of the networks that were trained a second time; empty without any."""
    looks = second_looks(run)
    if not looks:
        return Markup("")
    columns = (
        TableColumn("name"),
        TableColumn("first training", "number", 2),
        TableColumn("second training", "number", 2),
        TableColumn("difference", "number", 2),
        TableColumn("mean", "number", 2),
        TableColumn("trained again as"),
    )
    rows = []
    for one, second in looks:
        first, other = one.record.fitness or 0.0, second.fitness or 0.0
        rows.append(
            (
                one.name,
                (first, one.record.standard_error),
                (other, second.standard_error),
                other - first,
                (one.fitness, one.estimate.standard_error),
                second.name,
            )
        )
    spread = spread_of_seeds(run)
    caption = (
        "Networks that were trained once more with another seed, before they had many children or "
        "because they were among the best three. Their fitness is the mean. The standard deviation "
        f"between seeds is {0.0 if spread is None else spread:.2f}.{_error_note(run)}"
    )
    return table(columns, rows, caption=caption)


def failure_tables(run: Run) -> Markup:
    """Return the number of failures by reason, and the message of each failed candidate."""
    failed = [record for record in run.records if record.status == "failed"]
    if not failed:
        return paragraph(text("No candidate failed."))
    counts = Counter(_reason(record) for record in failed)
    summary = table(
        (TableColumn("reason"), TableColumn("candidates", "number")),
        counts.most_common(),
        caption=f"{len(failed):,} of {len(run.records):,} candidates failed.",
        sortable=False,
    )
    displayed = failed[-_MAX_FAILURES:]
    messages = table(
        (
            TableColumn("name"),
            TableColumn("reason"),
            TableColumn("attempts", "number"),
            TableColumn("message", "prose"),
        ),
        [(one.name, _reason(one), one.attempts, _message(one)) for one in displayed],
        caption="Last message of each failed candidate."
        if len(displayed) == len(failed)
        else f"Last message of each of the last {len(displayed):,} failed candidates.",
    )
    return joined([summary, tag("details", tag("summary", text("messages")), messages, open="")])


def _reason(record: Record) -> str:
    return _REASONS.get(record.failure or "", record.failure or "unknown")


def _message(record: Record) -> str:
    message = record.message or ""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"


def candidates_table(run: Run) -> Markup:
    """Return the table of all candidates, in the order of the search."""
    inherited = has_inherited_steps(run)
    with_operations = len(run.records) <= _MAX_WITH_OPERATIONS
    columns = (
        TableColumn("name"),
        TableColumn("status"),
        TableColumn("fitness", "number", 2),
        TableColumn(_TOP1, "number", 1),
        TableColumn(_TOP5, "number", 1),
        TableColumn("parameters", "number"),
        TableColumn("multiply-adds", "number"),
        TableColumn("seconds", "number"),
        *((TableColumn("steps of lineage", "number"),) if inherited else ()),
        TableColumn("parent"),
        *((TableColumn("operations", "prose"),) if with_operations else ()),
    )
    rows = (
        (
            one.name,
            one.status,
            None if one.fitness is None else (one.fitness, one.standard_error),
            one.top1,
            one.top5,
            one.parameters,
            one.multiply_adds,
            one.seconds,
            *((lineage_steps(run, one),) if inherited else ()),
            one.parent or one.source or "",
            *((_operations(one),) if with_operations else ()),
        )
        for one in run.records
    )
    return tag(
        "details",
        tag("summary", text(f"all {len(run.records):,} candidates")),
        table(columns, rows, caption=f"{len(run.records):,} candidates.{_error_note(run)}"),
        class_="long",
        open="" if len(run.records) <= _MAX_OPEN else None,
    )


def _operations(record: Record) -> str:
    return "; ".join(map(shortened, record.ops))
