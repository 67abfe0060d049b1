"""The networks of the studies: examples, adapted to a search space, and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from anetdsl.checking import check_source, network_of
from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.propose.algorithms import propose
from anetdsl.evolve.settings.search_settings import SearchSettings, Space
from anetdsl.ir import Network
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute


@attrs.frozen
class StudyNetwork:
    """A network of a study, before training."""

    name: str
    text: str

    @property
    def network(self) -> Network:
        """The network of the text."""
        return parsed(self.name, self.text)


def parsed(name: str, text: str) -> Network:
    """Return the network of a text. Raise AnetError for a text with errors."""
    return network_of(check_source(SourceFile(name, text)))


def example(path: Path, classes: int, modules: Sequence[int] | None = None) -> StudyNetwork:
    """Return a network of a file with another number of classes, and other modules if given.

    Raise CannotRun for a file that cannot be read, AnetError for one with errors.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_read(path, error if isinstance(error, OSError) else None) from None
    parsed(str(path), text)
    changes: list[tuple[str, str, Any]] = [("sink", "classes", str(classes))]
    if modules is not None:
        changes.append(("network", "modules", list(map(str, modules))))
    for keyword, attribute, value in changes:
        tree = parse_syntax(SourceFile(str(path), text))
        text = apply(text, set_attribute(tree, find(tree, keyword), attribute, value))
    return StudyNetwork(path.stem, text)


def small_examples(folder: Path, space: Space) -> Mapping[str, StudyNetwork]:
    """Return, by name, the `small_*.anet` of a folder with the classes and modules of a space.

    Raise CannotRun if there are none.
    """
    paths = sorted(folder.glob("small_*.anet"))
    if not paths:
        raise CannotRun(
            f"{folder}: has no small_*.anet; --examples names the examples of this project"
        )
    return {path.stem: example(path, space.classes, space.modules) for path in paths}


def random_network_of(space: Space, seed: int) -> StudyNetwork:
    """Return an initial network of a search with this seed, as random search draws it."""
    proposal = propose(SearchSettings(space, method="random", seed=seed), 0, (), ())
    return StudyNetwork(f"random{seed}", proposal.text)
