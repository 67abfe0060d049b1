"""The best networks, drawn with their learned weights (Figure 3), and the population now."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import Judged, alive, judged, ranked
from anetdsl.report.markup import (
    Markup,
    TableColumn,
    figure,
    folded,
    joined,
    paragraph,
    table,
    tag,
    text,
)
from anetdsl.report.pictures import Artist, drawn, network_of
from anetdsl.report.words import amount, shortened

_MOST_DRAWN = 3
_EXPLAINED = (
    "As in Figure 3 of the paper: levels from left to right; the darker and wider an edge, the "
    "higher its learned weight."
)


def best_networks(run: Run, artist: Artist) -> Markup:
    """The best few, the text of the first beneath."""
    best = ranked(judged(run))[:_MOST_DRAWN]
    source = tag("pre", text(best[0].record.text))
    others = [network_figure(one, artist, explained=False) for one in best[1:]]
    return joined(
        [
            network_figure(best[0], artist),
            folded(f"the text of {best[0].name}", source),
            *([tag("div", *others, class_="pair")] if others else []),
        ]
    )


def network_figure(one: Judged, artist: Artist, *, of: str = "", explained: bool = True) -> Markup:
    """A network's picture, with its result; `of` says whose it is."""
    network = network_of(one.record)
    picture = (
        paragraph(text("Its text has errors and cannot be drawn."), class_="missing")
        if network is None
        else drawn(network, artist)
    )
    heading = f"{of}{': ' if of else ''}{one.name}, fitness {one.fitness:.2f}"
    costs = (
        f"{amount(one.record.parameters)} parameters, "
        f"{amount(one.record.multiply_adds)} multiply-adds a clip."
    )
    return figure(heading, picture, f"{_EXPLAINED} {costs}" if explained else costs)


def population_table(run: Run) -> Markup:
    """Who is alive, the best first."""
    members = alive(run)
    rows = [
        (
            place,
            one.name,
            one.fitness,
            one.record.top1,
            one.record.top5,
            one.record.parameters,
            one.record.multiply_adds,
            one.round,
            one.record.parent or "",
            "; ".join(map(shortened, one.record.ops)),
        )
        for place, one in enumerate(members, 1)
    ]
    columns: Sequence[TableColumn] = (
        TableColumn("rank", "number"),
        TableColumn("name"),
        TableColumn("fitness", "number", 2),
        TableColumn("top-1", "number", 1),
        TableColumn("top-5", "number", 1),
        TableColumn("parameters", "amount"),
        TableColumn("multiply-adds", "amount"),
        TableColumn("round", "number"),
        TableColumn("parent"),
        TableColumn("what was done", "said"),
    )
    return table(
        columns,
        rows,
        caption=f"The {len(members)} candidates that are alive: parents are drawn from them.",
    )
