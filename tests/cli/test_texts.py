"""`check`, `explain` and `fmt`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from anetdsl import parse
from anetdsl.codes import CODES
from tests.cli.conftest import GOOD, UNTIDY, assert_refused
from tests.command_line import Result, anetc

# check


def test_check_of_several_files_and_folders(folder: Path) -> None:
    """Folders are searched for .anet files; each file is checked once."""
    (folder / "deep" / "er").mkdir(parents=True)
    shutil.copy("bad.anet", "deep/er/first.anet")
    (folder / "deep" / "folder.anet").mkdir()
    (folder / "deep" / "notes.txt").write_text("no network")
    result = anetc("check", "--format", "concise", "odd.anet", "good.anet", "deep", "odd.anet")
    assert [line.split(":")[0] for line in result.out.splitlines()] == [
        "odd.anet",
        "deep/er/first.anet",
    ]
    assert (result.code, result.err) == (1, "")


def test_check_counts_findings(folder: Path) -> None:
    result = anetc("check", "odd.anet", "bad.anet")
    assert result.err == "1 error and 1 warning\n"
    assert result.out.count("-->") == 2


def test_check_as_json(folder: Path) -> None:
    """One document for all files, with findings or without."""
    result = anetc("check", "--format", "json", "good.anet", "odd.anet", "bad.anet")
    assert (result.code, result.err) == (1, "")
    document = json.loads(result.out)
    assert document["schema_version"] == 1
    assert [(f["path"], len(f["diagnostics"])) for f in document["files"]] == [
        ("good.anet", 0),
        ("odd.anet", 1),
        ("bad.anet", 1),
    ]
    clean = anetc("check", "--format", "json", "good.anet")
    assert clean.code == 0
    assert json.loads(clean.out)["files"][0]["diagnostics"] == []


def test_check_allows_warnings(folder: Path) -> None:
    assert anetc("check", "odd.anet").code == 1
    assert anetc("check", "--allow", "A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601,A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601", "--allow", "A602", "odd.anet").code == 0
    assert anetc("check", "--allow", "A601", "odd.anet").code == 1
    assert_refused(anetc("check", "--allow", "A302", "good.anet"), "A302 is an error")
    assert_refused(anetc("check", "--allow", "A6O2", "good.anet"), "A6O2", "did you mean A602?")


def test_check_with_the_rules_of_the_search(folder: Path) -> None:
    (folder / "idle.anet").write_text(GOOD + "input flow channels=2\n", encoding="utf-8")
    assert anetc("check", "--allow", "A606", "idle.anet").code == 0
    result = anetc("check", "--search", "--allow", "A606", "idle.anet")
    assert result.code == 1
    assert result.out.startswith("error[A606]")


def test_at_most_200_findings_are_printed(folder: Path) -> None:
    many = GOOD + "".join(f"node x{i} level=9\n" for i in range(900))
    result = anetc("check", "-", stdin=many)
    assert result.code == 1
    assert result.out.count("-->") == 200
    assert re.search(r"\.\.\. and [\d,]+ errors and 1 warning more\n\Z", result.out)
    assert len(result.out) < 100_000


# explain


def test_explain_lists_and_explains_all_codes() -> None:
    listed = anetc("explain")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(CODES)
    for code, entry in CODES.items():
        result = anetc("explain", code.lower())
        assert result.code == 0
        assert result.out.startswith(f"{code} (")
        assert entry.title in result.out
        assert max(map(len, result.out.splitlines())) < 100


def test_explain_of_an_unknown_code() -> None:
    assert_refused(anetc("explain", "A3O2"), "no code 'A3O2'", "did you mean A302?")
    assert_refused(anetc("explain", "\x1b[2J" * 50), "no code")
    assert_refused(anetc("explain", "A302", "A303"), "Usage")


# fmt


def test_fmt_changes_a_file_once(folder: Path) -> None:
    assert anetc("fmt", "untidy.anet") == Result(0, b"", "changed untidy.anet\n")
    text = (folder / "untidy.anet").read_text()
    assert text != UNTIDY
    assert parse(text) == parse(UNTIDY)
    before = (folder / "untidy.anet").stat()
    assert anetc("fmt", "untidy.anet") == Result(0, b"", "")
    after = (folder / "untidy.anet").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_fmt_check_and_diff_write_nothing(folder: Path) -> None:
    assert anetc("fmt", "--check", "untidy.anet").code == 1
    assert "untidy.anet" in anetc("fmt", "--check", "untidy.anet").out
    result = anetc("fmt", "--diff", "untidy.anet")
    assert result.code == 1
    assert result.out.startswith("--- untidy.anet")
    assert "\n-node s0 level=0" in result.out
    assert anetc("fmt", "--check", "--diff", "untidy.anet").code == 1
    assert (folder / "untidy.anet").read_text() == UNTIDY
    for option in ("--check", "--diff"):
        assert anetc("fmt", option, "good.anet") == Result(0, b"", "")


def test_fmt_of_standard_input_goes_to_standard_output(folder: Path) -> None:
    crlf = UNTIDY.replace("\n", "\r\n").encode()
    result = anetc("fmt", "-", stdin=crlf)
    assert (result.code, result.err) == (0, "")
    assert result.data.count(b"\r\n") == result.data.count(b"\n") > 10


def test_fmt_continues_after_a_file_with_errors(folder: Path) -> None:
    (folder / "broken.anet").write_text(UNTIDY.replace("[a1]", "[a1"), encoding="utf-8")
    result = anetc("fmt", "broken.anet", "untidy.anet")
    assert result.code == 1
    assert "error[A105]" in result.err
    assert "changed untidy.anet" in result.err
    assert (folder / "broken.anet").read_text() == UNTIDY.replace("[a1]", "[a1")


def test_fmt_keeps_links_and_permissions(folder: Path) -> None:
    (folder / "untidy.anet").chmod(0o640)
    (folder / "link.anet").symlink_to("untidy.anet")
    assert anetc("fmt", "link.anet").code == 0
    assert (folder / "link.anet").is_symlink()
    assert (folder / "untidy.anet").read_text() != UNTIDY
    assert (folder / "untidy.anet").stat().st_mode & 0o777 == 0o640
