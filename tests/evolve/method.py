"""A search algorithm for tests: networks are small and quickly proposed."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Container, Sequence
from pathlib import Path

from anetdsl.api import parse
from anetdsl.evolve.candidates import Member, Proposal
from anetdsl.evolve.drive.driver import Rules
from anetdsl.evolve.operations import Described
from anetdsl.evolve.propose.canonical import canonical_form
from anetdsl.evolve.settings.run_settings import Running, RunSettings
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from tests.evolve import synthetic_trial

TRIAL = Path(synthetic_trial.__file__)
COMMAND = (sys.executable, "-I", "-S", str(TRIAL))

START = """\
anet 1
network x
input rgb   channels=3
input flow  channels=2
node s0  level=0  C=8   r=1  stride=4  inputs=[rgb]
node s1  level=0  C=8   r=1  stride=4  inputs=[flow]
node a   level=1  C=8   r=1  stride=1  inputs=[s0, s1]
node b   level=1  C=8   r=1  stride=1  inputs=[s0]
node c   level=2  C=8   r=1  stride=2  inputs=[a, b]
node d   level=3  C=8   r=1  stride=2  inputs=[c, s1]
node e   level=4  C=8   r=1  stride=2  inputs=[c, d]
sink  inputs=[e]  classes=5
"""


def propose(
    settings: SearchSettings, index: int, alive: Sequence[Member], taken: Container[str]
) -> Proposal:
    """Propose the better of two members with some r changed: it depends on the whole population."""
    draw = random.Random(f"{settings.seed}:{index}")
    parent = None
    if index >= settings.population and alive:
        parent = max(draw.choices(alive, k=2), key=lambda member: (member.fitness, -member.index))
    name = f"g{index:04d}"
    while True:
        text = re.sub(r"@[\d.]+", "", parent.text if parent else START)
        text = re.sub(r"(?m)^score.*\n", "", synthetic_trial.ORIGIN.sub("", text))
        text = re.sub(r" r=(\d+)", lambda m: f" r={draw.choice([m[1], draw.randint(1, 9)])}", text)
        lineage = f'parent="{parent.name}" ' if parent else ""
        origin = f'origin {lineage}candidate={index} seed={settings.seed} ops=["r drawn"]'
        text = re.sub(r"(?m)^network .*$", f"network {name}\n{origin}", text)
        form = canonical_form(parse(text))
        if form not in taken:
            made = (Described("r drawn"),)
            return Proposal(index, name, text, parent.name if parent else None, made, form)


def select(settings: SearchSettings, members: Sequence[Member]) -> tuple[Member, ...]:
    """Return the best members in order of arrival."""
    ranked = sorted(members, key=lambda member: (-member.fitness, member.index))
    alive = {member.index for member in ranked[: settings.population]}
    return tuple(member for member in members if member.index in alive)


RULES = Rules(propose, select)


def run_settings(**changes: object) -> RunSettings:
    """Return settings of a quick search, with changes of `SearchSettings` and with `running`."""
    running = changes.pop("running", Running(executor="threads:4"))
    assert isinstance(running, Running)
    values = {"candidates": 24, "population": 6, "window": 4, "seed": 3, **changes}
    search = SearchSettings(Space(classes=5), **values)  # type: ignore[arg-type]
    return RunSettings(search, {"data": "none", "settings": {"iterations": 8}}, running)
