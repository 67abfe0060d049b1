"""Searches without training: a candidate's name determines its weights and its fitness."""

from __future__ import annotations

from random import Random

from anetdsl.api import parse
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.propose.algorithms import population, propose
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.ir import Network, Score
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, set_learned


def trained(proposal: Proposal) -> Member:
    """Return a candidate as a trial could leave it."""
    rng = Random(proposal.name)
    weights = {
        node.name: [rng.uniform(0.02, 0.98) for _ in node.inputs]
        for node in parse(proposal.text).nodes
        if not node.is_stem and len(node.inputs) > 1
    }
    fitness = rng.uniform(50, 90)
    tree = parse_syntax(SourceFile(proposal.name, proposal.text))
    edits = set_learned(tree, weights, Score((("fitness", fitness),)))
    return Member(proposal.index, proposal.name, apply(proposal.text, edits), fitness)


def search(settings: SearchSettings, candidates: int) -> list[Proposal]:
    """Return the candidates of a search that runs one trial at a time."""
    alive: tuple[Member, ...] = ()
    taken: set[str] = set()
    found: list[Proposal] = []
    for index in range(candidates):
        found.append(propose(settings, index, alive, taken))
        taken.add(canonical_form(parse(found[-1].text)))
        alive = population(settings, (*alive, trained(found[-1])))
    return found


def sink_fits(network: Network) -> bool:
    """Return whether the sink can combine its inputs: the mean needs equal widths."""
    if network.sink.combine != "mean":
        return True
    read = {edge.source for edge in network.sink.inputs}
    channels = network.out_channels()
    return len({channels[name] for name in read}) <= 1
