"""Compare an artifact with the reference module, in a process without anetdsl and anetc.

The process starts early, so that it imports PyTorch while the artifact is written.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anetc.export.about import ANY_LENGTH, About
from anetc.process_start import processor_count
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.modules.network import NetworkModule

TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}
"""Maximum relative error: largest difference of the logits, divided by the largest logit."""
_MAX_FREE_FRAMES = 8
"""Maximum number of frames of a trial, if the number of frames is free."""


@attrs.frozen
class Trial:
    """Random inputs, and the logits of the reference module for them."""

    shapes: tuple[tuple[int, ...], ...]
    """Shape of each input."""
    seed: int
    """Seed of the inputs."""
    expected: list[list[float]]
    """Logits (N, classes)."""


@attrs.frozen
class Verdict:
    """Result of the verification of an artifact."""

    error: float
    """Largest relative error of all trials."""
    first: float
    """Seconds from opening the file to the first result; PyTorch is already imported."""


def reference_trials(model: NetworkModule, about: About) -> list[Trial]:
    """Return trials of the sizes that an artifact must accept: its own, and others on free axes."""
    import torch

    from anetc.export.write import random_inputs

    free = ("batch", "frames") if about.kind in ANY_LENGTH else about.dynamic
    batch = about.batch
    frames = min(about.frames, _MAX_FREE_FRAMES) if "frames" in free else about.frames
    sizes = [(batch, frames)]
    if free:
        other_batch = (1 if batch > 1 else 2) if "batch" in free else batch
        other_frames = (frames - 1 or 2) if "frames" in free else frames
        sizes.append((other_batch, other_frames))
    trials = []
    model.eval()
    for seed, (n, t) in enumerate(sizes, 1):
        inputs = random_inputs(model, about, seed=seed, batch=n, frames=t)
        with torch.inference_mode():
            names = [value.name for value in model.network.inputs]
            logits = model(dict(zip(names, inputs)))
        if not logits.isfinite().all():
            raise CannotRun(
                "the logits of the network are not finite (NaN or infinity); check the weights"
            )
        trials.append(Trial(tuple(tuple(x.shape) for x in inputs), seed, logits.double().tolist()))
    return trials


class CleanProcess:
    """The clean process. Call `verify` once."""

    def __init__(self, process: subprocess.Popen[bytes], log: Any) -> None:
        self._process = process
        self._log = log

    def verify(self, path: Path, about: About, names: list[str], trials: list[Trial]) -> Verdict:
        """Run the trials. Raise CannotRun if the artifact fails or exceeds the tolerance."""
        job = {
            "kind": about.kind,
            "path": str(path),
            "names": names,
            "device": about.device,
            "trials": [attrs.asdict(trial) for trial in trials],
        }
        try:
            answer, _ = self._process.communicate(json.dumps(job).encode() + b"\n")
            result = json.loads(answer)
        except (OSError, ValueError):
            self._log.seek(0)
            last = self._log.read()[-2000:].decode(errors="replace").strip().splitlines()
            reason = last[-1] if last else f"exit code {self._process.returncode}"
            raise CannotRun(f"--emit {about.kind}: the artifact fails: {reason}") from None
        if "failed" in result:
            raise CannotRun(f"--emit {about.kind}: the artifact fails: {result['failed']}")
        error = max(result["errors"])
        if not error <= TOLERANCE[about.dtype]:
            raise CannotRun(
                f"--emit {about.kind}: the error of the artifact to the reference module is "
                f"{error:.1e}, above the tolerance of {TOLERANCE[about.dtype]:.0e}; no file is "
                "written"
            )
        return Verdict(error, float(result["first"]))


@contextlib.contextmanager
def clean_process(about: About) -> Iterator[CleanProcess]:
    """Start the process, and end it when the block ends.

    Its PATH is empty, so it has no compiler. For the kind `module`, which anetc runs, the process
    may import anetc.
    """
    allow = about.kind == "module"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-W",
                "ignore",
                str(Path(__file__).with_name("clean_process.py")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PATH": "", "CC": "", "CXX": ""},
        )
        try:
            assert process.stdin is not None
            header = {
                "folders": _folders(allow),
                "allow": allow,
                "threads": _threads(),
            }
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(header).encode() + b"\n")
                process.stdin.flush()
            yield CleanProcess(process, log)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _threads() -> int:
    """Return the number of threads that this process would use. OMP_NUM_THREADS may be a list."""
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(value) if value.isdecimal() else 0) or processor_count()


def _folders(allow: bool) -> list[str]:
    """Return the folders of the packages that the process needs; `python -I` ignores PYTHONPATH."""
    names = ["torch", *(["anetdsl", "anetc"] if allow else [])]
    found = [importlib.util.find_spec(name) for name in names]
    return [str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin]
