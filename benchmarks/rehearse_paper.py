"""Rehearse the paper's configuration at full size: train, eval, evolve and finals, one step each.

    python benchmarks/rehearse_paper.py --out demo/rehearsal

Table 4, 339 classes, clips of 32 frames of 224 x 224 pixels, optical flow by TV-L1, the settings of
the paper except for a batch of 1 and one training step. The data are videos of random patterns in
the layout of Moments in Time, which this script makes. Each command is a process of its own. Its
time, processor time and peak memory are printed as a table. Exit code 1 if a command fails.

It needs 6 GiB of memory and, on one quiet core, about ten minutes. `make rehearsal` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import av
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
NETWORK = ROOT / "examples" / "assemblenet.anet"
CLASSES = 339
RATE, SECONDS = 25, 3
VIDEOS = {"training": 2, "validation": 1}
HEADER = ("command", "wall, s", "processor, s", "peak memory, GiB", "exit code")
"""Processor time and memory are without those of trials, which `report_trainings` prints."""


@attrs.frozen
class Command:
    """A command of the rehearsal, and its name in the table."""

    name: str
    words: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder; it is emptied first")
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--network", type=Path, default=NETWORK)
    options = parser.parse_args()
    if options.out.exists() and not (options.out / "data").is_dir():
        parser.error(f"--out {options.out}: exists and is not the folder of a rehearsal")
    shutil.rmtree(options.out, ignore_errors=True)
    data = options.out / "data"
    make_data(data, options.classes)
    rows = []
    for command in commands(options, data):
        print(f"$ {' '.join(command.words)}", flush=True)
        row = measured(command)
        rows.append(row)
        print(line(row), flush=True)
        if row[-1] != "0":
            break
    print()
    print(line(HEADER))
    print(line(["---"] * len(HEADER)))
    for row in rows:
        print(line(row))
    report_trainings(options.out)
    return int(any(row[-1] != "0" for row in rows))


def commands(options: argparse.Namespace, data: Path) -> Iterator[Command]:
    """Yield the commands in their order."""
    out, where = options.out, ("--data", f"moments:{data}")
    clips = ("--frames", str(options.frames), "--size", str(options.size))
    short = ("--iterations", "1", "--batch", "1", *clips)
    network = (str(options.network), "--classes", str(options.classes))
    trained, run = out / "train", out / "search"

    def anetc(name: str, *words: str) -> Command:
        return Command(name, ("anetc", *words))

    yield anetc("train", "train", *network, *where, *short, "--out", str(trained))
    model, weights = str(trained / "model.anet"), str(trained / "weights.safetensors")
    yield anetc("eval", "eval", model, "--weights", weights, *where, "--batch", "1")
    search = ("--candidates", "1", "--population", "1", "--executor", "threads:1")
    yield anetc("evolve", "evolve", *where, *short, *search, "--out", str(run))
    few = ("--networks", "1", "--seeds", "1", "--steps", "1", "--full-steps", "1")
    beside = ("--beside", str(options.network))
    yield anetc("finals", "finals", str(run), *few, *beside)
    winner = run / "finals"
    files = (str(winner / "winner.anet"), "--weights", str(winner / "weights.safetensors"))
    yield anetc("eval of the winner", "eval", *files, *where, "--batch", "1")


def measured(command: Command) -> list[str]:
    """Run a command; return its row."""
    program = shutil.which("anetc", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program is not None, "anetc is not installed"
    began = time.perf_counter()
    process = subprocess.Popen([program, *command.words[1:]])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    return [
        command.name,
        f"{seconds:.0f}",
        f"{used.ru_utime + used.ru_stime:.0f}",
        f"{used.ru_maxrss / 2**20:.1f}",
        str(process.returncode),
    ]


def report_trainings(out: Path) -> None:
    """Print time and memory of each trial, which their processes have measured."""
    print()
    for path in sorted(out.rglob("result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "peak_memory" in result:
            memory = result["peak_memory"] / 2**30
            name = path.parent.relative_to(out)
            print(f"{name}: {result['status']}, {result['seconds']:.0f} s, {memory:.1f} GiB")


def line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


# Videos in the layout of Moments in Time


def make_data(folder: Path, classes: int) -> None:
    """Make a data set of `classes` classes with a few videos; most classes have none."""
    names = [f"activity{number:03}" for number in range(classes)]
    folder.mkdir(parents=True)
    text = "".join(f"{name},{number}\n" for number, name in enumerate(names))
    (folder / "moments_categories.txt").write_text(text, encoding="utf-8")
    lists = {"training": "trainingSet.csv", "validation": "validationSet.csv"}
    for split, count in VIDEOS.items():
        rows = []
        for number in range(count):
            name = f"{names[number]}/{split}{number}.mp4"
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, seed=number)
            rows.append(f"{name},{names[number]},3,0\n")
        (folder / lists[split]).write_text("".join(rows), encoding="utf-8")


def write_video(path: Path, seed: int) -> None:
    """Write a video of three seconds, 340 x 256 pixels, of a pattern that moves."""
    rng = np.random.default_rng(seed)
    pattern = rng.integers(0, 255, (32, 43, 3), dtype=np.uint8)
    picture = np.kron(pattern, np.ones((8, 8, 1), np.uint8))[:256, :340]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 340, 256, "yuv420p"
        for number in range(RATE * SECONDS):
            pixels = np.roll(picture, (number, 2 * number), axis=(0, 1))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


if __name__ == "__main__":
    sys.exit(main())
