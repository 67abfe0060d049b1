"""The networks of the studies: examples, adapted to a search space, and random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from anetdsl.api import parse
from anetdsl.checking import check_file
from anetdsl.cost import cost
from anetdsl.errors import CannotRun
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.evolve.trainings.fresh_text import fresh_text
from anetdsl.ir import Network


@attrs.frozen
class StudyNetwork:
    """A network of a study, before training."""

    name: str
    text: str

    @property
    def network(self) -> Network:
        """The network of the text."""
        return parse(self.text, self.name)


def example(path: Path, classes: int, modules: Sequence[int] | None = None) -> StudyNetwork:
    """Return the untrained network of a file with other classes, and other modules if given.

    Raise CannotRun for a file that cannot be read, AnetError for one with errors.
    """
    text = check_file(path).source.text
    fresh = fresh_text(text, source=str(path), classes=classes, modules=modules)
    return StudyNetwork(path.stem, fresh)


def largest(networks: Iterable[StudyNetwork]) -> int:
    """Return the largest number of parameters of some networks."""
    return max(cost(network.network).parameters for network in networks)


def small_examples(folder: Path, space: Space) -> Mapping[str, StudyNetwork]:
    """Return, by name, the `small_*.anet` of a folder with the classes and modules of a space.

    Those of AssembleNet++, with object inputs, attention or lite blocks, are left out. Raise
    CannotRun if there are none.
    """
    paths = sorted(folder.glob("small_*.anet"))
    if not paths:
        raise CannotRun(
            f"{folder}: has no small_*.anet; --examples names the examples of this project"
        )
    networks = (example(path, space.classes, space.modules) for path in paths)
    return {network.name: network for network in networks if not _is_plus(network.network)}


def _is_plus(network: Network) -> bool:
    objects = any(value.kind == "object" for value in network.inputs)
    return objects or network.attention != "none" or network.blocks != "full"


def random_network_of(space: Space, seed: int) -> StudyNetwork:
    """Return an initial network of a search with this seed, as random search draws it."""
    proposal = propose(SearchSettings(space, method="random", seed=seed), 0, (), ())
    return StudyNetwork(f"random{seed}", proposal.text)
