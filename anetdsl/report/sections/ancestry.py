"""Show the ancestors of the best network, step by step (Figure 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from anetdsl.diff import NetworkDiff, diff
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.fitness_values import Fitness, of_records
from anetdsl.ir import Network
from anetdsl.report.facts import (
    ScoredCandidate,
    current_population,
    lineage,
    lineage_steps,
    ranked,
    scored_candidates,
)
from anetdsl.report.markup import Markup, folded, joined, paragraph, tag, text
from anetdsl.report.pictures import parse_candidate
from anetdsl.report.sketch import sketch
from anetdsl.report.wording import amount, shortened

_MAX_STEPS = 40
"""Number of steps that are shown; the first steps of a longer line are left out."""


def ancestry(run: Run, last: ScoredCandidate) -> Markup:
    """Return the ancestors of `last` and `last` itself, each drawn with its changes."""
    chain = lineage(run, last.record)
    best = ranked(scored_candidates(run))[0]
    which = (
        "the best candidate"
        if best.name == last.name
        else f"the best candidate with a parent ({best.name}, the best of all, has no parent)"
    )
    displayed = chain[-_MAX_STEPS:]
    networks = [parse_candidate(record) for record in displayed]
    parents: list[tuple[Record, Network | None] | None] = [None, *zip(displayed, networks)]
    fitness = of_records(run.records)
    steps = [
        _step(record, network, parent, fitness)
        for record, network, parent in zip(displayed, networks, parents)
    ]
    return joined(
        [
            paragraph(
                text(
                    "The networks from the first ancestor, which was drawn at random, to "
                    f"{last.name}, {which}, as in Figure 2 of the paper. Each network is shown "
                    "with the changes from its parent. A network with a lower fitness than its "
                    "parent can have children as long as it is in the population."
                )
            ),
            *_inherited_steps(run, last),
            *(
                [paragraph(text(f"The first {len(chain) - len(displayed)} steps are left out."))]
                if len(displayed) < len(chain)
                else []
            ),
            _KEY,
            tag("ol", *steps, class_="lineage"),
        ]
    )


def _inherited_steps(run: Run, last: ScoredCandidate) -> Iterator[Markup]:
    """Yield a paragraph about the training steps of lineages, if children inherit weights."""
    if not run.running.inherit:
        return
    steps = [lineage_steps(run, one.record) or 0 for one in current_population(run)]
    population = (
        f", those of the population by {min(steps):,} to {max(steps):,} steps" if any(steps) else ""
    )
    yield paragraph(
        text(
            "Each network starts from its parent's weights, so a long lineage is trained for "
            f"longer: the weights of {last.name} were trained by "
            f"{lineage_steps(run, last.record) or 0:,} steps in all{population}. Only networks "
            "that are trained afresh can be compared fairly."
        )
    )


def _key() -> Markup:
    meanings = (
        ("added", "green", "a node or an edge that was added"),
        ("removed", "dashed red", "an edge that was removed"),
        ("changed", "blue box", "a node that was changed"),
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
    record: Record,
    network: Network | None,
    previous: tuple[Record, Network | None] | None,
    fitness: Mapping[str, Fitness],
) -> Markup:
    """Return one network with its changes from the `previous` record and network."""
    parent, older = previous if previous is not None else (None, None)
    difference = diff(older, network) if network is not None and older is not None else None
    if network is None:
        picture = paragraph(text("The text has errors; there is no picture."), class_="missing")
    else:
        picture = sketch(network, difference, described=f"{record.name}, {_size(network)}")
    return tag(
        "li",
        tag("div", picture, class_="wide", tabindex=0, role="group", aria_label=record.name),
        tag(
            "div",
            tag("h3", text(record.name)),
            paragraph(*_fitness(record, parent, fitness)),
            paragraph(text(_costs(record, network)), class_="faint"),
            tag("ul", *(tag("li", text(shortened(sentence))) for sentence in record.ops)),
            *([folded("all changes", _changes(difference))] if difference else []),
        ),
    )


def _fitness(
    record: Record, parent: Record | None, fitness: Mapping[str, Fitness]
) -> Sequence[Markup]:
    """Return the fitness, and its difference from that of the parent."""
    own = fitness.get(record.name)
    if own is None:
        return (text("no fitness"),)
    parts = [text("fitness "), tag("b", text(own))]
    before = None if parent is None else fitness.get(parent.name)
    if parent is not None and before is not None:
        gain = own.mean - before.mean
        difference = tag("span", text(f"{gain:+.2f}"), class_="good" if gain >= 0 else "bad")
        parts.extend((text(", "), difference, text(f" from {parent.name}")))
    return parts


def _size(network: Network) -> str:
    edges = sum(len(node.inputs) for node in network.nodes if not node.is_stem)
    return f"{len(network.nodes)} nodes, {edges} edges"


def _costs(record: Record, network: Network | None) -> str:
    parts = [] if network is None else [_size(network)]
    if record.parameters is not None:
        parts.append(f"{amount(record.parameters)} parameters")
    if record.inherited_steps and record.iterations:
        steps = record.iterations + record.inherited_steps
        parts.append(f"{steps:,} training steps with those of its ancestors")
    return ", ".join(parts)


def _changes(difference: NetworkDiff) -> Markup:
    """Return the lines of `anetc diff`, without lines about learned weights only."""
    marks = {"+": "ins", "-": "del"}
    lines = [
        tag(marks[line[0]], text(line)) if line[0] in marks else text(line)
        for line in difference.lines(notes=False)
        if not line.startswith("~ edge")
    ]
    return tag("pre", joined(lines, "\n"))
