"""The device of a computation: what options mean on machines with and without GPUs.

No machine here has a GPU: `gpus` lets PyTorch see GPUs that do not exist.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from anetc import devices
from anetc.devices import Device, resolve, set_up
from anetc.process_start import SPIN_COUNT
from anetdsl.errors import CannotRun
from tests.conftest import REPOSITORY

H100 = ("NVIDIA H100", (9, 0))
T4 = ("Tesla T4", (7, 5))
Gpus = Callable[..., None]


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """Return a function that lets PyTorch see these GPUs, each a name and a capability."""

    def install(*seen: tuple[str, tuple[int, int]]) -> None:
        def place(name: str) -> int:
            return int(name.partition(":")[2] or 0)

        def check(name: str) -> None:
            if name.startswith("cuda") and place(name) >= len(seen):
                raise CannotRun(f"--device {name}: CUDA error: invalid device ordinal")

        monkeypatch.setattr(devices, "check_device", check)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(seen))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(seen))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: seen[place(name)][0])
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda name: seen[place(name)][1])

    return install


def test_auto_is_the_first_gpu(gpus: Gpus) -> None:
    gpus(H100, T4)
    found = resolve()
    assert found == Device(name="cuda:0", hardware="NVIDIA H100", precision="bfloat16")
    assert found.line() == "on NVIDIA H100, bfloat16"
    assert found.for_training(50_000).line() == "on NVIDIA H100, bfloat16, compiled"
    assert found.for_training(200) == found


def test_auto_is_the_cpu_without_a_gpu(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus()
    monkeypatch.setattr(devices, "processor_name", lambda: "AMD EPYC")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setattr(devices, "_DRIVER", Path("/nowhere"))
    found = resolve()
    assert found == Device(name="cpu", hardware="AMD EPYC")
    assert found.line() == "on the CPU: AMD EPYC, 2 threads, float32"
    monkeypatch.setenv("GOMP_SPINCOUNT", SPIN_COUNT)
    assert found.line() == "on the CPU: AMD EPYC, 2 threads (sleep while waiting), float32"
    assert found.line("1 of 2 threads") == "on the CPU: AMD EPYC, 1 of 2 threads, float32"
    assert found.for_training(50_000) == found


@pytest.mark.parametrize("build", [None, "13.0"])
def test_unused_gpu_is_reported(
    gpus: Gpus, build: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine has a driver, but PyTorch is built for CPUs, or fails."""
    gpus()
    monkeypatch.setattr(devices, "_DRIVER", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", build)

    def is_available() -> bool:
        warnings.warn("The NVIDIA driver is too old (version 11040)\nmore", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    line = resolve().line()
    reason = "this build of PyTorch is for CPUs only" if build is None else "The NVIDIA driver is"
    assert "; PyTorch cannot use the GPU: " + reason in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("gpu", "choice", "expected"),
    [
        (H100, "auto", "bfloat16"),
        (T4, "auto", "float32"),
        (H100, "float32", "float32"),
        (H100, "ieee", "ieee"),
        (None, "auto", "float32"),
        (None, "bfloat16", "bfloat16"),
        (None, "ieee", "ieee"),
    ],
)
def test_precision(
    gpus: Gpus,
    gpu: tuple[str, tuple[int, int]] | None,
    choice: devices.PrecisionChoice,
    expected: devices.Precision,
) -> None:
    gpus(*(() if gpu is None else (gpu,)))
    assert resolve(precision=choice).precision == expected


def test_each_process_has_a_gpu(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(H100, T4)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resolve("cuda").hardware == "Tesla T4"
    assert resolve("auto").name == "cuda:1"
    with pytest.raises(CannotRun, match="cuda:0: each of several processes has a GPU"):
        resolve("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(CannotRun, match=r"process 2 of this machine has no GPU.*sees 2 GPUs"):
        resolve("cuda")


def test_missing_gpu(gpus: Gpus) -> None:
    gpus(H100)
    assert resolve("cuda:0").hardware == "NVIDIA H100"
    with pytest.raises(CannotRun, match="--device cuda:1: CUDA error: invalid device ordinal"):
        resolve("cuda:1")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_missing_device_has_pytorchs_reason() -> None:
    with pytest.raises(CannotRun, match=r"--device cuda: .*CUDA"):
        resolve("cuda")


@pytest.mark.parametrize("name", ["meta", "mps", "xpu:0", "gpu", ""])
def test_other_devices_are_refused(name: str) -> None:
    """Nothing of this package has run on them; some have no float64, others store no values."""
    with pytest.raises(CannotRun, match=f"--device {name}: write auto, cpu, cuda or cuda:N"):
        resolve(name)


def test_the_reference_module_is_not_deterministic_on_a_gpu(gpus: Gpus) -> None:
    """PyTorch would end the first backward pass with an error."""
    gpus(H100)
    with pytest.raises(CannotRun, match="--deterministic: on a GPU the max pools"):
        resolve(engine="reference", deterministic=True)
    gpus()
    assert resolve(engine="reference", deterministic=True).deterministic


@pytest.fixture
def _switches_restored() -> Iterator[None]:
    """Restore the switches of PyTorch after the test."""
    places = (
        *((torch.backends.cudnn, name) for name in ("allow_tf32", "benchmark", "deterministic")),
        (torch.backends.cuda.matmul, "allow_tf32"),
    )
    before = [getattr(place, name) for place, name in places]
    yield
    for (place, name), value in zip(places, before):
        setattr(place, name, value)


@pytest.mark.usefixtures("_switches_restored")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "ieee"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_switches(
    precision: devices.Precision, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU products and convolutions use TF32, unless `ieee`; Inductor can read the switches.

    For a CPU only the number of threads changes.
    """
    used: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: used.append(str(on)))
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    set_up(Device(name="cpu", hardware="AMD EPYC", deterministic=deterministic))
    assert not used
    before = torch.get_num_threads()
    set_up(Device(name="cpu", hardware="AMD EPYC"), before + 1)
    assert torch.get_num_threads() == before + 1
    torch.set_num_threads(before)
    device = Device(
        name="cuda:1", hardware="H100", precision=precision, deterministic=deterministic
    )
    set_up(device)
    # Switched off, too: an earlier training of the process may have been deterministic.
    assert used == ["cuda:1", str(deterministic)]
    tf32 = precision != "ieee"
    assert (matmul.fp32_precision, cudnn.conv.fp32_precision) == (
        ("tf32", "tf32") if tf32 else ("ieee", "none")
    )
    assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
    assert (cudnn.benchmark, cudnn.deterministic) == (not deterministic, deterministic)
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"  # type: ignore[attr-defined]


def test_json_names_device_precision_and_engine() -> None:
    device = Device(name="cuda:0", hardware="NVIDIA H100", precision="bfloat16", compiled=True)
    assert device.to_json() == {
        "name": "cuda:0",
        "hardware": "NVIDIA H100",
        "precision": "bfloat16",
        "engine": "fast",
        "compiled": True,
        "deterministic": False,
    }


def test_no_import_calls_cuda() -> None:
    """All modules are imported in a process whose functions of torch.cuda raise an error."""
    code = """
    import importlib, inspect, pkgutil, torch

    def refused(name):
        def call(*arguments, **options):
            raise AssertionError(f"torch.cuda.{name} was called during an import")
        return call

    for name, value in list(vars(torch.cuda).items()):
        if inspect.isfunction(value):
            setattr(torch.cuda, name, refused(name))
    try:
        torch.cuda.is_available()
    except AssertionError:
        print("refused")
    import anetc
    for module in pkgutil.walk_packages(anetc.__path__, "anetc."):
        if module.name not in ("anetc.__main__", "anetc.export.python.standalone"):
            importlib.import_module(module.name)
    print("imported")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=REPOSITORY / "compiler",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == ["refused", "imported"], done.stderr
