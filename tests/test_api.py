"""The Python API of `anetdsl`: its public names, and load, parse and check."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import anetdsl
from anetdsl.errors import CannotRun, cannot_read


@pytest.mark.parametrize("name", anetdsl.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(anetdsl, name) is not None


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = anetdsl.nothing


@pytest.mark.parametrize("module", ["cost", "diff"])
def test_function_is_not_replaced_by_the_module_of_its_name(module: str) -> None:
    """Importing the module `anetdsl.cost` first must not replace the function `anetdsl.cost`."""
    code = (
        f"import anetdsl.{module}\n"
        f"from anetdsl.{module} import {module} as function\n"
        f"import anetdsl\n"
        f"assert anetdsl.{module} is function"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_load_parse_and_check_agree(examples: list[Path]) -> None:
    for path in examples:
        text = path.read_text(encoding="utf-8")
        assert anetdsl.load(path) == anetdsl.parse(text)
        assert anetdsl.check(text) == ()


def test_load_raises_with_all_errors_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "broken.anet"
    path.write_text("anet 1\nnetwork x\ninput rgb chanels=3\nnode n level=9\nsink inputs=[q]\n")
    with pytest.raises(anetdsl.AnetError, match=r"A302") as caught:
        anetdsl.load(path)
    codes = {diagnostic.code for diagnostic in caught.value.diagnostics}
    assert {"A401", "A405", "A403", "A302"} <= codes
    assert "broken.anet:3:" in str(caught.value)


def test_load_names_a_missing_file() -> None:
    with pytest.raises(CannotRun, match=r"^nowhere\.anet: no such file$"):
        anetdsl.load("nowhere.anet")


def test_one_wording_for_unreadable_files(tmp_path: Path) -> None:
    missing, failed = FileNotFoundError(2, "not there"), OSError(5, "Input/output error")
    assert str(cannot_read("a.txt")) == str(cannot_read("a.txt", missing)) == "a.txt: no such file"
    assert str(cannot_read("a.txt", failed)) == "a.txt: cannot be read: Input/output error"
    assert str(cannot_read("a\0", ValueError("null"))) == "a\0: cannot be read: null"
    with pytest.raises(CannotRun, match=f"^{re.escape(str(tmp_path))}: cannot be read: "):
        anetdsl.load(tmp_path)


def test_network_has_a_text_and_a_notebook_picture(examples: list[Path]) -> None:
    network = anetdsl.load(examples[0])
    assert anetdsl.parse(str(network)) == network
    bundle = network._repr_mimebundle_()
    assert bundle["text/plain"] == str(network)
    assert "<svg" in bundle["image/svg+xml"]
