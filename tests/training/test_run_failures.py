"""A run that fails names the reason, and its last good checkpoint stays."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from anetc.data.batches.loader import training_batches
from anetc.data.values import DataSpec
from anetc.training.failures import BadData, NotANumber, OutOfMemory
from anetc.training.run import checkpoint, run_claim
from anetc.training.run.journal import Journal
from anetc.training.run.watcher import SilentWatcher
from anetdsl.errors import CannotRun
from anetdsl.locks import LocksUnsupported, locked
from anetdsl.source import SourceFile
from tests.training.running import (
    TEXT,
    Interrupted,
    StopsAt,
    losses,
    outcome,
    run,
)


def test_a_loss_that_is_not_finite_stops_the_run(clips: DataSpec, tmp_path: Path) -> None:
    """The message names the step and a remedy; checkpoints and metrics stay finite."""
    with pytest.raises(NotANumber, match=r"(?s)step \d+.*learning rate.*checkpoints"):
        run(tmp_path, clips, learning_rate=1e30, save_every=1)
    assert all(math.isfinite(loss) for loss in losses(tmp_path))
    last = checkpoint.newest_checkpoint(tmp_path / "checkpoints")
    assert last is not None
    assert all(bool(t.isfinite().all()) for t in last.model.values())


class NoSpace:
    """A write function that finds the disk full after `good` writes."""

    def __init__(self, real: Any, good: int) -> None:
        self.real, self.good = real, good

    def __call__(self, *arguments: Any) -> Any:
        self.good -= 1
        if self.good < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.real(*arguments)


def test_a_full_disk_keeps_the_last_checkpoint(
    whole: Path, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint does not fit; with free space the run can be resumed."""
    write = Path.write_bytes
    full = NoSpace(write, 2)  # run.json, and the first checkpoint
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: full(path, data))
    with pytest.raises(CannotRun, match=r"00000008\.safetensors: cannot be written: No space left"):
        run(tmp_path, clips)
    monkeypatch.undo()
    assert [p.stem for p in checkpoint.checkpoints(tmp_path / "checkpoints")] == ["00000004"]
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_metrics_on_a_full_disk_are_an_error(tmp_path: Path) -> None:
    with Journal(tmp_path / "metrics.jsonl") as journal:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._file.fileno())
        os.close(full)
        with pytest.raises(CannotRun, match=r"metrics\.jsonl: cannot be written: No space left"):
            journal.write({"iteration": 0})


def test_one_process_trains_in_a_folder(clips: DataSpec, tmp_path: Path, whole: Path) -> None:
    """The run of the other one is as it was."""
    with pytest.raises(Interrupted):
        run(tmp_path, clips, watch=StopsAt(9))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    busy = r"a run is being trained here \(process \d+ on .*\); wait for it, or stop it first"
    with locked(tmp_path / "lock"), pytest.raises(CannotRun, match=busy):
        run(tmp_path, clips, resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)
    assert not (tmp_path / "lock").exists()


def test_a_file_system_without_locks_is_reported(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LocksUnsupported("lock: this file system does not support locks")

    class Listener(SilentWatcher):
        lines: ClassVar[list[str]] = []

        def message(self, text: str) -> None:
            self.lines.append(text)

    monkeypatch.setattr(run_claim, "locked", refuse)
    run(tmp_path, clips, watch=Listener(), iterations=2)
    assert "do not train twice in this folder at once" in Listener.lines[0]


@pytest.mark.parametrize("before", [[], ["notes.txt"]])
def test_a_run_that_fails_before_its_first_step_leaves_nothing(
    before: list[str], clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command can be repeated, without --resume."""
    out = tmp_path / "runs" / "new"
    for name in before:
        out.mkdir(parents=True)
        (out / name).write_text("mine")

    def batches(*_: Any, **__: Any) -> Iterator[Any]:
        yield from ()
        raise CannotRun("a worker process was killed")

    with monkeypatch.context() as patch:
        patch.setattr("anetc.training.run.run.training_batches", batches)
        with pytest.raises(BadData, match="was killed"):
            run(out, clips)
    assert [path.name for path in tmp_path.rglob("*")] == (
        ["runs", "new", *before] if before else []
    )
    run(out, clips, iterations=1)
    assert (out / "model.anet").exists()


def test_a_run_that_fails_after_a_step_stays(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batches(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield next(training_batches(*arguments, **options))
        raise CannotRun("a worker process was killed")

    monkeypatch.setattr("anetc.training.run.run.training_batches", batches)
    with pytest.raises(BadData, match="was killed"):
        run(tmp_path / "new", clips)
    assert (tmp_path / "new" / "run.json").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no checkpoint"),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"anet-run", b"anet-ran")),
        lambda path: path.write_bytes(
            path.read_bytes().replace(b'\\"iteration\\"', b'\\"iterotion\\"')
        ),
    ],
    ids=["empty", "text", "cut", "no metadata", "no position"],
)
def test_a_damaged_checkpoint_is_named(
    damage: Any, whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    """So is the one before it, from which the run resumes when the damaged one is removed."""
    with pytest.raises(Interrupted):
        run(tmp_path, clips, watch=StopsAt(9))
    last = tmp_path / "checkpoints" / "00000008.safetensors"
    damage(last)
    message = r"00000008\.safetensors: not a readable checkpoint(?s:.*)from 00000004\.safetensors"
    with pytest.raises(CannotRun, match=message):
        run(tmp_path, clips, resume=True)
    last.unlink()
    run(tmp_path, clips, resume=True)
    assert outcome(tmp_path) == outcome(whole)


@pytest.mark.parametrize(
    ("left", "lost"),
    [
        (lambda _: None, 8),
        (lambda _: "", 8),
        (lambda text: "\n".join(text.split("\n")[:5])[:-3], 4),
        (lambda _: "no metrics " * 999, 8),
    ],
    ids=["missing", "empty", "cut", "other"],
)
def test_a_run_goes_on_without_its_earlier_metrics(
    left: Any, lost: int, whole: Path, clips: DataSpec, tmp_path: Path
) -> None:
    """A warning says so; the lines that are left stay, and the weights are the same."""
    with pytest.raises(Interrupted):
        run(tmp_path, clips, watch=StopsAt(9))
    path = tmp_path / "metrics.jsonl"
    text = left(path.read_text())
    path.unlink() if text is None else path.write_text(text)
    watch = Messages()
    run(tmp_path, clips, resume=True, watch=watch)
    (warning,) = (line for line in watch.lines if line.startswith("warning"))
    assert "metrics.jsonl: earlier lines are missing or damaged" in warning
    assert losses(tmp_path) == [*losses(whole)[: 8 - lost], *losses(whole)[8:]]
    assert {**outcome(tmp_path), "metrics.jsonl": b""} == {**outcome(whole), "metrics.jsonl": b""}
    watch = Messages()
    run(tmp_path, clips, resume=True, watch=watch)
    assert not any(line.startswith("warning") for line in watch.lines)


class Messages(SilentWatcher):
    """A watcher that keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def test_a_folder_with_other_files_is_an_error(clips: DataSpec, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(CannotRun, match="not written by a training run"):
        run(tmp_path, clips, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRun, match="file"):
        run(tmp_path / "file", clips)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
    ],
)
def test_out_of_memory_names_a_remedy(
    error: Exception, clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(nn.Linear, "forward", refuse)
    with pytest.raises(OutOfMemory, match="--batch"):
        run(tmp_path, clips)


def test_other_errors_are_not_converted(
    clips: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes")

    monkeypatch.setattr(nn.Linear, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        run(tmp_path, clips)


def test_a_wrong_number_of_classes_is_refused(clips: DataSpec, tmp_path: Path) -> None:
    source = SourceFile("x", TEXT.replace("classes=3", "classes=4"))
    with pytest.raises(CannotRun, match="classes=3"):
        run(tmp_path / "out", clips, source=source)
    assert not (tmp_path / "out").exists()
