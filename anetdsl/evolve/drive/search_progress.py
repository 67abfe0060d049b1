"""Progress of a search, for `--status` and the live table; fast also for a long search."""

from __future__ import annotations

import time

import attrs

from anetdsl.evolve.drive.store import Store
from anetdsl.evolve.fitness_values import Fitness

_RECENT = 50


@attrs.frozen
class Progress:
    """Progress of a search at one moment. Times are seconds; fitness is top1 + top5 in percent."""

    candidates: int
    """Number of candidates of the whole search."""
    done: int
    failed: int
    running: tuple[tuple[str, float], ...]
    """Names of the candidates in training, and how long each has been trained."""
    waiting: int
    """Number of candidates that are proposed and not started."""
    best: tuple[str, Fitness] | None
    """Name and fitness of the best network."""
    top_three: float | None
    """Mean fitness of the best three networks."""
    second_looks: int
    """Number of second trainings that are done (`confirm`)."""
    failures: tuple[tuple[str, str, str], ...]
    """Name, kind of failure and message of the last candidates that failed."""
    seconds_left: float | None
    """Estimated time to the end, by the last trials; None if no trial runs or none has ended."""
    started: float | None
    """When the run was created, since the epoch."""

    @property
    def finished(self) -> int:
        """Number of candidates that are done or failed."""
        return self.done + self.failed


def progress_of(store: Store, candidates: int, *, workers: int | None = None) -> Progress:
    """Return the progress of a search.

    `candidates` is the number of candidates of the whole search,
    `workers` is the number of trials that run at a time, if it is known.
    """
    counts = dict(store.query("SELECT status, count(*) FROM candidates GROUP BY status"))
    best = store.best(3)
    now = time.time()
    running = tuple(
        (name, max(0.0, now - started))
        for name, started in store.query(
            "SELECT name, started FROM candidates WHERE status = 'running' ORDER BY number"
        )
    )
    failures = store.query(
        "SELECT name, failure, message FROM candidates WHERE status = 'failed' "
        "ORDER BY number DESC LIMIT 3"
    )
    done, failed = counts.get("done", 0), counts.get("failed", 0)
    return Progress(
        candidates=candidates,
        done=done,
        failed=failed,
        running=running,
        waiting=counts.get("proposed", 0),
        best=best[0] if best else None,
        top_three=sum(fitness.mean for _, fitness in best) / len(best) if best else None,
        second_looks=store.second_looks(),
        failures=tuple(failures),
        seconds_left=_seconds_left(store, candidates - done - failed, workers or len(running)),
        started=store.started(),
    )


def _seconds_left(store: Store, missing: int, workers: int) -> float | None:
    ((mean,),) = store.query(
        "SELECT avg(took) FROM (SELECT finished - started AS took FROM candidates "
        "WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT ?)",
        _RECENT,
    )
    if mean is None or not workers or missing <= 0:
        return None
    return float(max(mean, mean * missing / min(workers, missing)))
