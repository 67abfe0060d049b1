"""Check everything that needs a GPU, on this machine, in under nine minutes: `make gpu-check`.

    python benchmarks/gpu_check.py [--device cuda] [--json FILE] [--deadlines FACTOR] [STAGE ...]

Each stage (`gpu_stages.py`) runs in a process of its own, which is killed at its deadline; what it
has found so far is kept. A table is printed, and JSON is written. Exit code 0 if every stage
passes, also if an aim for the speed is missed; 1 if one fails; 2 on a machine without a GPU. The
stage `artifacts` runs only where it is named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from anetdsl.errors import CannotRun
from anetdsl.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "compiler")]
SCHEMA = "anetdsl-gpu-check"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", default="gpu-check.json", metavar="FILE")
    parser.add_argument("--deadlines", type=float, default=1.0, metavar="FACTOR")
    parser.add_argument("--tiny", action="store_true", help="small networks and few steps")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    from benchmarks.gpu_setting import setting_of
    from benchmarks.gpu_stages import ALL_STAGES, STAGES

    if options.stage:
        return run_stage(options.stage, options.device, tiny=options.tiny)
    unknown = [name for name in options.stages if name not in ALL_STAGES]
    if unknown:
        print(
            f"there is no stage {unknown[0]}; the stages are {', '.join(ALL_STAGES)}",
            file=sys.stderr,
        )
        return 2
    try:
        setting = setting_of(options.device, Path(), tiny=options.tiny)
    except CannotRun as error:
        print(f"gpu-check needs a GPU, and there is none here: {error}", file=sys.stderr)
        return 2
    print(setting.device.line(), file=sys.stderr)
    found = {
        name: checked_stage(
            name, options.device, options.deadlines * ALL_STAGES[name][1], tiny=options.tiny
        )
        for name in options.stages or STAGES
    }
    document = {"schema": SCHEMA, "schema_version": 1, "stages": found}
    document["device"] = setting.device.to_json()
    write_atomically(options.json, json.dumps(document, indent=2) + "\n")
    print_table(found)
    return 1 if any(stage["failures"] for stage in found.values()) else 0


def run_stage(name: str, device: str, *, tiny: bool) -> int:
    """Run one stage in this process, and print its results so far; the last line has them all."""
    from benchmarks.gpu_setting import Stage, setting_of
    from benchmarks.gpu_stages import ALL_STAGES

    def keep(stage: Stage) -> None:
        print(json.dumps(stage.to_json()), flush=True)

    stage = Stage(keep=keep)
    with tempfile.TemporaryDirectory() as folder:
        ALL_STAGES[name][0](setting_of(device, Path(folder), tiny=tiny), stage)
    keep(stage)
    return 0


def checked_stage(name: str, device: str, deadline: float, *, tiny: bool) -> dict[str, Any]:
    """Run a stage in a process until its deadline, and return its result."""
    command = [sys.executable, __file__, "--stage", name, "--device", device]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        # A session of its own: at the deadline the commands of the stage end, too.
        process = subprocess.Popen(
            command + ["--tiny"] * tiny, stdout=output, stderr=errors, start_new_session=True
        )
        problem = ""
        try:
            code = process.wait(deadline)
        except subprocess.TimeoutExpired:
            code, problem = 0, f"not finished after {deadline:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        result = _last_result(_text(output))
        if code or (result is None and not problem):
            last = (_text(errors).strip().splitlines() or ["no output"])[-1]
            problem = f"exit code {code}: {last[:300]}"
    result = result or {"numbers": {}, "failures": [], "missed": []}
    if problem:
        result["failures"] = [*result["failures"], problem]
    return {**result, "seconds": time.monotonic() - began}


def _last_result(text: str) -> dict[str, Any] | None:
    """Return the last results that a stage has printed; None if there are none."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "failures" in found:
                return found
    return None


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def print_table(found: dict[str, dict[str, Any]]) -> None:
    """Print the numbers of each stage, what failed, and the aims that are missed."""
    for name, stage in found.items():
        state = "FAILED" if stage["failures"] else "passed"
        print(f"\n{name}: {state} in {stage['seconds']:.1f} s")
        for key, value in stage["numbers"].items():
            print(f"  {key:<40} {f'{value:.4g}' if isinstance(value, float) else value}")
        for problem in stage["failures"]:
            print(f"  failed: {problem}")
        for aim in stage["missed"]:
            print(f"  aim missed: {aim}")


if __name__ == "__main__":
    raise SystemExit(main())
