"""What `anetc eval` prints."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import click

from anetc.cli.tables import show_table
from anetc.evaluation.scores import Evaluation
from anetc.evaluation.summary import (
    absent_classes,
    class_rows,
    confusion_picture,
    confusion_table,
    standard_errors,
)
from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically
from anetdsl.terminal import visible

MANY_CLASSES = 40
"""Of more classes there is no table unless it is asked for."""
_NAMED = 5
_TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mAP": "mAP",
    "wAP": "wAP",
    "mAP_present": "mAP, present classes",
    "wAP_present": "wAP, present classes",
    "loss": "loss",
}


def show_measures(evaluation: Evaluation) -> None:
    """The measures, and what is to be known about them."""
    measures, errors = evaluation.measures(), standard_errors(evaluation)
    present = evaluation.multi_label and not math.isnan(measures["mAP"])
    rows = []
    for name, title in _TITLES.items():
        value = measures.get(name)
        if value is None or (present and name.endswith("_present")):
            continue
        if name == "top5" and len(evaluation.classes) < 5:
            title = f"top-{len(evaluation.classes)}"
        if name == "loss":
            if evaluation.are_logits:
                rows.append((title, _shown(value, 4), ""))
            continue
        error = f"+- {errors[name]:.2f}" if name in errors else ""
        rows.append((title, _shown(value, 2) + " %" * math.isfinite(value), error))
    width = max(len(title) for title, _, _ in rows)
    for title, shown, error in rows:
        click.echo(f"{title:<{width}}  {shown:>9}  {error}".rstrip())
    _show_troubles(evaluation)


def _show_troubles(evaluation: Evaluation) -> None:
    absent = absent_classes(evaluation)
    if absent and evaluation.multi_label:
        click.echo(
            f"\n{_counted(absent, 'class has', 'classes have')} no video, so that the official mAP "
            f"has no value: {_some(absent)}"
        )
    wrong = "stand behind all others" if evaluation.multi_label else "count as wrong"
    if evaluation.failed:
        click.echo(
            f"\n{_counted(evaluation.failed, 'video has', 'videos have')} no scores; such {wrong}: "
            f"{_some(evaluation.failed)}"
        )
    failed = set(evaluation.failed)
    spoilt = [
        name
        for name, bad in zip(evaluation.names, evaluation.unranked.tolist())
        if bad and name not in failed
    ]
    if spoilt:
        click.echo(
            f"\n{_counted(spoilt, 'video has', 'videos have')} scores that are no numbers (NaN); "
            f"such {wrong}: {_some(spoilt)}"
        )


def show_classes(evaluation: Evaluation) -> None:
    """The table of classes."""
    click.echo()
    rows = list(class_rows(evaluation))
    if evaluation.multi_label:
        cells = [
            (row.name, str(row.videos), _known(row.measures["average_precision"])) for row in rows
        ]
        show_table(("class", "videos", "average precision"), cells)
        return
    top = min(5, len(evaluation.classes))
    show_table(
        ("class", "videos", "top-1", f"top-{top}", "most mistaken for"),
        [
            (
                row.name,
                str(row.videos),
                _known(row.measures["top1"]),
                _known(row.measures["top5"]),
                f"{row.mistaken_for[0]} ({row.mistaken_for[1]})" if row.mistaken_for else "",
            )
            for row in rows
        ],
    )


def check_confusion(path: str) -> None:
    """Raise CannotRun for an output that is no picture, no table and no `-`."""
    if path != "-" and Path(path).suffix.lower() not in (".svg", ".csv"):
        raise CannotRun(f"--confusion {visible(path)}: write .svg, .csv, or - to print it")


def refuse_confusion(path: str | None, *, multi_label: bool) -> None:
    """Raise CannotRun where confusions are wanted of videos with several classes."""
    if path is not None and multi_label:
        raise CannotRun("--confusion: where a video may have several classes there are none")


def put_confusion(evaluation: Evaluation, path: str, title: str) -> None:
    """Print the confusions, or write them to a file."""
    table = confusion_table(evaluation)
    if path == "-":
        click.echo()
        show_table(table[0], table[1:])
        return
    if Path(path).suffix.lower() == ".svg":
        write_atomically(path, confusion_picture(evaluation, title))
    else:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(table)
        write_atomically(path, out.getvalue())
    click.echo(f"wrote {visible(path)}", err=True)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    shown = ", ".join(map(visible, names[:_NAMED]))
    return shown + (f" and {more} more" if more > 0 else "")


def _counted(things: Sequence[str], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"


def _shown(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "none"


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
