"""The line of descent to the best network, step by step (Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

from anetdsl.diff import NetworkDiff, diff
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.ir import Network
from anetdsl.report.facts import Judged, judged, lineage, ranked
from anetdsl.report.markup import Markup, folded, joined, paragraph, tag, text
from anetdsl.report.pictures import network_of
from anetdsl.report.sketch import sketch
from anetdsl.report.words import amount, shortened

_MOST_STEPS = 40
"""Of a longer line the first steps are left out."""


def ancestry(run: Run, last: Judged) -> Markup:
    """Each step from a founder to a network, the best that has ancestors: drawn, with changes."""
    chain = lineage(run, last.record)
    best = ranked(judged(run))[0]
    which = (
        "the best one"
        if best.name == last.name
        else f"the best one that has a parent ({best.name}, the best of all, has none)"
    )
    shown = chain[-_MOST_STEPS:]
    networks = [network_of(record) for record in shown]
    before: list[tuple[Record, Network | None] | None] = [None, *zip(shown, networks)]
    steps = [
        _step(record, network, previous)
        for record, network, previous in zip(shown, networks, before)
    ]
    return joined(
        [
            paragraph(
                text(
                    "As in Figure 2 of the paper: the networks from the first ancestor, drawn at "
                    f"random, to {last.name}, {which}, each with what changed since its "
                    "parent. A step that lost fitness is no mistake: it was good enough to stay "
                    "in the population."
                )
            ),
            *(
                [paragraph(text(f"The first {len(chain) - len(shown)} steps are left out."))]
                if len(shown) < len(chain)
                else []
            ),
            _KEY,
            tag("ol", *steps, class_="lineage"),
        ]
    )


def _key() -> Markup:
    meanings = (
        ("added", "green", "added since the parent"),
        ("gone", "dashed red", "an edge that went"),
        ("changed", "blue box", "a node that changed"),
        (None, "thicker", "a higher learned weight"),
    )
    return tag(
        "ul",
        *(
            tag("li", tag("b", text(look)), text(f": {meaning}"), class_=kind)
            for kind, look, meaning in meanings
        ),
        class_="key",
    )


_KEY = _key()


def _step(
    record: Record, network: Network | None, previous: tuple[Record, Network | None] | None
) -> Markup:
    parent, older = previous if previous is not None else (None, None)
    difference = diff(older, network) if network is not None and older is not None else None
    if network is None:
        picture = paragraph(text("Its text has errors and cannot be drawn."), class_="missing")
    else:
        picture = sketch(network, difference, described=f"{record.name}, {_size(network)}")
    return tag(
        "li",
        tag("div", picture, class_="wide", tabindex=0, role="group", aria_label=record.name),
        tag(
            "div",
            tag("h3", text(f"{record.name}, round {record.index + 1}")),
            paragraph(*_result(record, parent)),
            paragraph(text(_costs(record, network)), class_="faint"),
            tag("ul", *(tag("li", text(shortened(sentence))) for sentence in record.ops)),
            *([folded("all that changed", _changes(difference))] if difference else []),
        ),
    )


def _result(record: Record, parent: Record | None) -> Sequence[Markup]:
    """The fitness, and by how much it is above the parent's."""
    if record.fitness is None:
        return (text("no fitness"),)
    shown = [text("fitness "), tag("b", text(f"{record.fitness:.2f}"))]
    if parent is not None and parent.fitness is not None:
        gain = record.fitness - parent.fitness
        said = tag("span", text(f"{gain:+.2f}"), class_="good" if gain >= 0 else "bad")
        shown.extend((text(", "), said, text(f" against {parent.name}")))
    return shown


def _size(network: Network) -> str:
    edges = sum(len(node.inputs) for node in network.nodes if not node.is_stem)
    return f"{len(network.nodes)} nodes, {edges} edges"


def _costs(record: Record, network: Network | None) -> str:
    parts = [] if network is None else [_size(network)]
    if record.parameters is not None:
        parts.append(f"{amount(record.parameters)} parameters")
    return ", ".join(parts)


def _changes(difference: NetworkDiff) -> Markup:
    """The lines of `anetc diff`, without those about learned weights alone."""
    marks = {"+": "ins", "-": "del"}
    lines = [
        tag(marks[line[0]], text(line)) if line[0] in marks else text(line)
        for line in difference.lines(notes=False)
        if not line.startswith("~ edge")
    ]
    return tag("pre", joined(lines, "\n"))
