"""The plan of the finals: the networks that take part, and how they are trained.

The plan is made once, when the finals begin, and kept in `plan.json`. So the finals can be resumed,
and they do not change if the search goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from anetdsl.errors import CannotRun, cannot_read
from anetdsl.evolve.contract import Split
from anetdsl.evolve.finals.finals_dir import FinalsDir
from anetdsl.evolve.settings.finals_settings import FinalsSettings
from anetdsl.files import make_folder, write_atomically
from anetdsl.settings_reader import named_values, read_value

_SCHEMA = "anetdsl-finals-plan"
_VERSION = 1

Origin = Literal["search", "pruned", "beside"]


@attrs.frozen(kw_only=True)
class Contestant:
    """A network of the finals, before its training."""

    name: str
    origin: Origin
    """`search`: a candidate; `pruned`: a candidate without its weak edges; `beside`: a file."""
    source: str
    """Name of the candidate, or of the file."""
    text: str
    fitness: float | None = None
    """Fitness of the candidate in the search."""
    dropped: int = 0
    """Number of edges that pruning has dropped."""
    parameters: int
    multiply_adds: int
    """Multiply-adds of one clip."""

    @property
    def can_win(self) -> bool:
        """True for a network of the search."""
        return self.origin != "beside"


@attrs.frozen(kw_only=True)
class Plan:
    """Networks, settings and numbers of steps of the finals."""

    settings: FinalsSettings
    steps: int
    full_steps: int
    trial: Mapping[str, Any]
    """Values of the table [trial] of the search."""
    test_split: Split
    """Split of the last evaluation."""
    contestants: tuple[Contestant, ...]
    notes: tuple[str, ...] = ()
    """Remarks about the choice of the networks, for the table."""

    @property
    def split(self) -> Split:
        """Split by which networks are compared."""
        split: Split = self.trial.get("split", "validation")
        return split

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings that are compared, the same for all networks."""
        return tuple(range(1, self.settings.seeds + 1))

    @property
    def rate_seed(self) -> int:
        """Seed of the trainings by which learning rates are chosen; it is none of `seeds`."""
        return 0

    def contestant(self, name: str) -> Contestant:
        """Return the contestant of a name. Raise KeyError if there is none."""
        for contestant in self.contestants:
            if contestant.name == name:
                return contestant
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of `plan.json`."""
        values = attrs.asdict(self, recurse=False)
        values["settings"] = attrs.asdict(self.settings)
        values["trial"] = dict(self.trial)
        values["contestants"] = [attrs.asdict(one) for one in self.contestants]
        return {"schema": _SCHEMA, "schema_version": _VERSION, **values}


def write_plan(directory: FinalsDir, plan: Plan) -> None:
    """Write the texts of the networks and, last, the plan."""
    make_folder(directory.networks)
    for contestant in plan.contestants:
        path = directory.networks / f"{contestant.name}.anet"
        write_atomically(path, contestant.text)
    write_atomically(directory.plan, json.dumps(plan.to_json(), indent=1) + "\n", durable=True)


def read_plan(directory: FinalsDir) -> Plan | None:
    """Return the plan of the finals; None if they have not begun. Raise CannotRun."""
    try:
        document = json.loads(directory.plan.read_bytes())
        if document["schema"] != _SCHEMA or document["schema_version"] != _VERSION:
            raise ValueError("it is not a plan of this version")
        values = {k: v for k, v in document.items() if k in attrs.fields_dict(Plan)}
        values["settings"] = read_value(
            named_values(values["settings"], str(directory.plan)), FinalsSettings
        )
        values["contestants"] = tuple(Contestant(**one) for one in values["contestants"])
        values["notes"] = tuple(values["notes"])
        return Plan(**values)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(directory.plan, error) from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        if isinstance(error, CannotRun):
            raise
        raise CannotRun(
            f"{directory.plan}: cannot be used: {error}; delete {directory.path} to begin the "
            "finals again"
        ) from None
