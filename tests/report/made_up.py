"""Made-up runs: candidates of the search algorithms with results that are not trained."""

from __future__ import annotations

import random
from pathlib import Path

import attrs

from anetdsl.api import parse
from anetdsl.cost import cost
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.drive.run_reader import Run
from anetdsl.evolve.operations import TrainedAgain
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.settings.search_settings import Method, SearchSettings
from anetdsl.ir import Network, Score
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply
from anetdsl.text.edits.learned import set_learned

TRIAL = {
    "data": "motion:level=2",
    "settings": {"iterations": 300, "batch": 32},
    "recipe": {"frames": 16, "size": [32, 32]},
}
START = 1_700_000_000.0


def made_up_run(
    *,
    method: Method = "guided",
    seed: int = 0,
    candidates: int = 40,
    finished: int | None = None,
    population: int = 10,
    failing: float = 0.06,
    confirm: int = 0,
    inherit: bool = False,
    name: str = "run",
) -> Run:
    """Return a run whose fitness prefers some edges; only `finished` candidates have a result.

    With `confirm`, every fourth candidate after the initial ones is a second look at the best.
    """
    settings = SearchSettings(
        space("small", 12),
        method=method,
        seed=seed,
        candidates=candidates,
        population=population,
        confirm=confirm,
    )
    judged = candidates if finished is None else finished
    rng = random.Random(f"made up {seed} {method}")
    records: list[Record] = []
    members = ()
    taken: set[str] = set()
    for index in range(min(candidates, judged + 2)):
        looked = {record.confirms for record in records}
        best = max(members, key=lambda one: one.fitness, default=None)
        if confirm and index >= population and index % 4 == 0 and best and best.name not in looked:
            records.append(second_look(records[best.index], index, rng))
            members = Run(Path(name), settings, TRIAL, tuple(records)).members
            continue
        proposal = propose(settings, index, members, taken)
        network = parse(proposal.text)
        taken.add(proposal.canonical_form)
        base = Record(
            index,
            proposal.name,
            "proposed",
            proposal.text,
            parent=proposal.parent,
            operations=proposal.operations,
            proposed=START + 100 * index,
        )
        if index >= judged:
            records.append(attrs.evolve(base, status="running", attempts=1))
        elif rng.random() < failing:
            kind = rng.choice(["out_of_memory", "nan", "timeout"])
            records.append(
                attrs.evolve(
                    base,
                    status="failed",
                    failure=kind,
                    message=f"stopped after {rng.randrange(300)} iterations: {kind}",
                    attempts=2,
                )
            )
        else:
            by_name = {record.name: record for record in records}
            if inherit:
                parent = by_name.get(proposal.parent or "")
                steps = 300 + (parent.inherited_steps or 0) if parent else 0
                base = attrs.evolve(base, inherited_steps=steps)
            records.append(trained(base, network, rng))
            members = Run(Path(name), settings, TRIAL, tuple(records)).members
    end = START + 100 * judged if judged == candidates else None
    running = Running(inherit=inherit)
    return Run(Path(name), settings, TRIAL, tuple(records), START, end, running)


def second_look(original: Record, index: int, rng: random.Random) -> Record:
    """Return the record of a second training of a network."""
    name = f"g{index:04d}"
    return attrs.evolve(
        original,
        index=index,
        name=name,
        text=original.text.replace(f"network {original.name}", f"network {name}", 1),
        parent=None,
        operations=(TrainedAgain(original.name),),
        confirms=original.name,
        fitness=round((original.fitness or 0.0) + rng.gauss(-2, 4), 4),
    )


def trained(record: Record, network: Network, rng: random.Random) -> Record:
    """Return the candidate with learned weights, a score and its costs."""
    weights = {
        node.name: [_preference(edge.source, node.name, rng) for edge in node.inputs]
        for node in network.nodes
        if not node.is_stem and len(node.inputs) > 1
    }
    preferences = [value for values in weights.values() for value in values]
    fitness = (
        60 + 90 * sum(preferences) / len(preferences) + len({n.dilation for n in network.nodes}) * 3
    )
    fitness = round(fitness + rng.gauss(0, 1.5), 4)
    top1, top5 = round(0.4 * fitness, 4), round(0.6 * fitness, 4)
    score = Score((("top1", top1), ("top5", top5), ("fitness", fitness)))
    tree = parse_syntax(SourceFile(record.name, record.text))
    totals = cost(network, frames=16, size=32)
    seconds = round(20 + totals.parameters / 10_000 + rng.random() * 5, 2)
    return attrs.evolve(
        record,
        status="done",
        text=apply(record.text, set_learned(tree, weights, score)),
        fitness=fitness,
        standard_error=3.1,
        top1=top1,
        top5=top5,
        parameters=totals.parameters,
        multiply_adds=totals.multiply_adds,
        seconds=seconds,
        peak_memory=300_000_000,
        attempts=1,
        iterations=300,
        started=(record.proposed or START) + 1,
        finished=(record.proposed or START) + 1 + seconds,
    )


def _preference(source: str, target: str, rng: random.Random) -> float:
    """Return the preference for an edge: by its ends, with some noise."""
    own = random.Random(f"{source[:2]} {target[:2]}").random()
    return min(max(own + rng.gauss(0, 0.08), 0.02), 0.98)
