"""Tabulate the candidates of a search: the population, the failures, all candidates."""

from __future__ import annotations

from collections import Counter

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import current_population
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
    columns = (
        TableColumn("rank", "number"),
        TableColumn("name"),
        TableColumn("fitness", "number", 2),
        TableColumn(_TOP1, "number", 1),
        TableColumn(_TOP5, "number", 1),
        TableColumn("parameters", "amount"),
        TableColumn("multiply-adds", "amount"),
        TableColumn("parent"),
        TableColumn("operations", "prose"),
    )
    rows = [
        (
            rank,
            one.name,
            one.fitness,
            one.record.top1,
            one.record.top5,
            one.record.parameters,
            one.record.multiply_adds,
            one.record.parent or "",
            _operations(one.record),
        )
        for rank, one in enumerate(members, 1)
    ]
    caption = f"The {len(members)} candidates of the population. New parents are drawn from them."
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
        TableColumn("parent"),
        *((TableColumn("operations", "prose"),) if with_operations else ()),
    )
    rows = (
        (
            one.name,
            one.status,
            one.fitness,
            one.top1,
            one.top5,
            one.parameters,
            one.multiply_adds,
            one.seconds,
            one.parent or one.source or "",
            *((_operations(one),) if with_operations else ()),
        )
        for one in run.records
    )
    return tag(
        "details",
        tag("summary", text(f"all {len(run.records):,} candidates")),
        table(columns, rows, caption=f"{len(run.records):,} candidates."),
        class_="long",
        open="" if len(run.records) <= _MAX_OPEN else None,
    )


def _operations(record: Record) -> str:
    return "; ".join(map(shortened, record.ops))
