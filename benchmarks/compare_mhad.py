r"""Compare the results of a search on UTD-MHAD with hand-designed networks, on unseen people.

    python benchmarks/compare_mhad.py RUN --out demo/mhad.jsonl \
        --data 'arrays:FILE.npz?train=1,3,5&validation=7&test=2,4,6,8'

RUN is the directory of a search such as that of search_mhad.toml. The networks are the best of the
search, the best and some others of its random initial networks, and the small networks of
examples/. All are trained from the start, by the job of RUN's candidates and with the same seeds,
and evaluated on the test split, which was not used to choose anything. The examples get the numbers
of residual modules per block of the search; with `--modules own` they keep their own, larger ones.

Every training is an `anetc trial`. Results in --out are kept, so the command can be stopped and
started again. Exit code 1 if a training failed; the table then has the others. `make compare-mhad`
runs the search first.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any, Literal

import attrs

from anetc.data.open import open_data
from anetc.data.recipes import recipes_from_json
from anetc.data.spec import parse_spec
from anetdsl.checking import check_source, network_of
from anetdsl.errors import CannotRun
from anetdsl.evolve.candidates import Record
from anetdsl.evolve.contract import JOB_SCHEMA, JOB_VERSION
from anetdsl.evolve.drive.run_reader import Run, read_run
from anetdsl.evolve.propose.child_text import untrained
from anetdsl.evolve.settings.search_settings import Space
from anetdsl.evolve.workers.executors import open_workers
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from anetdsl.ir import Network
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute, set_edges, set_score

EXAMPLES = Path(__file__).parent.parent / "examples"
HEADER = (
    *("network", "origin", "modules", "parameters", "multiply-adds"),
    *("validation fitness", "test top-1", "range", "± s.e.", "top-5", "seeds"),
)

Modules = Literal["space", "own", "both"]
Row = Mapping[str, Any]
"""A finished training: the network's name and text, its job, and its result."""


@attrs.frozen
class Contestant:
    """A network to train from the start."""

    name: str
    origin: str
    """Origin of the network."""
    text: str
    fitness: float | None = None
    """Fitness in the search, on the validation split."""

    @property
    def network(self) -> Network:
        """The network of the text."""
        return network_of(check_source(SourceFile(self.name, self.text)))

    @property
    def modules(self) -> str:
        """Residual modules per block, by level."""
        return " ".join(map(str, self.network.modules))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="directory of a search, also a running one")
    parser.add_argument("--data", help="data with a test split; by default the data of the run")
    parser.add_argument("--out", type=Path, required=True, help="file of results, as JSON lines")
    parser.add_argument("--table", type=Path, help="also write the table to this file, as Markdown")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument(
        "--iterations", type=int, help="training steps; by default those of the run"
    )
    parser.add_argument("--initial", type=int, default=3, help="number of random networks")
    parser.add_argument(
        "--modules",
        choices=("space", "own", "both"),
        default="space",
        help="residual modules of the examples: those of the search, their own, or both",
    )
    parser.add_argument("--workers", type=int, default=1, help="number of trainings at a time")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds: at least 1")
    try:
        return compare(options)
    except CannotRun as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def compare(options: argparse.Namespace) -> int:
    run = read_run(options.run)
    jobs = [job_of(run, options.data, options.iterations, seed) for seed in range(options.seeds)]
    clips = test_clips(jobs[0], run.settings.space)
    networks = [
        *networks_of_run(run, options.initial),
        *hand_designed(run.settings.space, options.modules),
    ]
    done = {key_of(row["text"], row["job"]): row for row in read(options.out)}
    missing = [
        (network, job)
        for job in jobs
        for network in networks
        if key_of(network.text, job) not in done
    ]
    failed = 0
    for count, ((network, job), outcome) in enumerate(train_all(missing, options.workers), 1):
        title = f"{network.name} ({network.modules}), seed {job['settings']['seed']}:"
        if outcome.result is None:
            failed += 1
            print(f"{title} {outcome.failure}: {outcome.message}", file=sys.stderr)
            continue
        row = row_of(network, job, outcome.result.to_json())
        done[key_of(network.text, job)] = row
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        top1, seconds = row["measures"]["top1"], row["seconds"]
        left = len(missing) - count
        print(f"{title} {top1:.1f} % after {seconds:.0f} s; {left} to go", flush=True)
    rows = [
        [done[key] for job in jobs if (key := key_of(network.text, job)) in done]
        for network in networks
    ]
    page = "\n".join([*heading(run, jobs[0], clips), "", *table(zip(networks, rows), clips)])
    print(page)
    if options.table is not None:
        options.table.parent.mkdir(parents=True, exist_ok=True)
        options.table.write_text(page + "\n", encoding="utf-8")
    return int(failed > 0)


def job_of(run: Run, data: str | None, iterations: int | None, seed: int) -> dict[str, Any]:
    """Return the job of the run's candidates, with the test split."""
    settings = {**run.trial.get("settings", {}), "seed": seed, "threads": 1}
    if iterations is not None:
        settings["iterations"] = iterations
    job = {"schema": JOB_SCHEMA, "schema_version": JOB_VERSION, **run.trial, "split": "test"}
    return {**job, "data": data or run.trial["data"], "settings": settings}


def test_clips(job: Mapping[str, Any], space: Space) -> int:
    """Return the number of test clips. Raises CannotRun for another number of classes."""
    spec = parse_spec(job["data"])
    recipe = recipes_from_json(spec, job.get("recipe", {}), "recipe").validation
    dataset = open_data(spec, "test", recipe, flow=False)
    if len(dataset.classes) != space.classes:
        raise CannotRun(
            f"the search has {space.classes} classes, but the data have {len(dataset.classes)}"
        )
    return len(dataset)


def networks_of_run(run: Run, initial: int) -> list[Contestant]:
    """Return the best network of a run, and the best and the first few initial networks."""
    finished = [record for record in run.records if record.fitness is not None]
    drawn = [
        record
        for record in finished
        if record.index < run.settings.population and record.source is None
    ]
    if not drawn:
        raise CannotRun(f"{run.path}: none of the initial networks is trained yet")
    chosen: dict[str, tuple[Record, list[str]]] = {}
    for record, origin in (
        (best(finished), "best of the search"),
        (best(drawn), "best initial network"),
        *((record, "random") for record in drawn[:initial]),
    ):
        chosen.setdefault(record.name, (record, []))[1].append(origin)
    return [
        Contestant(record.name, ", ".join(origins), fresh(record.text), record.fitness)
        for record, origins in chosen.values()
    ]


def best(records: Sequence[Record]) -> Record:
    """Return the candidate with the highest fitness, the oldest if several have it."""
    return max(records, key=lambda record: (record.fitness or 0.0, -record.index))


def fresh(text: str) -> str:
    """Return a candidate's text before training: without learned weights and score."""
    source = SourceFile("<candidate>", text)
    network = network_of(check_source(source))
    tree = parse_syntax(source)
    edits: list[Edit] = list(set_score(tree, None))
    for old, new in zip(network.nodes, untrained(network).nodes, strict=True):
        if new.inputs != old.inputs:
            edits.extend(set_edges(tree, find(tree, "node", old.name), new.inputs))
    return apply(text, edits)


def hand_designed(space: Space, modules: Modules) -> Iterator[Contestant]:
    """Yield the small networks of examples/, with the classes and modules of the search."""
    own = []
    for path in sorted(EXAMPLES.glob("small_*.anet")):
        text = path.read_text(encoding="utf-8")
        text = changed(text, "sink", "classes", str(space.classes))
        example = Contestant(path.stem, "hand-designed", text)
        if path.stem == "small_assemblenet":
            example = attrs.evolve(example, origin="the paper's search")
        network = example.network
        if network.widths != space.widths:
            print(f"left out: {path.name}: its D is not that of the search", file=sys.stderr)
            continue
        if modules == "own" or network.modules == space.modules:
            yield example
            continue
        yield attrs.evolve(
            example, text=changed(text, "network", "modules", list(map(str, space.modules)))
        )
        own.append(example)
    if modules == "both":
        yield from own


def changed(text: str, keyword: str, attribute: str, value: str | Sequence[str]) -> str:
    tree = parse_syntax(SourceFile("<example>", text))
    return apply(text, set_attribute(tree, find(tree, keyword), attribute, value))


def train_all(
    missing: Sequence[tuple[Contestant, Mapping[str, Any]]], workers: int
) -> Iterator[tuple[tuple[Contestant, Mapping[str, Any]], Outcome]]:
    """Yield the outcome of each training when it ends; leave no training running."""
    with tempfile.TemporaryDirectory() as scratch, open_workers(f"threads:{workers}") as pool:
        running: dict[Future[Outcome], int] = {}
        for number, (network, job) in enumerate(missing):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            (folder / "candidate.anet").write_text(network.text, encoding="utf-8")
            future = pool.executor.submit(pool.run, TrialTask(network.name, str(folder)))
            running[future] = number
        for future in as_completed(running):
            number = running[future]
            yield missing[number], future.result()
            shutil.rmtree(Path(scratch) / str(number))


def row_of(network: Contestant, job: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    kept = ("measures", "parameters", "multiply_adds", "seconds", "versions")
    found = {name: result[name] for name in kept}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"network": network.name, "text": network.text, "job": job, **found, "finished": now}


def key_of(text: str, job: Mapping[str, Any]) -> str:
    return json.dumps([text, job], sort_keys=True)


def read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def heading(run: Run, job: Mapping[str, Any], clips: int) -> Iterator[str]:
    """Yield the lines above the table."""
    settings, search = job["settings"], run.settings
    spec = parse_spec(job["data"])  # its path is private
    splits = "".join(f", {name} {value}" for name, value in spec.options)
    count = sum(record.status in ("done", "failed") for record in run.records)
    yield (
        f"Test accuracy, per cent ({spec.format}{splits}: {clips} clips; chance is "
        f"{100 / search.space.classes:.1f}), after {settings['iterations']:,} steps of "
        f"{settings['batch']} clips."
    )
    so_far = "" if count >= search.candidates else ", unfinished"
    yield (
        f"The search: {search.method}, seed {search.seed}, {count} of {search.candidates} "
        f"candidates{so_far}, the first {search.population} random."
    )
    yield (
        "The standard error is that of the mean top-1 over the clips; more seeds do not reduce it, "
        "as they share the clips."
    )


def table(found: Iterable[tuple[Contestant, Sequence[Row]]], clips: int) -> list[str]:
    """Return a Markdown table with a row for each network that has a result."""
    lines: list[Sequence[str]] = [HEADER]
    lines += [cells(network, rows, clips) for network, rows in found if rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines]


def cells(network: Contestant, rows: Sequence[Row], clips: int) -> list[str]:
    top1, top5 = ([row["measures"][name] for row in rows] for name in ("top1", "top5"))
    mean = statistics.mean(top1)
    return [
        network.name,
        network.origin,
        network.modules,
        f"{rows[0]['parameters']:,}",
        f"{rows[0]['multiply_adds']:,}",
        "" if network.fitness is None else f"{network.fitness:.1f}",
        f"{mean:.1f}",
        f"{min(top1):.1f}-{max(top1):.1f}",
        f"{math.sqrt(mean * (100 - mean) / clips):.1f}",
        f"{statistics.mean(top5):.1f}",
        str(len(rows)),
    ]


if __name__ == "__main__":
    sys.exit(main())
