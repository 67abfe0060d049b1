"""What cannot be made leaves no file; what is damaged is said to be so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

import anetc
from anetc.artifacts import making, writing
from anetc.artifacts.kinds import read_about
from anetc.cli.main import main
from anetdsl.diagnostics import CannotRun
from tests.compile.conftest import Compile


def test_an_artifact_that_is_off_fails_and_leaves_no_file(
    compiled: Compile,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does the cache keep it."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ANETDSL_CACHE", str(cache))
    honest = making.reference_trials

    def shifted(*args: Any) -> Any:
        return [
            attrs.evolve(trial, expected=[[x + 0.1 for x in row] for row in trial.expected])
            for trial in honest(*args)
        ]

    monkeypatch.setattr(making, "reference_trials", shifted)
    with pytest.raises(CannotRun, match=r"is off by .* above the tolerance of 1e-05"):
        compiled("module")
    assert not list(tmp_path.iterdir())
    assert not (cache / "artifacts").exists()


def test_an_artifact_that_does_not_run_fails_and_leaves_no_file(
    compiled: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(model: object, plan: object, about: Any, folder: Path) -> None:
        (folder / writing.file_names(about)[0]).write_bytes(b"PK nothing")

    monkeypatch.setattr(writing, "write_artifact", write)
    (tmp_path / "out").write_text("as it was")
    with pytest.raises(CannotRun, match="does not run"):
        compiled("torchscript", use_cache=False)
    assert (tmp_path / "out").read_text() == "as it was"


def test_bfloat16_in_onnx_is_refused_before_any_work(compiled: Compile) -> None:
    with pytest.raises(CannotRun, match="no convolutions in bfloat16"):
        compiled("onnx", dtype="bfloat16")


@pytest.mark.parametrize("damage", ["cut", "header", "plan", "about", "version"])
def test_a_damaged_module_is_refused(damage: str, compiled: Compile) -> None:
    path = compiled("module").files[0]
    data = path.read_bytes()
    changed = {
        "cut": data[:-100],
        "header": data[:20] + b"\xff" + data[21:],
        "plan": data.replace(b"conv(rgb)", b"conv(rgg)"),
        "about": data.replace(b'float32\\\\\\"', b'float99\\\\\\"'),
        "version": data.replace(b'version\\\\\\": 1', b'version\\\\\\": 7'),
    }[damage]
    assert changed != data
    path.write_bytes(changed)
    with pytest.raises(CannotRun, match=r"damaged|not known") as error:
        anetc.load_artifact(path)
    assert "\n" not in str(error.value)


def test_a_damaged_archive_is_refused(compiled: Compile) -> None:
    path = compiled("torchscript").files[0]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CannotRun, match="damaged archive"):
        anetc.load_artifact(path, trust=True)


def test_files_that_are_no_artifacts_say_what_they_are(
    tmp_path: Path, weights: Path, compiled: Compile
) -> None:
    with pytest.raises(CannotRun, match=r"a weights file; give the network's \.anet file"):
        anetc.load_artifact(weights)
    with pytest.raises(CannotRun, match=r"the weights of out\.py; give that"):
        anetc.load_artifact(compiled("python").files[1])
    (tmp_path / "out.safetensors").unlink()
    with pytest.raises(CannotRun, match=r"out\.safetensors, are not beside it"):
        anetc.load_artifact(tmp_path / "out.py")
    pickled = tmp_path / "x.pt"
    pickled.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CannotRun, match="a pickle, which could run anything"):
        anetc.load_artifact(pickled)
    text = tmp_path / "x.anet"
    text.write_text("anet 1\n")
    assert read_about(text) is None
    with pytest.raises(CannotRun, match="no artifact"):
        anetc.load_artifact(text)
    with pytest.raises(CannotRun, match="No such file"):
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
        (["-o", "out.txt", "--emit", "python"], "ends in .py"),
        (["-o", "out", "--emit", "pt2", "--dynamic", "width"], "'width' is no axis"),
        (["-o", "out", "--weights", "missing.safetensors"], "missing.safetensors: No such file"),
    ],
)
def test_options_that_cannot_be_met_are_said_before_any_work(
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


def test_weights_of_another_network_are_refused(
    tiny_file: Path, weights: Path, tmp_path: Path
) -> None:
    result = run("compile", tiny_file, "--classes", 7, "-o", tmp_path / "x", "--weights", weights)
    assert "does not fit network tiny" in str(result.exception)
    assert not (tmp_path / "x").exists()
