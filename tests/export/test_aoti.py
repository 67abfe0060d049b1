"""Artifacts of AOTInductor: a C++ compiler is needed to make them, but not to run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import anetc
from anetc.export.verify import TOLERANCE
from anetdsl.ir import Network
from tests.conftest import REPOSITORY
from tests.export.conftest import Compile
from tests.export.test_artifacts import relative_error

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("dynamic", [(), ("batch", "frames")], ids=["static", "dynamic"])
def test_compiled_artifacts_run_without_a_compiler(
    dynamic: tuple[str, ...], compiled: Compile, tiny: Network
) -> None:
    """The PATH of the process that verifies is empty."""
    made = compiled("aoti", dynamic=dynamic)
    assert made.error < TOLERANCE["float32"]
    artifact = anetc.load_artifact(made.files[0], trust=True)
    assert relative_error(artifact, tiny, frames=4) < 1e-5
    if dynamic:
        assert relative_error(artifact, tiny, frames=3, batch=2) < 1e-5


@pytest.mark.slow
@needs_compiler
def test_compiled_artifacts_in_bfloat16(compiled: Compile) -> None:
    assert compiled("aoti", dtype="bfloat16").error < TOLERANCE["bfloat16"]


def test_a_missing_compiler_is_reported(tiny_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anetc", "compile", str(tiny_file), "--emit", "aoti"]
    roots = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "compiler")))
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out"), "--frames", "4", "--size", "32", "--no-cache"],
        env={**os.environ, "PYTHONPATH": roots, "PATH": "", "CXX": "no_such_compiler"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--emit aoti needs a C++ compiler" in done.stderr
    assert not (tmp_path / "out").exists()
