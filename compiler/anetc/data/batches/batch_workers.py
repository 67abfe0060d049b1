"""Read batches, in worker processes or in this one.

A worker that dies, hangs, or cannot pass its batch on (a batch goes through shared memory) is an
error that names the remedy; no batch is waited for in vain.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import attrs
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from anetc.data.batches.batch_readers import RawBatch
from anetc.worker_processes import StallWatch, WorkerContext, describe_exit
from anetdsl.errors import CannotRun

PREFETCH = 2
"""Number of batches that each worker loads ahead."""
SHARED_MEMORY = Path("/dev/shm")

_POLL_SECONDS = 1


def read_batches(
    reader: Callable[[int], RawBatch], numbers: Iterable[int], workers: int
) -> Generator[RawBatch, None, None]:
    """Yield the batches with these numbers, in this order; `workers` processes read ahead.

    Raises CannotRun where a process cannot be started, dies, stalls or has too little shared
    memory. No process is left when the generator is closed.
    """
    if workers == 0:
        yield from map(reader, numbers)
        return
    context = WorkerContext(["anetc.data.batches.batch_readers"])
    pids: list[int | None] = []
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_shared_memory, pids)
        stack.enter_context(context.killed_at_end())
        with context.starting(), warnings.catch_warnings():
            # More workers than processors are allowed.
            warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
            reads = iter(_loader(_SharedBatches(reader), numbers, workers, context))
        pids += [process.pid for process in context.processes]
        watch = StallWatch()
        while True:
            watch.restart()
            batch = _next(reads, context, watch)
            if batch is None:
                return
            yield batch


def _remove_shared_memory(pids: Iterable[int | None]) -> None:
    """Delete the shared memory that processes have left; it has no name any more once it is used.

    PyTorch leaves it where it fails to make it, and where the process is killed meanwhile.
    """
    for pid in pids:
        for path in SHARED_MEMORY.glob(f"torch_{pid}_*"):
            with contextlib.suppress(OSError):
                path.unlink()


def _loader(
    batches: TorchDataset[RawBatch], numbers: Iterable[int], workers: int, context: WorkerContext
) -> DataLoader[RawBatch]:
    return DataLoader(
        batches,
        batch_size=None,
        sampler=cast(Any, numbers),
        num_workers=workers,
        prefetch_factor=PREFETCH,
        collate_fn=_identity,
        multiprocessing_context=context,
        # Not a limit: after it `_next` looks at the workers, and waits again.
        timeout=_POLL_SECONDS,
    )


@attrs.frozen(eq=False)
class _SharedBatches(TorchDataset[RawBatch]):
    """A data set for DataLoader; item i is batch i, in shared memory."""

    reader: Callable[[int], RawBatch]

    def __getitem__(self, number: int) -> RawBatch:
        batch = self.reader(number)
        try:
            for tensor in _tensors(batch):
                # DataLoader would do so in a thread that loses the batch after an error.
                tensor.share_memory_()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            message = _not_shared(batch, str(error))
            return attrs.evolve(
                batch, rgb=None, flow=None, objects=None, targets=None, error=message
            )
        return batch


def _tensors(batch: RawBatch) -> list[Tensor]:
    return [*batch.inputs.values(), *([] if batch.targets is None else [batch.targets])]


def _not_shared(batch: RawBatch, reason: str) -> str:
    needed = sum(x.numel() * x.element_size() for x in _tensors(batch))
    return (
        f"a batch of {needed / 1e6:.0f} MB does not fit into shared memory{_shared_memory_size()}; "
        "use --workers 0 or a smaller batch, or enlarge it (docker run --shm-size=8g): "
        f"{' '.join(reason.split())}"
    )


def _shared_memory_size() -> str:
    """Return the place and size of shared memory, such as " (/dev/shm, 67 MB, 12 MB free)"."""
    try:
        disk = os.statvfs(SHARED_MEMORY)
    except (OSError, AttributeError):
        return ""
    size, free = (disk.f_frsize * count / 1e6 for count in (disk.f_blocks, disk.f_bavail))
    return f" ({SHARED_MEMORY}, {size:.0f} MB, {free:.0f} MB free)"


def _identity(batch: Any) -> Any:
    return batch


def _next(reads: Iterator[RawBatch], context: WorkerContext, watch: StallWatch) -> RawBatch | None:
    """Return the next batch, or None at the end."""
    while True:
        try:
            return next(reads, None)
        except RuntimeError as error:
            text = str(error)
            if text.startswith("DataLoader worker"):
                raise CannotRun(_death(context)) from error
            if "Too many open files" in text:
                raise CannotRun(
                    "too many files are open to pass batches on; use fewer --workers, or a larger "
                    "limit (ulimit -n)"
                ) from error
            if not text.startswith("DataLoader timed out"):
                raise
        if (reason := watch.stall([process.pid or 0 for process in context.processes])) is not None:
            raise CannotRun(
                f"a worker process that reads videos {reason}; it may wait for a disk that does "
                "not answer; use --workers 0 to see where"
            )


def _death(context: WorkerContext) -> str:
    codes = [code for process in context.processes if (code := process.exitcode) is not None]
    how = describe_exit(codes[0]) if codes else "ended"
    return (
        f"a worker process that reads videos {how}, probably because memory or shared memory"
        f"{_shared_memory_size()} ran out; use fewer --workers, --workers 0 or a smaller batch"
    )
