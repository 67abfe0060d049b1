"""Group runs that repeat one method with different seeds, and select the runs to compare."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import attrs

from anetdsl.evolve.drive.run_reader import Run
from anetdsl.report.facts import last_finished, scored_candidates
from anetdsl.report.wording import flatten


@attrs.frozen
class RunGroup:
    """Runs that differ only in their seeds and in their numbers of candidates."""

    name: str
    """Method, with the settings that differ from other groups of the same method."""
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """Name of the group and number of its runs."""
        return f"{self.name} ({len(self.runs)} run{'s' if len(self.runs) != 1 else ''})"


def groups_of(runs: Sequence[Run]) -> tuple[RunGroup, ...]:
    """Group runs by their settings; return the groups in the order of their first runs."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[json.dumps(_compared_settings(run), sort_keys=True)].append(run)
    settings = [json.loads(key) for key in found]
    names = []
    for own in settings:
        same_method = [other for other in settings if other["method"] == own["method"]]
        differing = [key for key in own if any(other.get(key) != own[key] for other in same_method)]
        details = ", ".join(f"{key.rpartition('.')[2]} {own[key]}" for key in differing)
        names.append(f"{own['method']}, {details}" if details else own["method"])
    # Two groups have equal names if one lacks the settings that differ; add the name of a run.
    return tuple(
        RunGroup(name if names.count(name) == 1 else f"{name} ({members[0].name})", tuple(members))
        for name, members in zip(names, found.values())
    )


def _compared_settings(run: Run) -> dict[str, str]:
    """Return the settings that must be equal for two runs to be repetitions of one method."""
    running = {"inherit": run.running.inherit, "halving": run.running.halving}
    values = flatten({**attrs.asdict(run.settings), "trial": run.trial, "running": running})
    for free in ("seed", "candidates", "trial.settings.seed"):
        values.pop(free, None)
    return values


@attrs.frozen
class Comparison:
    """Runs that are compared, and the number of candidates that all of them have."""

    groups: tuple[RunGroup, ...]
    last: int
    left_out: tuple[str, ...]
    """Names of the runs that are left out."""

    @property
    def runs_text(self) -> str:
        """Clause that names the runs with this number: "which all runs have except random-1"."""
        return "which all runs have" + (
            f" except {', '.join(self.left_out)}" if self.left_out else ""
        )


def comparison_of(groups: Sequence[RunGroup]) -> Comparison:
    """Select the runs to compare at the number of candidates that all of them have.

    A run that has just begun would leave nothing to compare. Runs with less than half of the
    candidates of the furthest run are left out.
    """
    furthest = max((last_finished(run) for group in groups for run in group.runs), default=0)

    def is_compared(run: Run) -> bool:
        return bool(scored_candidates(run)) and 2 * last_finished(run) >= furthest

    kept = tuple(
        attrs.evolve(group, runs=tuple(filter(is_compared, group.runs))) for group in groups
    )
    last = min((last_finished(run) for group in kept for run in group.runs), default=0)
    left_out = (run.name for group in groups for run in group.runs if not is_compared(run))
    return Comparison(kept, last, tuple(left_out))
