"""The Python API: the names of `anetdsl` are what they say, whatever is imported first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import anetdsl
from anetdsl.errors import CannotRun


@pytest.mark.parametrize("name", anetdsl.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(anetdsl, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = anetdsl.nothing


@pytest.mark.parametrize("module", ["cost", "diff"])
def test_a_function_is_not_shadowed_by_the_module_of_its_name(module: str) -> None:
    """Importing `anetdsl.cost` first would otherwise leave the module in the function's place."""
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


def test_loading_a_text_with_errors_raises_with_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "broken.anet"
    path.write_text("anet 1\nnetwork x\ninput rgb chanels=3\nnode n level=9\nsink inputs=[q]\n")
    with pytest.raises(anetdsl.AnetError, match=r"A302") as caught:
        anetdsl.load(path)
    codes = {diagnostic.code for diagnostic in caught.value.diagnostics}
    assert {"A401", "A405", "A403", "A302"} <= codes
    assert "broken.anet:3:" in str(caught.value)


def test_loading_a_missing_file_says_which() -> None:
    with pytest.raises(CannotRun, match=r"nowhere\.anet"):
        anetdsl.load("nowhere.anet")


def test_a_network_prints_as_its_text_and_shows_itself_as_a_picture(examples: list[Path]) -> None:
    network = anetdsl.load(examples[0])
    assert anetdsl.parse(str(network)) == network
    bundle = network._repr_mimebundle_()
    assert bundle["text/plain"] == str(network)
    assert "<svg" in bundle["image/svg+xml"]
