"""The language server in Neovim without a screen: finding, correction, renaming, formatting."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anetdsl.api import format_text
from tests.documents import REPOSITORY
from tests.mistakes import GOOD

NVIM = os.environ.get("ANETDSL_NVIM") or shutil.which("nvim")


@pytest.mark.skipif(NVIM is None, reason="needs Neovim: apt-get install neovim")
def test_neovim_shows_a_finding_renames_and_formats(tmp_path: Path) -> None:
    pytest.importorskip("pygls")
    file, out = tmp_path / "a b.anet", tmp_path / "out.json"
    file.write_text(GOOD.replace("stride=4", "strid=4"), encoding="utf-8")
    given = {
        "rtp": str(REPOSITORY / "editors" / "neovim"),
        "cmd": [sys.executable, "-m", "anetc", "lsp"],
        "file": str(file),
        "out": str(out),
    }
    python_path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "compiler")])
    home = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CONFIG", "DATA", "STATE")}
    assert NVIM is not None
    subprocess.run(
        [
            *(NVIM, "--headless", "-u", "NONE", "-i", "NONE", "-n"),
            *("--cmd", f"let g:anet = {json.dumps(given)}"),
            *("-S", str(Path(__file__).with_name("neovim.lua"))),
        ],
        env={**os.environ, **home, "PYTHONPATH": python_path, "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=120,
    )
    result = json.loads(out.read_text(encoding="utf-8"))
    assert "failure" not in result, result
    assert result["diagnosed"]
    assert (result["code"], result["line"]) == ("A401", 3)
    assert "did you mean `stride`?" in result["message"]
    assert result["explained"] == "A401 (error): unknown attribute"
    assert result["corrected"]
    assert result["renamed"]
    assert result["text"] + "\n" == format_text(GOOD.replace("s0", "stem_rgb"))
    assert "**stem `stem_rgb`** at level 0" in result["hover"]
    assert "output: 32 x 16 x 16 x 16" in result["hover"]
    assert file.read_text(encoding="utf-8").count("strid=") == 1, "nothing was saved"
