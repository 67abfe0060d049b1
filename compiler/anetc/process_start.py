"""Prepare a process that computes: the allocator, the waiting threads and their number.

`prepare_process` runs once in each process of this program that imports torch, before the import:
in the commands, in their worker processes and in the processes of trials. It keeps every setting
that the user made in the environment. A program that imports `anetc` as a library keeps its own
settings. This module does not import torch.

The allocator. glibc requests large blocks from the system one by one and gives them back when they
are freed, so that every step of a computation touches new pages. With higher thresholds, freed
memory stays in the process and is used again.

Waiting threads. A thread of OpenMP (libgomp) that has done its part of an operation waits for the
others in a loop, for milliseconds. If another process uses one of the cores, the loop takes the
time that the slowest thread needs. With a short loop the thread soon sleeps instead.
"""

from __future__ import annotations

import math
import os
import sys

KEPT_BLOCK_BYTES = (256 << 20, 32 << 20)
"""Largest block that glibc takes from the memory that it keeps, and does not map separately. Older
versions of glibc allow no more than the second value."""
SPIN_COUNT = "300"
"""Rounds of the loop in which a thread of OpenMP waits before it sleeps."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = -1
_MALLOC_VARIABLES = (
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
)
_WAIT_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
_CGROUPS, _OWN_CGROUP = "/sys/fs/cgroup", "/proc/self/cgroup"


def prepare_process() -> None:
    """Set the allocator, the waiting and the number of threads, except where the user has."""
    linux = sys.platform.startswith("linux")  # elsewhere PyTorch has another OpenMP
    if linux and not any(name in os.environ for name in _WAIT_VARIABLES):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT  # libgomp reads it when it is loaded
    count = processor_count()
    if count < _allowed_processors() and not any(name in os.environ for name in _THREAD_VARIABLES):
        os.environ["OMP_NUM_THREADS"] = str(count)  # OpenMP does not see the limit of a container
    if linux and not _user_set_malloc():
        _keep_freed_memory()


def processor_count() -> int:
    """Return the number of processors that this process may use, at least 1.

    It counts the processors of the process (`taskset`), and the time limit of its control group
    (version 2), which containers have: a limit of 150 % counts as 2 processors.
    """
    allowed, quota = _allowed_processors(), _quota()
    return allowed if math.isinf(quota) else max(1, min(allowed, math.ceil(quota)))


def describe_threads(count: int) -> str:
    """Return a text about `count` computing threads, such as "2 threads (sleep while waiting)"."""
    if count == 1:
        return "1 thread"
    waiting = ""
    if os.environ.get("GOMP_SPINCOUNT") == SPIN_COUNT:
        waiting = " (sleep while waiting)"
    return f"{count} threads{waiting}"


def _allowed_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _user_set_malloc() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc." in tunables or any(name in os.environ for name in _MALLOC_VARIABLES)


def _keep_freed_memory() -> None:
    """Set the thresholds of glibc; other C libraries have no such function, or ignore it."""
    import ctypes  # takes milliseconds

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    # If neither is accepted, the other threshold stays as well: it would fix both.
    if any(mallopt(_M_MMAP_THRESHOLD, size) for size in KEPT_BLOCK_BYTES):
        mallopt(_M_TRIM_THRESHOLD, _NEVER)


def _quota() -> float:
    """Return the processors' worth of time that the control groups allow; infinity without one."""
    try:
        with open(_OWN_CGROUP, encoding="ascii") as file:  # noqa: PTH123 - without pathlib
            lines = [line.strip().split(":", 2) for line in file]
    except (OSError, ValueError):
        return math.inf
    own = next((parts[2] for parts in lines if parts[:2] == ["0", ""]), None)
    if own is None:
        return math.inf
    least, names = math.inf, [name for name in own.split("/") if name not in ("", "..")]
    for depth in range(len(names) + 1):
        path = "/".join((_CGROUPS, *names[:depth], "cpu.max"))
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123
                limit, period = file.read().split()
            least = min(least, int(limit) / int(period))
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or the limit is `max`
            continue
    return least
