"""Check everything that needs a GPU, on this machine, in under nine minutes: `make gpu-check`.

    python benchmarks/gpu_check.py [--device cuda] [--json FILE] [STAGE ...]

Each stage (`gpu_stages.py`, `gpu_run_stages.py`) runs in a process of its own, which is killed at
its deadline. A table is printed, and JSON is written. Exit code 0 if every stage passes, also if an
aim for the speed is missed; 1 if one fails; 2 on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

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
    parser.add_argument("--tiny", action="store_true", help="small networks and few steps")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    from benchmarks.gpu_run_stages import ALL_STAGES
    from benchmarks.gpu_stages import setting_of

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
        name: checked_stage(name, options.device, ALL_STAGES[name][1], tiny=options.tiny)
        for name in options.stages or ALL_STAGES
    }
    document = {"schema": SCHEMA, "schema_version": 1, "stages": found}
    document["device"] = setting.device.to_json()
    write_atomically(options.json, json.dumps(document, indent=2) + "\n")
    print_table(found)
    return 1 if any(stage["failures"] for stage in found.values()) else 0


def run_stage(name: str, device: str, *, tiny: bool) -> int:
    """Run one stage in this process, and print its result as the last line."""
    from benchmarks.gpu_run_stages import ALL_STAGES
    from benchmarks.gpu_stages import setting_of

    with tempfile.TemporaryDirectory() as folder:
        stage = ALL_STAGES[name][0](setting_of(device, Path(folder), tiny=tiny))
    print(json.dumps(attrs.asdict(stage)))
    return 0


def checked_stage(name: str, device: str, deadline: float, *, tiny: bool) -> dict[str, Any]:
    """Run a stage in a process until its deadline, and return its result."""
    command = [sys.executable, __file__, "--stage", name, "--device", device]
    began = time.monotonic()
    empty: dict[str, Any] = {"numbers": {}, "failures": [], "missed": []}
    try:
        done = subprocess.run(
            command + ["--tiny"] * tiny,
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode == 0 and lines:
            result = json.loads(lines[-1])
        else:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            result = {**empty, "failures": [f"exit code {done.returncode}: {last[:300]}"]}
    except subprocess.TimeoutExpired:
        result = {**empty, "failures": [f"not finished after {deadline:g} s"]}
    return {**result, "seconds": time.monotonic() - began}


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
