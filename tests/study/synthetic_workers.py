"""Workers whose trainings take no time: the fitness is a function of the network's edges."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import attrs

from anetdsl.checking import check_source, network_of
from anetdsl.evolve.contract import TrialFolder, TrialResult
from anetdsl.evolve.workers.executors import Workers
from anetdsl.evolve.workers.trial_process import Outcome, TrialTask
from anetdsl.ir import Network
from anetdsl.source import SourceFile

Settings = Mapping[str, Any]


def value_of(source: str, target: str) -> float:
    """Return the true value of an edge, in (0, 1)."""
    return (sum(map(ord, f"{source}>{target}")) * 37 % 97 + 1) / 99


def true_weights(network: Network) -> dict[str, tuple[float, ...]]:
    return {
        node.name: tuple(value_of(edge.source, node.name) for edge in node.inputs)
        for node in network.nodes
        if node.has_edge_weights
    }


def sum_of_values(network: Network, settings: Settings) -> TrialResult:
    """Return the sum of the values of the edges as the fitness, and the values as weights."""
    total = sum(value_of(edge.source, node.name) for node in network.nodes for edge in node.inputs)
    return TrialResult(
        status="done",
        fitness=total + 0.01 * (settings["seed"] % 7),
        measures={"top1": total / 2, "top5": total / 2},
        edges=true_weights(network),
        parameters=1000,
        multiply_adds=2000,
        seconds=1.0,
    )


@attrs.define
class SyntheticTrainings:
    """Function of the workers, which counts its calls."""

    result: Callable[[Network, Settings], TrialResult] = sum_of_values
    tasks: list[str] = attrs.field(factory=list)
    seen_data: list[str] = attrs.field(factory=list)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __call__(self, task: TrialTask) -> Outcome:
        with self._lock:
            self.tasks.append(task.name)
        folder = TrialFolder(task.folder)
        text = folder.candidate.read_text(encoding="utf-8")
        job = json.loads(folder.job.read_text(encoding="utf-8"))
        self.seen_data.append(job["data"])
        network = network_of(check_source(SourceFile(task.name, text)))
        result = self.result(network, job["settings"])
        if result.status == "failed":
            return Outcome(failure=result.failure, message=result.message)
        return Outcome(result=result, text=text)


@contextmanager
def synthetic_workers(trainings: SyntheticTrainings, count: int = 2) -> Iterator[Workers]:
    with ThreadPoolExecutor(count) as executor:
        yield Workers(executor, lambda: count, trainings, lambda: None)
