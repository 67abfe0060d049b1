"""No file of the user is overwritten, and output paths are checked before the work starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import anetc
from tests.conftest import REPOSITORY

ASN50 = (REPOSITORY / "examples" / "asn50.anet").read_text()
SMALL = (REPOSITORY / "examples" / "small_two_stream_level4.anet").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with networks and other files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.anet").write_text(SMALL)
    (tmp_path / "asn50.anet").write_text(ASN50)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("render model.anet --format svg -o model.anet", "model.anet: is also the input"),
        ("render file --diff model.anet --format svg -o model.anet", "error"),
        ("export asn50.anet -o asn50.anet", "asn50.anet: is also the input"),
        ("mutate model.anet -o file", "file: is a file; give a folder with -o"),
        ("train model.anet --data motion:clips=48 --out .", ".: holds a model.anet that no run"),
        ("train model.anet --data motion:clips=48 --out . --resume", "holds a model.anet that no"),
        ("eval model.anet --weights w --data motion --save no/x.csv", "there is no folder no"),
        ("eval model.anet --weights w --data motion --confusion no/x.svg", "there is no folder no"),
        ("eval --predictions p.csv --device x", "--predictions: --device has no effect here"),
        ("eval --predictions p.csv --max-failures 0.1", "--max-failures has no effect here"),
        ("eval --predictions p.csv --split test", "--split has no effect here"),
        ("data check . --quarantine no/list.txt", "there is no folder no"),
        ("import empty.json", "empty.json: no structure found; expected a list of blocks"),
    ],
)
def test_existing_files_are_not_overwritten(command: str, message: str, folder: Path) -> None:
    result = anetc(*command.split())
    assert result.code in (1, 2)
    assert message in result.err
    assert (folder / "model.anet").read_text() == SMALL
    assert (folder / "asn50.anet").read_text() == ASN50
    assert (folder / "file").read_text() == "mine"


def test_an_edited_child_is_not_overwritten(folder: Path) -> None:
    """An unchanged child may be written again."""
    assert anetc("mutate", "model.anet", "--count", 2, "-o", "kids").code == 0
    assert anetc("mutate", "model.anet", "--count", 2, "-o", "kids").code == 0
    first, second = sorted((folder / "kids").iterdir())
    second.write_text("# mine\n" + second.read_text())
    first.unlink()
    result = anetc("mutate", "model.anet", "--count", 2, "-o", "kids")
    assert result.code == 2
    assert f"{second.relative_to(folder)}: holds another text; give another --seed" in result.err
    assert second.read_text().startswith("# mine\n")
    assert not first.exists()
