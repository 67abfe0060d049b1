"""A run that takes a second: its network, its settings and its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from anetc.data.recipes import recipes_for
from anetc.data.values import DataSpec
from anetc.training.run.run import TrainResult, train
from anetc.training.run.stop_request import StopRequest
from anetc.training.run.watcher import SilentWatcher, StepReport, Watcher
from anetc.training.settings import Parent, TrainSettings
from anetdsl.source import SourceFile

TEXT = """\
# A network for tests.   Its comments stay where they are.

anet 1

network toy  D=[4, 4, 4, 4]  modules=[2, 1, 1, 1]  # two modules at level 1

input rgb   channels=3
input flow  channels=2

node s0  level=0  C=4  r=1  stride=4  inputs=[rgb]
node s1  level=0  C=4  r=1  stride=4  inputs=[flow]
node n2  level=1  C=2  r=2  stride=1  inputs=[
  s0,       # of the picture
  s1@0.25,  # of the motion
]
node n3  level=2  C=2  r=1  stride=2  inputs=[n2]
node n4  level=2  C=2  r=1  stride=2  inputs=[s1, n2]  # no node reads it
sink  inputs=[n2, n3]  classes=3  # the end
"""
SOURCE = SourceFile("toy.anet", TEXT)
ITERATIONS = 12


def settings(**changes: Any) -> TrainSettings:
    given = {
        "iterations": ITERATIONS,
        "batch": 8,
        "save_every": 4,
        "evaluate_every": 6,
        "device": "cpu",
        "learning_rate": 0.05,
    }
    return TrainSettings(**{**given, **changes})


def run(
    out: Path,
    data: DataSpec,
    *,
    resume: bool = False,
    watch: Watcher | None = None,
    source: SourceFile = SOURCE,
    init_from: Parent | None = None,
    stop: StopRequest | None = None,
    accept_changed_videos: bool = False,
    **changes: Any,
) -> TrainResult:
    return train(
        source,
        settings(**changes),
        data,
        recipes_for(data, 4, (16, 16)),
        out,
        resume=resume,
        watch=watch or SilentWatcher(),
        init_from=init_from,
        stop=stop,
        accept_changed_videos=accept_changed_videos,
    )


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def losses(out: Path) -> list[float]:
    return [line["loss"] for line in metrics(out) if "loss" in line]


def outcome(out: Path) -> dict[str, bytes]:
    """The files that are equal in two runs that computed the same."""
    names = ("metrics.jsonl", "weights.safetensors", "model.anet")
    return {name: (out / name).read_bytes() for name in names}


class Interrupted(Exception):
    """The run was interrupted without warning."""


@attrs.define
class StopsAt:
    """A watcher that interrupts a run when a step or a validation is reported."""

    done: int

    def steps_done(self, report: StepReport) -> None:
        if report.done >= self.done:
            raise Interrupted

    def message(self, text: str) -> None:
        if text.startswith(f"validation after {self.done} "):
            raise Interrupted
