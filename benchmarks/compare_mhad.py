r"""What a search on UTD-MHAD has found, beside hand-designed networks, on people not seen before.

    python benchmarks/compare_mhad.py RUN --out demo/mhad.jsonl \
        --data 'arrays:FILE.npz?train=1,3,5&validation=7&test=2,4,6,8'

RUN is the directory of a search such as search_mhad.toml asks for. Its best network, the best and
some others of its initial, random ones, and the small networks of examples/ are all trained afresh,
by the job of RUN's candidates and with the same seeds, and judged by the test split, which nothing
was chosen by. The examples are given as many residual modules a block as the networks of the search
have; with `--modules own` they keep theirs, which are more.

Every training is `anetc trial`. What stands in --out already is not done again, so the command may
be stopped at any moment. Exit code 1 where a training failed; the table is of the others then.
`make compare-mhad` runs the search first.
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
from anetdsl.evolve.workers.trial_process import TrialTask, Outcome
from anetdsl.ir import Network
from anetdsl.source import Edit, SourceFile
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute, set_edges, set_score

EXAMPLES = Path(__file__).parent.parent / "examples"
HEADER = (
    *("network", "how it came about", "modules", "parameters", "multiply-adds"),
    *("validation fitness", "test top-1", "range", "± s.e.", "top-5", "seeds"),
)

Modules = Literal["space", "own", "both"]
Row = Mapping[str, Any]
"""A finished training: the network's name and text, its job, and what came of it."""


@attrs.frozen
class Contestant:
    """A network to be trained from the start."""

    name: str
    how: str
    """How it came about."""
    text: str
    fitness: float | None = None
    """That of the search, on the validation split."""

    @property
    def network(self) -> Network:
        """What the text means."""
        return network_of(check_source(SourceFile(self.name, self.text)))

    @property
    def modules(self) -> str:
        """Its residual modules a block, by level."""
        return " ".join(map(str, self.network.modules))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="the search's directory; it may be at work still")
    parser.add_argument("--data", help="the data, with a test split; the run's own by default")
    parser.add_argument("--out", type=Path, required=True, help="a line for each training, JSON")
    parser.add_argument("--table", type=Path, help="where to write the table too, Markdown")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--iterations", type=int, help="of training; the run's by default")
    parser.add_argument("--initial", type=int, default=3, help="how many of the random networks")
    parser.add_argument(
        "--modules",
        choices=("space", "own", "both"),
        default="space",
        help="the examples' residual modules: as many as the search's, their own, or one of each",
    )
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    asked = parser.parse_args()
    if asked.seeds < 1:
        parser.error("--seeds: at least 1")
    try:
        return compare(asked)
    except CannotRun as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def compare(asked: argparse.Namespace) -> int:
    run = read_run(asked.run)
    jobs = [job_of(run, asked.data, asked.iterations, seed) for seed in range(asked.seeds)]
    clips = test_clips(jobs[0], run.settings.space)
    networks = [*of_run(run, asked.initial), *hand_designed(run.settings.space, asked.modules)]
    done = {key_of(row["text"], row["job"]): row for row in read(asked.out)}
    missing = [
        (network, job)
        for job in jobs
        for network in networks
        if key_of(network.text, job) not in done
    ]
    failed = 0
    for count, ((network, job), outcome) in enumerate(trained(missing, asked.workers), 1):
        said = f"{network.name} ({network.modules}), seed {job['settings']['seed']}:"
        if outcome.result is None:
            failed += 1
            print(f"{said} {outcome.failure}: {outcome.message}", file=sys.stderr)
            continue
        row = row_of(network, job, outcome.result.to_json())
        done[key_of(network.text, job)] = row
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        with asked.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        top1, seconds = row["measures"]["top1"], row["seconds"]
        left = len(missing) - count
        print(f"{said} {top1:.1f} % after {seconds:.0f} s; {left} to go", flush=True)
    rows = [
        [done[key] for job in jobs if (key := key_of(network.text, job)) in done]
        for network in networks
    ]
    page = "\n".join([*heading(run, jobs[0], clips), "", *table(zip(networks, rows), clips)])
    print(page)
    if asked.table is not None:
        asked.table.parent.mkdir(parents=True, exist_ok=True)
        asked.table.write_text(page + "\n", encoding="utf-8")
    return int(failed > 0)


def job_of(run: Run, data: str | None, iterations: int | None, seed: int) -> dict[str, Any]:
    """The job of the run's candidates, judged by the test split."""
    settings = {**run.trial.get("settings", {}), "seed": seed, "threads": 1}
    if iterations is not None:
        settings["iterations"] = iterations
    job = {"schema": JOB_SCHEMA, "schema_version": JOB_VERSION, **run.trial, "split": "test"}
    return {**job, "data": data or run.trial["data"], "settings": settings}


def test_clips(job: Mapping[str, Any], space: Space) -> int:
    """How many clips the test split has. Raises CannotRun where it is not for these networks."""
    spec = parse_spec(job["data"])
    recipe = recipes_from_json(spec, job.get("recipe", {}), "recipe").validation
    held = open_data(spec, "test", recipe, flow=False)
    if len(held.classes) != space.classes:
        raise CannotRun(f"the run is about {space.classes} classes; the data {len(held.classes)}")
    return len(held)


def of_run(run: Run, initial: int) -> list[Contestant]:
    """The best of a run, the best of its initial population, and the first few of that."""
    finished = [record for record in run.records if record.fitness is not None]
    drawn = [
        record
        for record in finished
        if record.index < run.settings.population and record.source is None
    ]
    if not drawn:
        raise CannotRun(f"{run.path}: none of the initial networks is trained yet")
    chosen: dict[str, tuple[Record, list[str]]] = {}
    for record, how in (
        (best(finished), "best of the search"),
        (best(drawn), "best initial one"),
        *((record, "drawn at random") for record in drawn[:initial]),
    ):
        chosen.setdefault(record.name, (record, []))[1].append(how)
    return [
        Contestant(record.name, ", ".join(hows), fresh(record.text), record.fitness)
        for record, hows in chosen.values()
    ]


def best(records: Sequence[Record]) -> Record:
    """The one of the highest fitness; of equals the oldest, as in the search's report."""
    return max(records, key=lambda record: (record.fitness or 0.0, -record.index))


def fresh(text: str) -> str:
    """A candidate's text as it was before its training: without learned weights and score."""
    source = SourceFile("<candidate>", text)
    network = network_of(check_source(source))
    tree = parse_syntax(source)
    edits: list[Edit] = list(set_score(tree, None))
    for old, new in zip(network.nodes, untrained(network).nodes, strict=True):
        if new.inputs != old.inputs:
            edits.extend(set_edges(tree, find(tree, "node", old.name), new.inputs))
    return apply(text, edits)


def hand_designed(space: Space, modules: Modules) -> Iterator[Contestant]:
    """The small networks of examples/, with the classes of the search, and its modules."""
    own = []
    for path in sorted(EXAMPLES.glob("small_*.anet")):
        text = path.read_text(encoding="utf-8")
        text = changed(text, "sink", "classes", str(space.classes))
        example = Contestant(path.stem, "hand-designed", text)
        if path.stem == "small_assemblenet":
            example = attrs.evolve(example, how="the paper's search")
        network = example.network
        if network.widths != space.widths:
            print(f"left out: {path.name}, as D of the search is another", file=sys.stderr)
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


def trained(
    missing: Sequence[tuple[Contestant, Mapping[str, Any]]], workers: int
) -> Iterator[tuple[tuple[Contestant, Mapping[str, Any]], Outcome]]:
    """What comes of each training, as they end. None is left running, however this ends."""
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
    """What the table is of."""
    settings, search = job["settings"], run.settings
    spec = parse_spec(job["data"])  # its path is nobody's business
    splits = "".join(f", {name} {value}" for name, value in spec.options)
    count = sum(record.status in ("done", "failed") for record in run.records)
    yield (
        f"Test accuracy, per cent ({spec.format}{splits}: {clips} clips; chance is "
        f"{100 / search.space.classes:.1f}), after {settings['iterations']:,} steps of "
        f"{settings['batch']} clips."
    )
    so_far = "" if count >= search.rounds else ", unfinished"
    yield (
        f"The search: {search.method}, seed {search.seed}, {count} of {search.rounds} candidates"
        f"{so_far}, the first {search.population} drawn at random."
    )
    yield (
        "The standard error is that of so many clips at the mean top-1; seeds, which share the "
        "clips, do not lessen it."
    )


def table(found: Iterable[tuple[Contestant, Sequence[Row]]], clips: int) -> list[str]:
    """A row for each network with a result, in columns, as Markdown."""
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
        network.how,
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
