"""A search on a cluster: two Dask workers in processes of their own, on this machine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anetdsl.errors import CannotRun
from anetdsl.evolve.drive.driver import Driver
from anetdsl.evolve.drive.run_dir import RunDir
from anetdsl.evolve.drive.run_reader import read_run
from anetdsl.evolve.drive.search import drive_run, make_run
from anetdsl.evolve.settings.run_settings import Running
from anetdsl.evolve.workers.executors import open_workers
from tests.evolve.drive import driver as driver_script
from tests.evolve.driving import essence, searched
from tests.evolve.method import COMMAND, RULES, run_settings
from tests.evolve.workers.test_trials import paths, until

distributed = pytest.importorskip("distributed")


class Cluster:
    """A scheduler and two workers of two threads each."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until(self.file.exists, 60)
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
        log = (self.folder / f"{kind}{len(self.processes)}.log").open("wb")
        self.processes.append(
            subprocess.Popen(
                [*words, "--scheduler-file", str(self.file)], env=paths(), stdout=log, stderr=log
            )
        )
        log.close()

    def kill_worker(self) -> int:
        """Kill one of the workers; its number."""
        worker = self.processes.pop()
        worker.kill()
        worker.wait()
        return worker.pid

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        with open_workers(f"dask:{found.address}") as workers:
            until(lambda: workers.capacity() == 4, 60)
        yield found
    finally:
        found.close()


def test_a_cluster_finds_what_one_machine_finds(cluster: Cluster, tmp_path: Path) -> None:
    question = run_settings(running=Running(executor=f"dask:{cluster.address}"))
    make_run(RunDir(tmp_path / "run"), question)
    assert drive_run(RunDir(tmp_path / "run"), RULES, command=COMMAND)
    run = read_run(tmp_path / "run")
    assert essence(run) == essence(searched(tmp_path / "reference", run_settings()))
    assert not RunDir(run.path).pulse.exists()


HANG = (*COMMAND, "600")


def test_a_worker_killed_costs_its_trials_alone(cluster: Cluster, tmp_path: Path) -> None:
    """They are started again elsewhere; another worker may come at any time."""
    executor = f"dask:{cluster.file}"
    make_run(RunDir(tmp_path / "run"), run_settings(running=Running(executor=executor)))
    killed: list[int] = []

    def watch(driver: Driver) -> None:
        records = read_run(driver.directory.path).records
        busy = sum(record.status == "running" for record in records)
        # As many as the two workers take: the one that is killed has some of them.
        if not killed and busy == 4 and len(records) > 8:
            killed.append(cluster.kill_worker())

    def ready(driver: Driver) -> Callable[[], None]:
        return lambda: watch(driver)

    command = (*COMMAND, "0.3")
    assert drive_run(RunDir(tmp_path / "run"), RULES, command=command, ready=ready)
    run = read_run(tmp_path / "run")
    assert killed
    assert essence(run) == essence(searched(tmp_path / "reference", run_settings()))
    assert 24 < sum(record.attempts for record in run.records) <= 26
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
        until(lambda: not any(client.processing().values()), 20)
    # No process of theirs is left.
    until(lambda: not processes_with(str(directory.path)))


def processes_with(word: str) -> list[str]:
    """The command lines of all processes that hold a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if word in line:
                found.append(line)
    return found


def test_a_cluster_that_has_gone_stops_the_search(tmp_path: Path) -> None:
    """What was running starts again when it is resumed elsewhere."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    directory = RunDir(tmp_path / "run")
    make_run(directory, run_settings(running=Running(executor=f"dask:{cluster.address}")))

    # In a process of its own: what is left of connections that broke is nobody's here.
    command = [sys.executable, driver_script.__file__, str(directory.path), "0.3"]
    try:
        with subprocess.Popen(command, env=paths(), stderr=subprocess.PIPE) as driver:
            until(lambda: any(r.status == "running" for r in read_run(directory.path).records), 60)
            cluster.close()
            _, err = driver.communicate(timeout=60)
    finally:
        cluster.close()
    assert (driver.returncode, b"Traceback" in err) == (2, False), err
    assert b"cluster" in err.splitlines()[-1]
    here = run_settings().running
    assert drive_run(directory, RULES, command=COMMAND, change=lambda _: here)
    assert essence(read_run(directory.path)) == essence(searched(tmp_path / "reference", run_settings()))


@pytest.mark.parametrize(
    ("text", "gpus", "message"),
    [
        ("dask:tcp://127.0.0.1:1", (), "no Dask scheduler answers at tcp://127.0.0.1:1"),
        ("dask:no/scheduler.json", (), "no/scheduler.json: no such file"),
        ("dask:nonsense://here:1", (), "no Dask scheduler answers.*unknown address scheme"),
        ("dask:nonsense://here", (), "`nonsense://here` is no address such as tcp://HOST:8786"),
        ("dask:tls://127.0.0.1:1", (), "no Dask scheduler answers.*TLS"),
        ("dask:tcp://127.0.0.1:99999", (), "`tcp://127.0.0.1:99999` is no address"),
        ("dask:tcp://127.0.0.1:x", (), "`tcp://127.0.0.1:x` is no address"),
        ("dask::::", (), "dask::::: `:::` is no address"),
        ("dask:tcp://127.0.0.1:1", ("0",), "--gpus is for threads:N"),
    ],
)
def test_clusters_that_there_are_not(
    text: str, gpus: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.executors.CONNECT_SECONDS", 0.5)
    with pytest.raises(CannotRun, match=message), open_workers(text, gpus):
        pass


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "s.json: is no scheduler file: it holds no address"),
        (b"", "s.json: is no scheduler file: it holds no address"),
        (b"\xff", "s.json: is no scheduler file: it holds no address"),
        (b"[" * 100_000, "s.json: is no scheduler file: it holds no address"),
        (b'{"address": 3}', "s.json: is no scheduler file: it holds no address"),
        (b'["tcp://127.0.0.1:1"]', "s.json: is no scheduler file: it holds no address"),
        (b'{"address": "::::"}', "s.json: `::::` is no address such as"),
        (b'{"address": "tcp://127.0.0.1:1"}', "answers at tcp://127.0.0.1:1"),
    ],
)
def test_files_that_lead_to_no_cluster(
    data: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anetdsl.evolve.workers.executors.CONNECT_SECONDS", 0.5)
    file = tmp_path / "s.json"
    file.write_bytes(data)
    with pytest.raises(CannotRun, match=message), open_workers(f"dask:{file}"):
        pass


def test_a_file_that_is_only_being_written(tmp_path: Path, cluster: Cluster) -> None:
    """A scheduler makes its file and then fills it: a driver that is started with it waits."""
    file = tmp_path / "s.json"
    file.touch()
    writer = threading.Timer(0.3, lambda: file.write_bytes(cluster.file.read_bytes()))
    writer.start()
    with open_workers(f"dask:{file}") as workers:
        assert workers.is_there()
    writer.join()


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_what_answers_may_be_no_scheduler(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never says anything, and one that says something else."""
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
def test_a_wrong_cluster_is_one_message_and_at_once(place: str, tmp_path: Path) -> None:
    """Nothing of a half-made client is left to be closed when Python ends."""
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


def test_without_distributed_there_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(CannotRun, match=r"pip install 'anetdsl\[cluster\]'"),
        open_workers("dask:x"),
    ):
        pass
