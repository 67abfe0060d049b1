"""Stages of `make gpu-check` that run commands of `anetc` on the device."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import torch

from benchmarks.gpu_setting import EXAMPLES, ROOT, Setting, Stage, anetc_command, environment

_NETWORK = str(EXAMPLES / "small_two_stream_level4.anet")
_VIDEO = str(ROOT / "tests" / "media" / "city_cc0.mp4")


def commands_stage(setting: Setting, stage: Stage) -> None:
    """Run a video; train, kill, resume, evaluate; train in two processes; search on two slots."""
    run, count = setting.folder / "run", 4 if setting.tiny else 200
    device = ("--device", setting.device.kind)
    data = ("--data", "motion:clips=24" if setting.tiny else "motion:clips=240")
    train = ("train", _NETWORK, *data, "--batch", "8", "--iterations", str(count))
    train += ("--save-every", "1")
    process = subprocess.Popen(
        anetc_command(*train, "--out", str(run), *device),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list((run / "checkpoints").glob("*.safetensors")):
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    model, weights = str(run / "model.anet"), str(run / "weights.safetensors")
    clip = ("--video", _VIDEO, "--frames", "4", "--size", "32")
    for name, words in {
        "train --resume": (*train, "--out", str(run), "--resume", *device),
        "eval": ("eval", model, "--weights", weights, *data, *device, "--json"),
        "run": ("run", model, "--weights", weights, *clip, *device),
    }.items():
        _run(stage, name, anetc_command(*words))
    if (run / "result.json").is_file():
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        stage.numbers["device of the run"] = result["device"]["hardware"]
        stage.numbers["share of time waiting for clips"] = result["waiting"]
    stage.keep(stage)
    if setting.tiny:
        return
    processes = min(2, torch.cuda.device_count()) if setting.device.is_cuda else 2
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    torchrun += ["-m", "anetc", *train, "--out", str(setting.folder / "processes"), *device]
    stage.numbers["processes of torchrun"] = processes
    _run(stage, "torchrun", torchrun)
    evolve = ("evolve", *data, "--preset", "small", "--candidates", "2", "--population", "2")
    evolve += ("--iterations", "20", "--out", str(setting.folder / "search"))
    slots = ("--gpus", "all", "--per-gpu", "2") if setting.device.is_cuda else ()
    _run(stage, "evolve on two slots", anetc_command(*evolve, *slots))


def artifacts_stage(setting: Setting, stage: Stage) -> None:
    """Compile artifacts for the device, which a process without this package verifies."""
    size = ("--frames", "4", "--size", "32")
    for kind in ("pt2",) if setting.tiny else ("pt2", "aoti"):
        words = ("compile", _NETWORK, "--emit", kind, "--no-cache", *size)
        words += ("--device", setting.device.kind, "-o", str(setting.folder / f"network.{kind}"))
        _run(stage, f"compile --emit {kind}", anetc_command(*words))
        stage.keep(stage)


def _run(stage: Stage, name: str, command: list[str]) -> None:
    began = time.monotonic()
    done = subprocess.run(
        command,
        check=False,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stage.numbers[f"{name}: seconds"] = time.monotonic() - began
    if done.returncode:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        stage.failures.append(f"{name}: exit code {done.returncode}: {last[:200]}")
