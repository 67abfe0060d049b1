"""Artifacts that cannot be made leave no file; damaged artifacts are reported."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from click.testing import CliRunner

import anetc
from anetc.cli.main import main
from anetc.export import build, compile, verify, write
from anetc.export.about import About, about_from_json
from anetc.export.kinds import read_about
from anetc.weights.files import save_weights
from anetdsl.errors import CannotRun
from anetdsl.ir import Network
from tests.cli.conftest import environment
from tests.export.conftest import Compile, scrambled


def test_an_artifact_above_the_tolerance_leaves_no_file(
    compiled: Compile, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache does not keep it."""
    honest = build.reference_trials

    def shifted(*args: Any) -> Any:
        return [
            attrs.evolve(trial, expected=[[x + 0.1 for x in row] for row in trial.expected])
            for trial in honest(*args)
        ]

    monkeypatch.setattr(build, "reference_trials", shifted)
    with pytest.raises(CannotRun, match=r"error of the artifact .* above the tolerance of 1e-05"):
        compiled("module")
    assert not list(tmp_path.iterdir())
    assert not empty_cache.exists()


def test_an_artifact_that_fails_leaves_no_file(
    compiled: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: object, plan: object, about: Any, folder: Path) -> None:
        (folder / write.file_names(about)[0]).write_bytes(b"PK nothing")

    monkeypatch.setattr(write, "write_artifact", broken)
    (tmp_path / "out").write_text("as it was")
    with pytest.raises(CannotRun, match="the artifact fails"):
        compiled("torchscript", use_cache=False)
    assert (tmp_path / "out").read_text() == "as it was"


LIMITED = """
import resource, sys
from anetc.cli.entry_point import run
import torch  # before the limit: it writes a file
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
run()
"""
"""`anetc` on a disk that is nearly full: no file may be longer than 20 kB."""


@pytest.mark.parametrize("kind", ["torchscript", pytest.param("pt2", marks=pytest.mark.slow)])
def test_a_full_disk_for_temporary_files(kind: str, tiny: Network, tmp_path: Path) -> None:
    """PyTorch's own writer would abort the process."""
    (tmp_path / "n.anet").write_text(str(tiny))
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "compile", "n.anet", "--emit", kind, "-o", "out"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path / "temporary")),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"anetc: {tmp_path / 'temporary'}: the artifact cannot be made there")
    assert last.endswith(": File too large; set TMPDIR to a folder with more space")
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "temporary").glob("anetc-*"))


def test_a_failure_on_a_full_disk_names_it(
    compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime may fail with another message."""

    def broken(model: object, plan: object, about: Any, folder: Path) -> None:
        raise CannotRun("--emit pt2: it fails")

    monkeypatch.setattr(write, "write_artifact", broken)
    monkeypatch.setattr(compile, "_FULL", 10**18)
    with pytest.raises(CannotRun, match=r"it fails; .* has only .* MB free; set TMPDIR"):
        compiled("torchscript", use_cache=False)


def test_no_folder_for_temporary_files(compiled: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/anetc-1")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(CannotRun, match=r"^/full/anetc-1: the artifact .*: No space left"):
        compiled("module")


def test_bfloat16_in_onnx_is_refused_before_any_work(compiled: Compile) -> None:
    with pytest.raises(CannotRun, match="no convolutions in bfloat16"):
        compiled("onnx", dtype="bfloat16")


@pytest.mark.parametrize("damage", ["cut", "header", "plan", "kernel", "about", "version"])
def test_a_damaged_module_is_refused(damage: str, compiled: Compile) -> None:
    path = compiled("module").files[0]
    data = path.read_bytes()
    changed = {
        "cut": data[:-100],
        "header": data[:20] + b"\xff" + data[21:],
        "plan": data.replace(b"conv(rgb)", b"conv(rgg)"),
        "kernel": data.replace(b"kernel=1x3x3", b"kernel=3x1x1"),
        "about": data.replace(b'float32\\\\\\"', b'float99\\\\\\"'),
        "version": data.replace(b'version\\\\\\": 1', b'version\\\\\\": 7'),
    }[damage]
    assert changed != data
    path.write_bytes(changed)
    with pytest.raises(CannotRun, match=r"damaged|unknown artifact format") as error:
        anetc.load_artifact(path)
    assert "\n" not in str(error.value)


def test_a_module_that_fails_is_reported_when_it_is_called(compiled: Compile) -> None:
    """Its plan is readable, but does not fit the weights."""
    path = compiled("module").files[0]
    data = path.read_bytes()
    changed = data.replace(b"sum(class, s0)", b"sum(class, s1)")
    assert changed != data
    path.write_bytes(changed)
    artifact = anetc.load_artifact(path)
    clip = {"rgb": torch.zeros(1, 3, 4, 32, 24), "flow": torch.zeros(1, 2, 4, 32, 24)}
    with pytest.raises(CannotRun, match=r"out: the artifact fails: \w+Error"):
        artifact(clip)


def test_a_damaged_archive_is_refused(compiled: Compile) -> None:
    path = compiled("torchscript").files[0]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CannotRun, match="damaged archive"):
        anetc.load_artifact(path, trust=True)


def test_files_that_are_not_artifacts_are_reported_with_their_format(
    tmp_path: Path, weights: Path, compiled: Compile
) -> None:
    with pytest.raises(CannotRun, match=r"is a weights file; give the \.anet file of the network"):
        anetc.load_artifact(weights)
    with pytest.raises(CannotRun, match=r"holds the weights of a Python artifact; give out\.py"):
        anetc.load_artifact(compiled("python").files[1])
    (tmp_path / "out.safetensors").unlink()
    with pytest.raises(CannotRun, match=r"its weights file out\.safetensors is missing"):
        anetc.load_artifact(tmp_path / "out.py")
    pickled = tmp_path / "x.pt"
    pickled.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CannotRun, match="is a pickle, which could run any code"):
        anetc.load_artifact(pickled)
    text = tmp_path / "x.anet"
    text.write_text("anet 1\n")
    assert read_about(text) is None
    with pytest.raises(CannotRun, match="is not an artifact"):
        anetc.load_artifact(text)
    with pytest.raises(CannotRun, match="no such file"):
        anetc.load_artifact(tmp_path / "missing")


def run(*args: object) -> Any:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--emit", "jar"], "'jar' is not one of"),
        (["--emit", "pt2"], "--emit pt2 needs -o OUT"),
        (["-o", "missing/out"], "there is no folder missing"),
        (["-o", "."], "is a folder"),
        (["-o", "out.txt", "--emit", "python"], "must end in .py"),
        (["-o", "out", "--emit", "pt2", "--dynamic", "width"], "'width' is not an axis"),
        (["-o", "out", "--dynamic", "width"], "'width' is not an axis"),
        (["-o", "-"], "--emit module needs -o OUT"),
        (["--emit", "plan", "--seed", "1"], "--seed has no effect on --emit plan"),
        (["--emit", "plan", "--no-cache"], "--no-cache has no effect on --emit plan"),
        (["-o", "a" * 300], "cannot be written: File name too long"),
        (["-o", "out", "--weights", "missing.safetensors"], "missing.safetensors: no such file"),
    ],
)
def test_wrong_options_are_reported_before_any_work(
    options: list[str],
    message: str,
    tiny_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("compile", tiny_file, *options)
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)


def test_onnx_refuses_an_input_with_the_name_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "n.anet").write_text(
        "anet 1 network n modules=[1, 1, 1, 1] D=[1, 1, 1, 1] input logits channels=3 kind=rgb\n"
        "node s level=0 C=1 r=1 stride=4 inputs=[logits] sink inputs=[s] classes=2"
    )
    options = ["--emit", "onnx", "--frames", 2, "--size", 16, "-o", tmp_path / "x"]
    result = run("compile", tmp_path / "n.anet", *options)
    assert "`logits` is the name of the output; rename the input" in str(result.exception)
    assert not (tmp_path / "x").exists()


def test_an_artifact_does_not_overwrite_its_network_or_weights(
    tiny_file: Path, weights: Path, tmp_path: Path
) -> None:
    """The weights file may have the name that a Python artifact would use."""
    text, trained = tmp_path / "t.anet", tmp_path / "t.safetensors"
    text.write_bytes(tiny_file.read_bytes())
    trained.write_bytes(weights.read_bytes())
    source = ["--emit", "python", "-o", tmp_path / "t.py"]
    for options, message in (
        (["-o", text], "t.anet: is an input of this command and would be overwritten"),
        (["-o", trained, "--weights", trained], "t.safetensors: is an input of this command"),
        ([*source, "--weights", trained], "does not belong to an artifact"),
        (source, "does not belong to an artifact"),
    ):
        result = run("compile", text, *options)
        assert message in str(result.exception)
    assert (text.read_bytes(), trained.read_bytes()) == (
        tiny_file.read_bytes(),
        weights.read_bytes(),
    )
    assert sorted(tmp_path.iterdir()) == [text, trained]


def test_a_device_is_written_to_and_not_replaced(
    compiled: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").symlink_to(os.devnull)
    monkeypatch.setattr(compile, "replacing", None)  # a bug must not replace the device
    assert compiled("module").files == (tmp_path / "out",)
    assert (tmp_path / "out").is_char_device()


def test_logits_that_are_not_finite_are_reported(
    tiny: Network, tiny_file: Path, tmp_path: Path
) -> None:
    model = scrambled(tiny)
    model.sink.fc.bias.detach().fill_(float("nan"))
    save_weights(model, tmp_path / "w.safetensors")
    result = run(
        "compile", tiny_file, "-o", tmp_path / "x", "--weights", tmp_path / "w.safetensors"
    )
    assert "the logits of the network are not finite (NaN or infinity); check the weights" in str(
        result.exception
    )


@pytest.mark.parametrize(
    ("variable", "threads"), [("3", 3), ("3,2", 3), ("0", 5), ("x", 5), ("", 5)]
)
def test_any_value_of_omp_num_threads_gives_a_number_of_threads(
    variable: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(verify, "processor_count", lambda: 5)
    assert verify._threads() == threads


@pytest.mark.parametrize(
    "fields", [{"dynamic": [{}]}, {"dynamic": 5}, {"trained": "no"}, {"batch": True}, {"more": 1}]
)
def test_a_damaged_description_is_refused(fields: dict[str, Any]) -> None:
    about = {**json.loads(About("module", "anet 1").to_json()), **fields}
    with pytest.raises(CannotRun, match="its description cannot be read"):
        about_from_json(json.dumps(about), "x")


@pytest.mark.parametrize("damage", ["compressed", "encrypted", "long"])
def test_an_archive_that_cannot_be_unpacked_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    text = About("pt2", "anet 1" * 1000).to_json()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/extra/anet.json", text)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    match damage:
        case "compressed":
            start = data.index(b"anet.json") + len("anet.json")
            data[start : start + 8] = b"\xff" * 8
        case "encrypted":
            data[6] |= 1
            data[entry + 8] |= 1
        case "long":
            data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(CannotRun, match="is a damaged archive"):
        read_about(path)


def test_weights_of_another_network_are_refused(
    tiny_file: Path, weights: Path, tmp_path: Path
) -> None:
    result = run("compile", tiny_file, "--classes", 7, "-o", tmp_path / "x", "--weights", weights)
    assert "weights do not fit network tiny" in str(result.exception)
    assert not (tmp_path / "x").exists()
