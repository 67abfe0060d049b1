"""The settings of processes that compute: allocator, waiting threads, number of threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from anetc import process_start
from anetc.cli import main
from anetc.process_start import describe_threads, prepare_process, processor_count

VARIABLES = (
    *process_start._WAIT_VARIABLES,
    *process_start._THREAD_VARIABLES,
    *process_start._MALLOC_VARIABLES,
    "GLIBC_TUNABLES",
)
FAULTS = """
import resource
import numpy as np
from anetc.process_start import prepare_process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(40 << 20, 1, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

prepare_process()
faults()
print(faults())
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Remove the variables of users, and have the allocator record calls instead of changing."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(
        process_start, "_keep_freed_memory", lambda: os.environ.__setitem__("CALLED", "1")
    )
    monkeypatch.setenv("CALLED", "0")
    return monkeypatch


def test_settings_without_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(process_start, "_quota", lambda: 1e9)
    environment.setattr(sys, "platform", "linux")
    prepare_process()
    assert os.environ["GOMP_SPINCOUNT"] == process_start.SPIN_COUNT
    assert "OMP_NUM_THREADS" not in os.environ
    assert os.environ["CALLED"] == "1"
    assert describe_threads(2) == "2 threads (sleep while waiting)"


def test_other_systems_keep_their_waiting_and_allocator(environment: pytest.MonkeyPatch) -> None:
    """They have neither libgomp nor glibc."""
    environment.setattr(sys, "platform", "darwin")
    prepare_process()
    assert "GOMP_SPINCOUNT" not in os.environ
    assert os.environ["CALLED"] == "0"
    assert describe_threads(2) == "2 threads"


@pytest.mark.parametrize(
    ("largest", "thresholds"),
    [
        (1 << 40, [(-3, 256 << 20), (-1, -1)]),
        (32 << 20, [(-3, 256 << 20), (-3, 32 << 20), (-1, -1)]),
        (0, [(-3, 256 << 20), (-3, 32 << 20)]),
    ],
    ids=["any size", "an older glibc", "refused"],
)
def test_thresholds_that_the_allocator_accepts(
    largest: int, thresholds: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second threshold alone would have every block of 128 KiB mapped separately."""
    calls: list[tuple[int, int]] = []

    def mallopt(name: int, value: int) -> int:
        calls.append((name, value))
        return int(value <= largest)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    process_start._keep_freed_memory()
    assert calls == thresholds


@pytest.mark.parametrize(
    ("name", "value"), [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "ACTIVE")]
)
def test_waiting_of_the_user_stays(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    prepare_process()
    found = {key: os.environ.get(key) for key in process_start._WAIT_VARIABLES}
    assert found == {**dict.fromkeys(process_start._WAIT_VARIABLES), name: value}
    assert describe_threads(2) == "2 threads"
    assert describe_threads(1) == "1 thread"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_MMAP_THRESHOLD_", "1000000"),
        ("MALLOC_TRIM_THRESHOLD_", "1000000"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=3"),
    ],
)
def test_allocator_of_the_user_stays(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    prepare_process()
    assert os.environ["CALLED"] == "0"


def test_number_of_threads_of_the_user_stays(environment: pytest.MonkeyPatch) -> None:
    environment.setattr(process_start, "processor_count", lambda: 0)
    environment.setenv("OMP_NUM_THREADS", "5")
    prepare_process()
    assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.confstr("CS_GNU_LIBC_VERSION") is None,
    reason="the allocator of glibc",
)
@pytest.mark.parametrize("variables", [{}, {"MALLOC_TRIM_THRESHOLD_": "100000"}])
def test_freed_memory_is_used_again(variables: dict[str, str]) -> None:
    """A block of 40 MiB needs new pages only the first time, except with the user's settings."""
    kept = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={**kept, **variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (int(done.stdout) < 100) == (not variables)


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {}, 4),
        ("0::/\n", {"": "max 100000"}, 4),
        ("0::/\n", {"": "150000 100000"}, 2),
        ("0::/\n", {"": "20000 100000"}, 1),
        ("0::/a/b\n", {"a/b": "max 100000", "a": "300000 100000"}, 3),
        ("0::/a/b\n", {"a/b": "nonsense", "a": "1 0"}, 4),
        ("0::/../x\n", {"": "100000 100000"}, 1),
        ("1:cpu:/\n", {"": "100000 100000"}, 4),
        ("", {"": "100000 100000"}, 4),
    ],
)
def test_processors_within_the_limit_of_a_container(
    own: str,
    limits: dict[str, str],
    expected: int,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    environment.setattr(process_start, "_allowed_processors", lambda: 4)
    environment.setattr(process_start, "_OWN_CGROUP", str(tmp_path / "own"))
    environment.setattr(process_start, "_CGROUPS", str(tmp_path / "groups"))
    (tmp_path / "own").write_text(own)
    for folder, limit in limits.items():
        path = tmp_path / "groups" / folder / "cpu.max"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit)
    assert processor_count() == expected
    prepare_process()
    assert os.environ.get("OMP_NUM_THREADS") == (str(expected) if expected < 4 else None)


def test_commands_that_are_not_prepared_do_not_import_torch() -> None:
    assert set(main._COMMANDS) >= main._WITHOUT_TORCH
    names = [f"anetc.cli.commands.{name}_command" for name in sorted(main._WITHOUT_TORCH)]
    code = f"import sys, {', '.join(names)}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "False\n"
