"""Search on a Dask cluster: a scheduler and two workers as processes on this machine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.trainings.training_folder import TrainingFolder
from anetdsl.evolve.trainings.training_runner import open_trainings
from anetdsl.evolve.workers.executors import open_workers
from tests.evolve.drive import driver as driver_script
from tests.evolve.driving import essence, searched
from tests.evolve.method import COMMAND, RULES, run_settings
from tests.evolve.trainings import synthetic_training
from tests.evolve.trainings.test_trainings import trainings
from tests.evolve.workers.test_trials import paths, until

distributed = pytest.importorskip("distributed")


class Cluster:
    """A scheduler and two workers of two threads each."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until(self.file.exists)
        for _ in range(2):
            self.add_worker()

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text(encoding="utf-8"))["address"])

    def add_worker(self) -> None:
        self.start("worker", "--nthreads", "2", "--no-nanny", "--no-dashboard", "--nworkers", "1")

    def start(self, kind: str, *options: str) -> None:
        words = [sys.executable, "-m", "dask", kind, *options]
        if kind == "worker":
            words += ["--local-directory", str(self.folder)]
        words += ["--scheduler-file", str(self.file)]
        # On a busy machine a process may take longer to connect than Dask waits by default.
        environment = {**paths(), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "300s"}
        with (self.folder / f"{kind}{len(self.processes)}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))

    def kill_worker(self) -> None:
        """Kill one of the workers."""
        worker = self.processes.pop()
        worker.kill()
        worker.wait()

    def close(self) -> None:
        """Kill the scheduler and all workers."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        with open_workers(f"dask:{found.address}") as workers:
            until(lambda: workers.capacity() == 4)
        yield found
    finally:
        found.close()


def test_cluster_finds_the_candidates_of_one_machine(cluster: Cluster, tmp_path: Path) -> None:
    settings = run_settings(running=Running(executor=f"dask:{cluster.address}"))
    make_run(RunDir(tmp_path / "run"), settings)
    assert drive_run(RunDir(tmp_path / "run"), RULES, command=COMMAND)
    run = read_run(tmp_path / "run")
    assert essence(run) == essence(searched(tmp_path / "reference", run_settings()))
    assert not RunDir(run.path).heartbeat.exists()


HANG = (*COMMAND, "600")


def test_killed_worker_costs_only_its_trials(cluster: Cluster, tmp_path: Path) -> None:
    """The trials of a killed worker start again on another one; a worker may join at any time.

    The trials from g0008 on wait for a file. So four trials hang, two on each of the workers, until
    one worker is killed.
    """
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings(running=Running(executor=f"dask:{cluster.file}")))
    gate = tmp_path / "gate"

    def watch() -> None:
        hanging = [directory.trial_folder(f"g{index:04d}", 1) for index in range(8, 12)]
        if not gate.exists() and all(folder.claim.exists() for folder in hanging):
            cluster.kill_worker()
            gate.touch()

    command = (*COMMAND, "0", "g0008", str(gate))
    assert drive_run(directory, RULES, command=command, ready=lambda _: watch)
    run = read_run(directory.path)
    assert gate.exists()
    assert essence(run) == essence(searched(tmp_path / "reference", run_settings()))
    attempts = [record.attempts for record in run.records]
    assert sorted(attempts[8:12]) == [1, 1, 2, 2]
    assert sum(attempts) == 26
    cluster.add_worker()


def test_trials_end_when_the_driver_stops(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings(running=Running(executor=f"dask:{cluster.address}")))

    def ready(driver: Driver) -> None:
        stopper = threading.Timer(1.0, lambda: (driver.stopping.set(), driver.wake()))
        stopper.start()

    assert not drive_run(directory, RULES, command=HANG, ready=ready)
    with open_workers(f"dask:{cluster.address}") as workers:
        client = workers.executor._client  # type: ignore[attr-defined]
        until(lambda: not any(client.processing().values()))
    # The trials have left no process.
    until(lambda: not processes_with(str(directory.path)))


def processes_with(word: str) -> list[str]:
    """Return the command lines of all processes that contain a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if word in line:
                found.append(line)
    return found


def test_killed_cluster_stops_the_search(tmp_path: Path) -> None:
    """When the search is resumed elsewhere, the trials that were running start again."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings(running=Running(executor=f"dask:{cluster.address}")))

    # In another process, so that broken connections do not disturb the other tests.
    command = [sys.executable, driver_script.__file__, str(directory.path), "0.3"]
    try:
        with subprocess.Popen(command, env=paths(), stderr=subprocess.PIPE) as driver:
            until(lambda: any(r.status == "running" for r in read_run(directory.path).records))
            cluster.close()
            _, err = driver.communicate(timeout=300)
    finally:
        cluster.close()
    assert (driver.returncode, b"Traceback" in err) == (2, False), err
    assert b"cluster" in err.splitlines()[-1]
    here = run_settings().running
    assert drive_run(directory, RULES, command=COMMAND, change=lambda _: here)
    assert essence(read_run(directory.path)) == essence(
        searched(tmp_path / "reference", run_settings())
    )


@pytest.mark.parametrize(
    ("text", "gpus", "message"),
    [
        ("dask:tcp://127.0.0.1:1", (), "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("dask:no/scheduler.json", (), "no/scheduler.json: no such file"),
        ("dask:nonsense://here:1", (), "no Dask scheduler answers.*unknown address scheme"),
        (
            "dask:nonsense://here",
            (),
            "`nonsense://here` is not an address; give one such as tcp://HOST:8786",
        ),
        ("dask:tls://127.0.0.1:1", (), "no Dask scheduler answers.*TLS"),
        ("dask:tcp://127.0.0.1:99999", (), "`tcp://127.0.0.1:99999` is not an address"),
        ("dask:tcp://127.0.0.1:x", (), "`tcp://127.0.0.1:x` is not an address"),
        ("dask::::", (), "dask::::: `:::` is not an address"),
        (
            "dask:tcp://127.0.0.1:1",
            ("0",),
            "--gpus works with --executor threads and threads:N only",
        ),
    ],
)
def test_invalid_clusters(
    text: str, gpus: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.executors.CONNECT_SECONDS", 0.5)
    with pytest.raises(CannotRun, match=message), open_workers(text, gpus):
        pass


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "s.json: not a scheduler file: it contains no address"),
        (b"", "s.json: not a scheduler file: it contains no address"),
        (b"\xff", "s.json: not a scheduler file: it contains no address"),
        (b"[" * 100_000, "s.json: not a scheduler file: it contains no address"),
        (b'{"address": 3}', "s.json: not a scheduler file: it contains no address"),
        (b'["tcp://127.0.0.1:1"]', "s.json: not a scheduler file: it contains no address"),
        (b'{"address": "::::"}', "s.json: `::::` is not an address; give one such as"),
        (b'{"address": "tcp://127.0.0.1:1"}', "answers at tcp://127.0.0.1:1"),
    ],
)
def test_invalid_scheduler_files(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.executors.CONNECT_SECONDS", 0.5)
    file = tmp_path / "s.json"
    file.write_bytes(data)
    with pytest.raises(CannotRun, match=message), open_workers(f"dask:{file}"):
        pass


def test_scheduler_file_that_is_still_empty(tmp_path: Path, cluster: Cluster) -> None:
    """A scheduler creates its file before it writes the address; the driver waits for that."""
    file = tmp_path / "s.json"
    file.touch()
    writer = threading.Timer(0.3, lambda: file.write_bytes(cluster.file.read_bytes()))
    writer.start()
    with open_workers(f"dask:{file}") as workers:
        assert workers.is_connected()
    writer.join()


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_server_that_is_not_a_scheduler(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One server never answers, the other one answers by another protocol."""
    monkeypatch.setattr("anetdsl.evolve.workers.executors.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("anetdsl.evolve.workers.executors._ANSWER_SECONDS", 0.5)

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(answer or b"")
                while connection.recv(1 << 16):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        place = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(CannotRun, match=f"answers at {place}"), open_workers(f"dask:{place}"):
            pass
        server.join(10)


@pytest.mark.parametrize("place", ["s.json", "::::", "tls://127.0.0.1:1"])
def test_wrong_cluster_ends_at_once_with_one_message(place: str, tmp_path: Path) -> None:
    """No unconnected client is left for Python to close at exit."""
    (tmp_path / "s.json").write_text("{}")
    command = [sys.executable, "-m", "anetc", "evolve", "--data", "motion", "--preset", "small"]
    done = subprocess.run(
        [*command, "--out", "run", "--executor", f"dask:{place}"],
        cwd=tmp_path,
        env=paths(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("anetc: --executor")
    assert done.stderr.count("\n") == 1, done.stderr


def test_error_without_distributed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(CannotRun, match=r"pip install 'anetdsl\[cluster\]'"),
        open_workers("dask:x"),
    ):
        pass


def test_trainings_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """Trainings of finals run on the workers, and end with the heartbeat of their driver."""
    script = str(Path(synthetic_training.__file__))
    command = (sys.executable, script)
    running = Running(executor=f"dask:{cluster.file}")
    with open_trainings(TrainingFolder(tmp_path / "runs"), running, command=command) as run:
        assert (tmp_path / "runs" / "heartbeat").exists()
        records = run.run(trainings(6))
    assert [record.status for record in records] == ["done"] * 6
    assert not (tmp_path / "runs" / "heartbeat").exists()
