"""How far a search is: what `--status` and the live table show. Answers at once, however long."""

from __future__ import annotations

import time

import attrs

from anetdsl.evolve.drive.store import Store

_RECENT = 50


@attrs.frozen
class Progress:
    """A search at one moment. Times are seconds, fitness is top-1 + top-5 in percent."""

    rounds: int
    done: int
    failed: int
    running: tuple[tuple[str, float], ...]
    """Names of candidates in training, and for how long."""
    waiting: int
    """Candidates that are proposed and not started."""
    best: tuple[str, float] | None
    """The best candidate's name and fitness."""
    top_three: float | None
    """The mean fitness of the best three."""
    failures: tuple[tuple[str, str, str], ...]
    """Of the last that failed: name, kind, message."""
    left: float | None
    """Until the end, at the pace of the last trials; None while nothing runs, or nothing ended."""
    started: float | None
    """When the run was made, since the epoch."""

    @property
    def finished(self) -> int:
        """Candidates whose fate is known."""
        return self.done + self.failed


def progress_of(store: Store, rounds: int, *, workers: int | None = None) -> Progress:
    """A search's progress; `workers` is how many trials run at a time, where that is known."""
    counts = dict(store.query("SELECT status, count(*) FROM candidates GROUP BY status"))
    best = store.query(
        "SELECT name, fitness FROM candidates WHERE status = 'done' "
        "ORDER BY fitness DESC, number LIMIT 3"
    )
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
        rounds=rounds,
        done=done,
        failed=failed,
        running=running,
        waiting=counts.get("proposed", 0),
        best=best[0] if best else None,
        top_three=sum(fitness for _, fitness in best) / len(best) if best else None,
        failures=tuple(failures),
        left=_left(store, rounds - done - failed, workers or len(running)),
        started=store.started(),
    )


def _left(store: Store, missing: int, workers: int) -> float | None:
    ((mean,),) = store.query(
        "SELECT avg(took) FROM (SELECT finished - started AS took FROM candidates "
        "WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT ?)",
        _RECENT,
    )
    if mean is None or not workers or missing <= 0:
        return None
    return float(max(mean, mean * missing / min(workers, missing)))
