"""Every kind of artifact computes the logits of the reference module."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import torch

import anetc
from anetc.export.load import Artifact
from anetc.export.verify import TOLERANCE
from anetc.modules.network import InputError
from anetdsl.errors import CannotRun
from anetdsl.ir import Network
from tests.export.conftest import Compile, scrambled
from tests.modules.networks import clip

EXPORTED = ["pt2", "torchscript", "onnx"]
CODE = ["python", "pt2", "torchscript"]


def needs(kind: str) -> None:
    """Skip the test if an optional package is missing."""
    if kind == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name)


def relative_error(artifact: Artifact, network: Network, **sizes: int) -> float:
    inputs = clip(network, **sizes)
    with torch.inference_mode():
        expected = scrambled(network)(inputs)
    given = artifact(inputs)
    assert given.dtype == torch.float32
    return float((given - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("kind", ["module", "python", *EXPORTED])
def test_artifacts_compute_the_logits_of_the_reference_module(
    kind: str, compiled: Compile, tiny: Network
) -> None:
    """In the process that verifies, and after loading here."""
    needs(kind)
    made = compiled(kind)
    assert made.error < TOLERANCE["float32"]
    artifact = anetc.load_artifact(made.files[0], trust=True)
    assert (artifact.about.kind, artifact.network) == (kind, tiny)
    assert relative_error(artifact, tiny, frames=4) < 1e-5


@pytest.mark.parametrize("kind", ["module", "python", "pt2", "torchscript"])
def test_the_error_in_bfloat16_is_within_its_tolerance(kind: str, compiled: Compile) -> None:
    made = compiled(kind, dtype="bfloat16")
    assert 1e-5 < made.error < TOLERANCE["bfloat16"]


@pytest.mark.parametrize("kind", EXPORTED)
def test_free_axes_accept_other_sizes(kind: str, compiled: Compile, tiny: Network) -> None:
    needs(kind)
    artifact = anetc.load_artifact(compiled(kind, dynamic=("batch", "frames")).files[0], trust=True)
    for batch, frames in ((1, 1), (3, 7)):
        assert relative_error(artifact, tiny, batch=batch, frames=frames) < 1e-5


@pytest.mark.parametrize("dynamic", [("batch", "frames"), ("batch",), ("frames",), ()])
def test_free_axes_of_onnx_are_called_batch_and_frames(
    dynamic: tuple[str, ...], compiled: Compile
) -> None:
    needs("onnx")
    import onnxruntime

    path = compiled("onnx", dynamic=dynamic).files[0]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = "batch" if "batch" in dynamic else 1
    frames = "frames" if "frames" in dynamic else 4
    for value, channels in zip(session.get_inputs(), (3, 2), strict=True):
        assert value.shape == [batch, channels, frames, 32, 24]
    assert [value.shape for value in session.get_outputs()] == [[batch, 3]]


def test_loading_a_program_logs_no_warning(
    compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch logs a warning for paths that do not end in .pt2."""
    path = compiled("pt2").files[0]
    warned: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Logger, "handle", lambda _, record: warned.append(record))
    anetc.load_artifact(path, trust=True)
    assert not [record.getMessage() for record in warned if record.levelno >= logging.WARNING]


def test_modules_and_source_accept_any_batch_size_and_any_number_of_frames(
    compiled: Compile, tiny: Network
) -> None:
    module = anetc.load_artifact(compiled("module").files[0])
    assert relative_error(module, tiny, batch=2, frames=3) < 1e-5
    source = anetc.load_artifact(compiled("python").files[0], trust=True)
    assert relative_error(source, tiny, batch=2, frames=3, height=45, width=33) < 1e-5


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"frames": 5}, "compiled for frames 4, not 5"),
        ({"batch": 2}, "compiled for batch 1, not 2"),
        ({"height": 64}, "compiled for height 32, not 64"),
    ],
)
def test_sizes_other_than_compiled_are_refused(
    sizes: dict[str, int], message: str, compiled: Compile, tiny: Network
) -> None:
    artifact = anetc.load_artifact(compiled("torchscript").files[0], trust=True)
    with pytest.raises(InputError, match=message):
        artifact(clip(tiny, **sizes))
    with pytest.raises(InputError, match="needs an input 'flow'"):
        artifact({"rgb": torch.zeros(1, 3, 4, 32, 24)})


@pytest.mark.parametrize("kind", CODE)
def test_kinds_with_code_are_loaded_with_trust_only(kind: str, compiled: Compile) -> None:
    path = compiled(kind).files[0]
    with pytest.raises(CannotRun, match=rf"of kind {kind} contains code.*--trust"):
        anetc.load_artifact(path)


def test_equal_options_give_equal_bytes(compiled: Compile) -> None:
    for kind in ("module", "python"):
        first, second = (
            [path.read_bytes() for path in compiled(kind, use_cache=False).files] for _ in range(2)
        )
        assert first == second


def test_the_process_that_verifies_cannot_import_either_package(tmp_path: Path) -> None:
    """Even if they are installed or in a folder of its path."""
    import json
    import subprocess

    from anetc.export import clean_process

    source = tmp_path / "artifact.py"
    source.write_text("def load():\n    import anetc\n", encoding="utf-8")
    repository = Path(__file__).resolve().parents[2]
    folders = [str(repository), str(repository / "compiler"), *sys.path]
    header = {"folders": folders, "allow": False, "threads": 1}
    job = {"kind": "python", "path": str(source), "names": [], "trials": []}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", clean_process.__file__],
        input=f"{json.dumps(header)}\n{json.dumps(job)}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"failed": "ImportError: anetc is not available here"}
