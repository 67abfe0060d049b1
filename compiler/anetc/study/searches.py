"""Run the searches of a study, and keep of each a small JSON file.

The file has the fitness of all candidates and the texts of the best ones, before their training.
While a search runs, its folder is RESULTS/runs/NAME-DIGEST; it is deleted when the file is written.
The digest is that of the settings, so that a stopped search continues only with the same settings.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from anetc.study.networks import StudyNetwork
from anetc.study.trainings import NotTrained, TrainingFailed, Trainings, digest_of
from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.trainings.fresh_text import fresh_text
from anetdsl.files import write_atomically

METHODS = (
    *("guided+inherit", "random", "guided", "standard+inherit"),
    *("standard", "aging+inherit", "aging", "oneshot", "oneshot+inherit"),
)
"""Methods of a search, with and without inherited weights."""
SCHEMA = "anetdsl-study-search"
SCHEMA_VERSION = 1
_KEPT = 5
"""Number of the best candidates whose texts are kept."""


@attrs.frozen(kw_only=True)
class SearchPlan:
    """Settings of a search: a method with a seed, and the budget."""

    method: str
    """Method of `anetc evolve`, with `+inherit` if children start from their parents' weights."""
    seed: int
    data: str
    candidates: int
    """Budget, as the number of candidates. A one-shot search trains the connected network for as
    long as all but one of them, and then one pruned network."""
    population: int
    tournament: int
    training: Mapping[str, Any]
    """Settings of the training of a candidate."""
    stems: tuple[int, ...] = (2, 4)
    max_params: int | None = None
    recipe: Mapping[str, Any] = {}
    """`frames` and `size` of the clips, where they differ from those of the data."""

    @property
    def name(self) -> str:
        """Name of the file of the result."""
        stems = "" if self.stems == (2, 4) else f"-stems{'-'.join(map(str, self.stems))}"
        limit = "" if self.max_params is None else f"-most{self.max_params}"
        return f"{self.method.replace('+', '-')}{stems}{limit}-{self.seed}"

    @property
    def run_name(self) -> str:
        """Name of the folder of the run."""
        return f"{self.name}-{digest_of(_plan_json(self))}"

    def options(self) -> dict[str, Any]:
        """Return the options of `anetc.search`."""
        method, _, inherit = self.method.partition("+")
        values: dict[str, Any] = {
            "method": method,
            "seed": self.seed,
            "candidates": 2 if method == "oneshot" else self.candidates,
            "population": self.population,
            "window": 0,
            **self.training,
            **self.recipe,
        }
        if inherit:
            values["inherit"] = True
        if self.max_params is not None:
            values["max_params"] = self.max_params
        return values

    def config(self) -> str:
        """Return the settings file with the settings that are no options."""
        lines = [f"[search]\ntournament = {self.tournament}"]
        if self.method.startswith("oneshot"):
            lines[0] += f"\noneshot_steps = {max(self.candidates - 1, 1)}"
        lines.append(f"[search.space]\nstems = {list(self.stems)}")
        return "\n\n".join(lines) + "\n"


@attrs.frozen
class SearchRecord:
    """The result of a search."""

    plan: Mapping[str, Any]
    """The `SearchPlan` as JSON."""
    fitness: tuple[float | None, ...]
    """Fitness of the candidates by index; None for one that failed."""
    best: tuple[StudyNetwork, ...]
    """The best candidates, the best first, before their training."""
    steps: int
    """Training steps of all candidates together."""
    seconds: float
    """Seconds of all trials together."""


def run_search(plan: SearchPlan, results: Path, trainings: Trainings) -> SearchRecord:
    """Return the result of a search; search if it is not known yet.

    `results` is the folder of the study. Raise NotTrained if nothing may be trained and the result
    is not known, TrainingFailed if the search cannot go on.
    """
    path = results / "searches" / f"{plan.name}.json"
    with trainings.lock(plan.run_name):
        known = _read(path, plan)
        if known is not None:
            return known
        if trainings.workers is None:
            raise NotTrained(path.name)
        run = results / "runs" / plan.run_name
        _search(plan, run, trainings)
        record = _record_of(plan, run)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, _file_text(record))
        shutil.rmtree(run, ignore_errors=True)
    return record


def _search(plan: SearchPlan, run: Path, trainings: Trainings) -> None:
    from anetc.api.search import search
    from anetdsl.evolve.drive.driver import Driver

    stops = []

    def ready(driver: Driver) -> None:
        def stop() -> None:
            driver.stopping.set()
            driver.wake()

        stops.append(stop)
        trainings.on_stop.append(stop)
        if trainings.stopping.is_set():
            stop()

    run.parent.mkdir(exist_ok=True)
    config = run.parent / f"{run.name}.toml"
    write_atomically(config, plan.config())
    options = {} if (run / "settings.toml").exists() else plan.options()
    try:
        result = search(
            None if not options else trainings.found(plan.data),
            run,
            resume=not options,
            preset="small",
            config=None if not options else config,
            ready=ready,
            executor=trainings.executor,
            **options,
        )
    except CannotRun as error:
        raise TrainingFailed(f"{plan.name}: {error}") from None
    finally:
        for stop in stops:
            trainings.on_stop.remove(stop)
    if not result.is_finished:
        raise TrainingFailed(f"{plan.name}: stopped")
    config.unlink()


def _record_of(plan: SearchPlan, run: Path) -> SearchRecord:
    records = sorted(read_run(run).records, key=lambda record: record.index)
    done = [record for record in records if record.fitness is not None]
    # Candidate 0 of a one-shot search is the connected network, which is no result.
    found = [r for r in done if r.index > 0] if plan.method.startswith("oneshot") else done
    best = sorted(found, key=lambda record: (-(record.fitness or 0.0), record.index))[:_KEPT]
    return SearchRecord(
        plan=_plan_json(plan),
        fitness=tuple(record.fitness for record in records),
        best=tuple(
            StudyNetwork(record.name, fresh_text(record.text, source=record.name))
            for record in best
        ),
        steps=sum(record.iterations or 0 for record in records),
        seconds=sum(record.seconds or 0.0 for record in records),
    )


def _plan_json(plan: SearchPlan) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(attrs.asdict(plan)))
    return values


def _file_text(record: SearchRecord) -> str:
    document = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **attrs.asdict(record)}
    return json.dumps(document, indent=1) + "\n"


def _read(path: Path, plan: SearchPlan) -> SearchRecord | None:
    """Return the record in a file; None if there is none. Raise CannotRun for another search."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError("it is no result of a search")
        record = SearchRecord(
            document["plan"],
            tuple(document["fitness"]),
            tuple(StudyNetwork(**network) for network in document["best"]),
            document["steps"],
            document["seconds"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CannotRun(f"{path}: cannot be used: {error}; remove it to search again") from None
    if record.plan != _plan_json(plan):
        raise CannotRun(
            f"{path}: is the result of a search with other settings; name another folder"
        )
    return record
