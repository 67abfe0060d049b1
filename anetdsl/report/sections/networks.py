"""Show the best networks with their learned weights (Figure 3)."""

from __future__ import annotations

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import ScoredCandidate, ranked, scored_candidates
from anetdsl.report.markup import Markup, figure, folded, joined, paragraph, tag, text
from anetdsl.report.pictures import Renderer, network_picture, parse_candidate
from anetdsl.report.wording import amount

_MAX_DRAWN = 3
_EXPLANATION = (
    "Levels from left to right, as in Figure 3 of the paper. An edge is darker and wider the "
    "higher its learned weight."
)


def best_networks(run: Run, renderer: Renderer) -> Markup:
    """Return figures of the best networks, with the text of the first one."""
    best = ranked(scored_candidates(run))[:_MAX_DRAWN]
    source = tag("pre", text(best[0].record.text))
    others = [network_figure(one, renderer, explained=False) for one in best[1:]]
    return joined(
        [
            network_figure(best[0], renderer),
            folded(f"the text of {best[0].name}", source),
            *([tag("div", *others, class_="pair")] if others else []),
        ]
    )


def network_figure(
    one: ScoredCandidate, renderer: Renderer, *, group: str = "", explained: bool = True
) -> Markup:
    """Return the picture of a network with its fitness and costs.

    `group` names the method in the heading; `explained` adds how to read the picture.
    """
    network = parse_candidate(one.record)
    picture = (
        paragraph(text("The text has errors; there is no picture."), class_="missing")
        if network is None
        else network_picture(network, renderer)
    )
    heading = f"{group}{': ' if group else ''}{one.name}, fitness {one.estimate}"
    costs = (
        f"{amount(one.record.parameters)} parameters, "
        f"{amount(one.record.multiply_adds)} multiply-adds per clip."
    )
    return figure(heading, picture, f"{_EXPLANATION} {costs}" if explained else costs)
