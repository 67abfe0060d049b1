"""All candidates as a table, and those that failed with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.markup import Markup, TableColumn, joined, paragraph, table, tag, text
from anetdsl.report.words import shortened

_MOST_FAILURES = 200
_MOST_TOLD = 2_000
"""With more candidates the table leaves out what was done to each: it would fill the page."""
_LONGEST_MESSAGE = 400

_REASONS = {
    "out_of_memory": "out of memory",
    "nan": "a number that is not finite (nan)",
    "timeout": "not ready within its time",
    "bad_data": "data that cannot be read",
    "killed": "killed from outside",
    "error": "an error",
}


def failures(run: Run) -> Markup:
    """How many failed for which reason, and what each of them said."""
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
    shown = failed[-_MOST_FAILURES:]
    listed = table(
        (
            TableColumn("name"),
            TableColumn("reason"),
            TableColumn("attempts", "number"),
            TableColumn("message", "said"),
        ),
        [(one.name, _reason(one), one.attempts, _message(one)) for one in shown],
        caption="What they said last."
        if len(shown) == len(failed)
        else f"What the last {len(shown):,} of them said.",
    )
    return joined([summary, tag("details", tag("summary", text("messages")), listed, open="")])


def _reason(record: Record) -> str:
    return _REASONS.get(record.failure or "", record.failure or "unknown")


def _message(record: Record) -> str:
    message = record.message or ""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"


def candidates(run: Run) -> Markup:
    """Every candidate, in the order of the search."""
    told = len(run.records) <= _MOST_TOLD
    columns: Sequence[TableColumn] = (
        TableColumn("round", "number"),
        TableColumn("name"),
        TableColumn("status"),
        TableColumn("fitness", "number", 2),
        TableColumn("top-1", "number", 1),
        TableColumn("top-5", "number", 1),
        TableColumn("parameters", "number"),
        TableColumn("multiply-adds", "number"),
        TableColumn("seconds", "number"),
        TableColumn("parent"),
        *((TableColumn("what was done", "said"),) if told else ()),
    )
    rows = (
        (
            one.index + 1,
            one.name,
            one.status,
            one.fitness,
            one.top1,
            one.top5,
            one.parameters,
            one.multiply_adds,
            one.seconds,
            one.parent or one.source or "",
            *(("; ".join(map(shortened, one.ops)),) if told else ()),
        )
        for one in run.records
    )
    listed = table(columns, rows, caption=f"{len(run.records):,} candidates.")
    few = len(run.records) <= 60
    return tag(
        "details",
        tag("summary", text(f"all {len(run.records):,} candidates")),
        listed,
        class_="long",
        open="" if few else None,
    )
