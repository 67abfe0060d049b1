"""Tries an artifact in a fresh process that has neither of our packages, against the plain module.

The process is started early, so that it imports PyTorch while the artifact is being made.
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
from anetdsl.errors import CannotRun

if TYPE_CHECKING:
    from anetc.modules.network import NetworkModule

TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}
"""Largest difference from the plain module's logits, by the largest of those."""
_SHORT = 8
"""Frames of a trial, where the clip's length is free."""


@attrs.frozen
class Trial:
    """Random inputs of a seed, and the logits that the plain module gives for them."""

    shapes: tuple[tuple[int, ...], ...]
    seed: int
    expected: list[list[float]]


@attrs.frozen
class Verdict:
    """How an artifact did."""

    error: float
    """The largest relative error of all trials."""
    first: float
    """Seconds from opening the file to the first result, PyTorch imported."""


def reference_trials(model: NetworkModule, about: About) -> list[Trial]:
    """Trials of what an artifact must take: its own sizes, and others where they are free."""
    import torch

    from anetc.export.write import random_inputs

    free = ("batch", "frames") if about.kind in ANY_LENGTH else about.dynamic
    batch = about.batch
    frames = min(about.frames, _SHORT) if "frames" in free else about.frames
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
            raise CannotRun("the plain module gives logits that are no finite numbers")
        trials.append(Trial(tuple(tuple(x.shape) for x in inputs), seed, logits.double().tolist()))
    return trials


class CleanProcess:
    """The process. `verify` may be called once."""

    def __init__(self, process: subprocess.Popen[bytes], log: Any) -> None:
        self._process = process
        self._log = log

    def verify(self, path: Path, about: About, names: list[str], trials: list[Trial]) -> Verdict:
        """Raises CannotRun where the artifact does not run, or not to tolerance."""
        job = {
            "kind": about.kind,
            "path": str(path),
            "names": names,
            "trials": [attrs.asdict(trial) for trial in trials],
        }
        try:
            answer, _ = self._process.communicate(json.dumps(job).encode() + b"\n")
            result = json.loads(answer)
        except (OSError, ValueError):
            self._log.seek(0)
            last = self._log.read()[-2000:].decode(errors="replace").strip().splitlines()
            reason = last[-1] if last else f"exit code {self._process.returncode}"
            raise CannotRun(f"--emit {about.kind}: the artifact does not run: {reason}") from None
        if "failed" in result:
            raise CannotRun(f"--emit {about.kind}: the artifact does not run: {result['failed']}")
        error = max(result["errors"])
        if not error <= TOLERANCE[about.dtype]:
            raise CannotRun(
                f"--emit {about.kind}: the artifact is off by {error:.1e} from the plain module, "
                f"above the tolerance of {TOLERANCE[about.dtype]:.0e}; no file is written"
            )
        return Verdict(error, float(result["first"]))


@contextlib.contextmanager
def clean_process(about: About) -> Iterator[CleanProcess]:
    """Start the process; it is gone when the block ends.

    It has no compiler: PATH is empty. A `module` needs anetc by its nature, and may import it.
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
    """As many as this process would take: OpenMP's variable may be a list, or nonsense."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(asked) if asked.isdecimal() else 0) or os.cpu_count() or 1


def _folders(allow: bool) -> list[str]:
    """Where the packages stand that the process may need: it does not look at PYTHONPATH."""
    names = ["torch", *(["anetdsl", "anetc"] if allow else [])]
    found = [importlib.util.find_spec(name) for name in names]
    return [str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin]
