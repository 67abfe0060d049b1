"""`anetc.evaluate`: evaluate a network on a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetc.arguments import Kinds, check_arguments, check_type
from anetc.evaluation.eval_request import EvalRequest
from anetc.evaluation.weights_evaluation import EvalComputation, evaluate_weights
from anetdsl.api import load
from anetdsl.errors import cannot_read
from anetdsl.ir import Network
from anetdsl.settings_reader import above, at_least, between

if TYPE_CHECKING:
    from anetc.data.values import Dataset, Split
    from anetc.devices import EngineChoice, PrecisionChoice
    from anetc.evaluation.protocols import Protocol
    from anetc.evaluation.runner import Progress
    from anetc.evaluation.scores import Evaluation


@attrs.frozen(eq=False)
class EvaluationReport:
    """The result of an evaluation."""

    evaluation: Evaluation
    """Scores and targets of every video; `evaluation.measures()` has the measures."""
    about: Mapping[str, Any]
    """Network, data, split, recipe, seed, precision and device, as in the JSON of `anetc eval`."""
    notes: tuple[str, ...]
    """Warnings, such as about clips that differ from those of the training."""

    @property
    def measures(self) -> dict[str, float]:
        """Measures by name: `top1`, `top5`, `loss`, `fitness`; or `mAP`, `wAP`, `loss`, ..."""
        return self.evaluation.measures()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of `anetc eval --json` (docs/schemas/eval.schema.json)."""
        from anetc.evaluation.summary import to_json

        return to_json(self.evaluation, self.about)


def _kinds() -> Kinds:
    from anetc.data.values import Split
    from anetc.devices import EngineChoice, PrecisionChoice
    from anetc.evaluation.protocols import Protocol

    return {
        "format": (str | None, None),
        "split": (Split | None, None),
        "protocol": (Protocol | None, None),
        "frames": (int | None, at_least(1)),
        "size": (tuple[int, int] | None, None),
        "clips": (int | None, at_least(1)),
        "fps": (float | None, above(0)),
        "seed": (int, None),
        "batch": (int, at_least(1)),
        "workers": (int, at_least(0)),
        "engine": (EngineChoice, None),
        "precision": (PrecisionChoice, None),
        "threads": (int | None, at_least(1)),
        "max_failures": (float, between(0, 1)),
    }


def evaluate(
    network: str | os.PathLike[str] | Network,
    weights: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    format: str | None = None,
    split: Split | None = None,
    protocol: Protocol | None = None,
    frames: int | None = None,
    size: int | tuple[int, int] | None = None,
    clips: int | None = None,
    fps: float | None = None,
    seed: int = 0,
    batch: int = 8,
    workers: int = 0,
    engine: EngineChoice = "fast",
    device: str = "auto",
    precision: PrecisionChoice = "auto",
    threads: int | None = None,
    max_failures: float = 0.05,
    ready: Callable[[Dataset, tuple[str, ...]], Progress | None] | None = None,
    message: Callable[[str], None] = lambda _: None,
) -> EvaluationReport:
    """Evaluate a network on a split of a data set by the paper's protocols, as `anetc eval` does.

    Clips are those of the training that the weights file describes, unless an argument differs.
    Classes are matched by name.

    Args:
        network: Path of a text, or a network.
        weights: Weights file of the network.
        data: Name of the data set, as for `--data`: a path, or `FORMAT:PATH?option=value`.
        format: Format of `data`, if its path does not show it.
        split: Split to evaluate; by default `test`, for Moments in Time `validation`.
        protocol: `moments` or `charades`; by default that of the data.
        frames: Number of frames of a clip.
        size: Height and width of a clip in pixels; one number is both.
        clips: Number of clips per video.
        fps: Frames per second, for videos.
        seed: Seed of clips at random places.
        batch: Number of clips to compute at once.
        workers: Number of processes that load clips; 0 loads them in this process.
        engine: `fast`, or `reference` to compare.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU if PyTorch can use one.
        precision: `auto`, `float32`, `bfloat16`, or `ieee` for float32 without TF32; `auto` is
            bfloat16 on a GPU with tensor cores for it, else float32.
        threads: Number of threads that compute on a CPU, from this call on; None keeps that of
            PyTorch.
        max_failures: Largest fraction of videos that may be unreadable.
        ready: Called with the opened split and the notes before the network runs; may return a
            function that is called with the number of videos done.
        message: Called with a line about the device before the network runs.

    Raises:
        AnetError: The text has errors.
        CannotRun: A file cannot be read, the weights do not fit, the data have other classes, or
            too many videos cannot be read.
    """
    check_type("evaluate", "network", network, str, os.PathLike, Network)
    check_type("evaluate", "weights", weights, str, os.PathLike)
    height_width = (size, size) if isinstance(size, int) else size
    given = {
        "format": format,
        "split": split,
        "protocol": protocol,
        "frames": frames,
        "size": height_width,
        "clips": clips,
        "fps": fps,
        "seed": seed,
        "batch": batch,
        "workers": workers,
        "engine": engine,
        "precision": precision,
        "threads": threads,
        "max_failures": max_failures,
    }
    check_arguments("evaluate", given, _kinds())
    if not isinstance(network, Network):
        network = load(os.fspath(network))
    weights = os.fspath(weights)
    if not Path(weights).exists():
        raise cannot_read(weights)
    request = EvalRequest(data, format, split, protocol, frames, height_width, clips, fps, seed)
    how = EvalComputation(
        batch=batch,
        workers=workers,
        engine=engine,
        device=device,
        precision=precision,
        threads=threads,
        max_failures=max_failures,
        message=message,
    )
    evaluation, about, notes = evaluate_weights(network, weights, request, how, ready)
    return EvaluationReport(evaluation, about, notes)
