"""`anetc compile`, and `anetc run` with artifacts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from anetc.cli.main import main
from anetc.plan.plan_text import parse_plan
from tests.conftest import DATA, REPOSITORY


def run(*args: object) -> Any:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_a_plan_is_printed_or_written(tiny_file: Path, tmp_path: Path) -> None:
    shown = run("compile", tiny_file, "--emit", "plan", "--frames", 8, "--size", 32)
    plan = parse_plan(shown.stdout)
    assert (plan.network, plan.frames, plan.width) == ("tiny", 8, 32)
    written = run("compile", tiny_file, "--emit", "plan", "-o", tmp_path / "plan.txt")
    assert written.exit_code == 0
    assert (tmp_path / "plan.txt").read_text().startswith("plan tiny frames=32 size=224x224")


def test_stages_and_error_are_printed_on_standard_error(
    tiny_file: Path, weights: Path, tmp_path: Path, empty_cache: Path
) -> None:
    """The cache is empty, so that every stage runs."""
    args = ["compile", tiny_file, "-o", tmp_path / "x", "--frames", 4, "--size", 32]
    result = run(*args, "--weights", weights)
    assert result.exit_code == 0, result.exception
    assert result.stdout == ""
    for stage in ("build the network", "plan", "write module", "verify"):
        assert f"\n{stage} " in result.stderr
    assert "relative error" in result.stderr
    assert "from the cache; " in run(*args, "--weights", weights).stderr
    assert "untrained" in run(*args).stderr


def test_a_compile_from_the_cache_does_not_import_torch(
    tiny_file: Path, weights: Path, tmp_path: Path
) -> None:
    args = ["compile", tiny_file, "-o", tmp_path / "x", "--weights", weights]
    args += ["--frames", 4, "--size", 32]
    assert run(*args).exit_code == 0
    first = (tmp_path / "x").read_bytes()
    (tmp_path / "x").unlink()
    code = (
        "import sys; from anetc.cli.main import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        check=True,
        env={**os.environ, "PYTHONPATH": roots},
        capture_output=True,
    )
    assert (tmp_path / "x").read_bytes() == first


def test_a_stopped_compile_leaves_no_file(tiny_file: Path, tmp_path: Path) -> None:
    """It leaves neither an artifact nor a temporary folder."""
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    output = ["-o", str(tmp_path / "x"), "--no-cache"]
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "anetc", "compile", str(tiny_file), *output],
        env={**os.environ, "PYTHONPATH": roots, "TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("look in the cache"):
            assert process.poll() is None
        assert list((tmp_path / "temporary").iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read().endswith("anetc: terminated\n")
    assert process.returncode == 143
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


@pytest.mark.parametrize("kind", ["module", "python"])
def test_run_accepts_artifacts(kind: str, tiny_file: Path, weights: Path, tmp_path: Path) -> None:
    """The default size is that of the artifact; the classes are those of the network."""
    trained = ["--weights", weights]
    output = tmp_path / "tiny.py"
    sizes = ["--frames", 4, "--size", 32]
    run("compile", tiny_file, "-o", output, "--emit", kind, *sizes, *trained)
    video = ["--video", DATA / "city_cc0.mp4"]
    trust = ["--trust"] if kind == "python" else []
    of_artifact = run("run", output, *video, *trust)
    assert of_artifact.exit_code == 0, of_artifact.exception
    of_text = run("run", tiny_file, *video, *sizes, *trained)
    assert of_artifact.stdout.splitlines()[:-1] == of_text.stdout.splitlines()[:-1]
    assert "4 frames of 32 x 32" in of_artifact.stdout


def test_run_refuses_options_that_an_artifact_fixes(tiny_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "x"
    run("compile", tiny_file, "-o", output, "--frames", 4, "--size", 32)
    video = ["--video", DATA / "city_cc0.mp4"]
    result = run("run", output, *video, "--classes", 7)
    assert "--classes: cannot be changed for an artifact" in str(result.exception)
    result = run("run", output, *video, "--size", 64)
    assert "compiled for height 32, not 64" in str(result.exception)
