"""Simulate a search with many workers: trials sleep, and their fitness depends on the text.

Everything else is real: guided evolution proposes candidates in the paper's space, every event is
committed and every file is written. The benchmark measures which share of the workers' time trials
use, the driver's memory, and how fast `anetc evolve --status` answers at the same time.

A trial of one minute is short: of 1,000 running trials 17 end per second, and for each the driver
proposes, checks, commits and writes a candidate on one core. Real trials take minutes to hours.

    python benchmarks/scale_search.py --executor threads --candidates 20000 --workers 1000
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from anetdsl.evolve.contract import TrialFolder, TrialResult
from anetdsl.evolve.drive.driver import Driver, Rules
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.search import make_run
from anetdsl.evolve.drive.store import open_for_reading, open_store
from anetdsl.evolve.propose.algorithms import population, propose
from anetdsl.evolve.settings.presets import space
from anetdsl.evolve.settings.run_settings import RunSettings
from anetdsl.evolve.settings.search_settings import SearchSettings
from anetdsl.evolve.workers.dispatch import Dispatcher
from anetdsl.evolve.workers.executors import Workers, open_workers
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask

_INPUTS = re.compile(r"(?m)^(node .*level=[1-4].*inputs=\[)([^\]]*,[^\]]*)\]")


@attrs.frozen
class Sleep:
    """A trial whose duration is uniform between 0.5 and 1.5 times the mean."""

    mean: float

    def __call__(self, task: TrialTask) -> Outcome:
        """Sleep, and return a result that is a function of the text."""
        text = TrialFolder(task.folder).candidate.read_text(encoding="utf-8")
        draw = random.Random(hashlib.sha256(text.encode()).digest())
        began = time.time()
        time.sleep(self.mean * draw.uniform(0.5, 1.5))
        ended = time.time()
        trained = _INPUTS.sub(
            lambda found: (
                found[1]
                + ", ".join(f"{name}@{draw.uniform(0.05, 0.95):.3f}" for name in _names(found[2]))
                + "]"
            ),
            text,
        )
        measures = {"began": began, "ended": ended}
        return Outcome(
            TrialResult(status="done", fitness=draw.uniform(0, 200), measures=measures), trained
        )


def _names(listed: str) -> list[str]:
    return [name for item in listed.split(",") if (name := item.partition("@")[0].strip())]


def main() -> None:
    """Run one search and print the measurements."""
    options = _options()
    sleep = Sleep(options.seconds)
    settings = SearchSettings(
        space("paper", 339),
        candidates=options.candidates,
        order=options.order,
        window=options.window,
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDir(Path(folder) / "run")
        make_run(directory, RunSettings(settings, {"data": "none", "settings": {"iterations": 1}}))
        with _workers(options, sleep) as workers, open_store(directory) as store:
            rules = Rules(propose, population)
            driver = Driver(directory, store.settings(), store, rules, Dispatcher(workers))
            watcher = _Watcher(directory, options.candidates)
            driver.watch = watcher.look
            started, processor = time.perf_counter(), time.process_time()
            assert driver.drive()
            took, used = time.perf_counter() - started, time.process_time() - processor
            watcher.end.set()
        _report(directory, options, took, used, watcher)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", choices=("threads", "dask"), default="threads")
    parser.add_argument("--workers", type=int, default=1000, help="trials that run at a time")
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="mean duration of a trial")
    parser.add_argument("--order", choices=("arrival", "index"), default="arrival")
    parser.add_argument("--window", type=int, default=2000)
    return parser.parse_args()


@contextlib.contextmanager
def _workers(options: argparse.Namespace, sleep: Sleep) -> Iterator[Workers]:
    count = options.workers
    if options.executor == "threads":
        with ThreadPoolExecutor(count) as pool:
            yield Workers(pool, lambda: count, sleep, lambda: None)
        return
    import distributed

    # Two processes with many threads; a trial takes one thread, as on a cluster.
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=count // 2, dashboard_address=":0", memory_limit=0
    )
    with cluster, open_workers(f"dask:{cluster.scheduler_address}") as workers:
        yield attrs.evolve(workers, run=sleep, remote=False)


class _Watcher:
    """Record the driver's memory during the search, and how fast its status can be read."""

    def __init__(self, directory: RunDir, candidates: int) -> None:
        self.memory: list[tuple[int, float]] = []
        self.status_seconds: list[float] = []
        self.end = threading.Event()
        self._directory = directory
        self._marks = [round(candidates * share) for share in (0.1, 0.25, 0.5, 0.75, 0.95)]
        self._last = 0.0
        threading.Thread(target=self._read_status, daemon=True).start()

    def look(self) -> None:
        """Record the memory each time a mark is reached."""
        if time.monotonic() - self._last < 1.0 or not self._marks:
            return
        self._last = time.monotonic()
        with open_for_reading(self._directory) as store:
            ((done,),) = store.query("SELECT count(*) FROM candidates WHERE status = 'done'")
        if done >= self._marks[0]:
            self.memory.append((done, _resident()))
            self._marks = [mark for mark in self._marks if mark > done]

    def _read_status(self) -> None:
        command = [sys.executable, "-m", "anetc", "evolve", "--status", str(self._directory.path)]
        while not self.end.wait(20):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            self.status_seconds.append(time.perf_counter() - started)


def _resident() -> float:
    """Return the resident memory of this process in MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _report(
    directory: RunDir, options: argparse.Namespace, took: float, used: float, watcher: _Watcher
) -> None:
    """Print the busy shares of the workers, the driver's CPU time and memory, and status times."""
    with open_for_reading(directory) as store:
        # Times that the trials measured: a worker that waits for the driver is not busy.
        spans = sorted(
            (dict(record.measures)["began"], dict(record.measures)["ended"])
            for record in store.records()
        )
    first, last = spans[0][0], max(ended for _, ended in spans)
    filled, drained = spans[options.workers - 1][0], spans[-1][0]
    window = f", window {options.window}" if options.order == "index" else ""
    print(f"{options.executor}, {options.workers} running trials, order {options.order}{window}")
    print(f"{len(spans)} candidates, mean trial {options.seconds:g} s, total time {took:.1f} s")
    for name, start, end in (
        ("overall", first, last),
        ("while all workers have work", filled, drained),
    ):
        busy = sum(max(0.0, min(ended, end) - max(began, start)) for began, ended in spans)
        print(f"busy {name}: {100 * busy / (options.workers * (end - start)):.1f} %")
    print(f"driver: {1000 * used / len(spans):.2f} ms of CPU per candidate")
    print("memory: " + ", ".join(f"{mib:.0f} MiB at {done}" for done, mib in watcher.memory))
    if times := watcher.status_seconds:
        median, most = statistics.median(times), max(times)
        print(f"status: median {median:.2f} s, maximum {most:.2f} s, {len(times)} readings")


if __name__ == "__main__":
    main()
