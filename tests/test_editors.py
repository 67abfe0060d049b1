"""The editor packages have the words of the language, and parse the output of `anetc check`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest

import anetdsl
from anetdsl.codes import CODES
from anetdsl.language_server.client_settings import ClientSettings, read_client_settings
from anetdsl.rendering.findings import render_concise
from anetdsl.source import SourceFile
from anetdsl.syntax.parser import tokenize
from anetdsl.vocabulary import KEYWORDS, STATEMENTS
from tests.documents import REPOSITORY

VSCODE = REPOSITORY / "editors" / "vscode"
VIM = REPOSITORY / "editors" / "vim"
CHOICES = {
    choice
    for statement in STATEMENTS.values()
    for attribute in statement.attributes
    for choice in attribute.choices
}
NAMED = {statement.keyword for statement in STATEMENTS.values() if statement.named}


def rules() -> dict[str, Any]:
    text = (VSCODE / "syntaxes" / "anet.tmLanguage.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["repository"]
    return found


def words(rule: str, group: int = 1) -> set[str]:
    """Return the alternatives of the n-th group of words in a rule of the TextMate grammar."""
    return set(re.findall(r"\(([a-z|]+)\)", rules()[rule]["match"])[group - 1].split("|"))


def test_textmate_words_are_those_of_the_language() -> None:
    assert words("statement") == set(KEYWORDS)
    assert words("definition") == NAMED
    assert words("choice") == CHOICES


def test_vim_words_are_those_of_the_language() -> None:
    text = (VIM / "syntax" / "anet.vim").read_text(encoding="utf-8")
    keywords = re.search(r"(?m)^syntax keyword anetStatement (.*)$", text)
    choices = re.search(r"(?m)^syntax match anetChoice .*\\%\((.*)\\\)", text)
    names = re.search(r"(?m)^syntax match anetName /\\%\(\\<\\%\((.*?)\\\)", text)
    assert keywords is not None
    assert choices is not None
    assert names is not None
    assert keywords[1].split() == list(KEYWORDS)
    assert set(choices[1].split(r"\|")) == CHOICES
    assert set(names[1].split(r"\|")) == NAMED


@pytest.mark.parametrize("text", ["32", "+1e-3", ".5", "0.", "-2E+4", "1.2.3", "12k", "a1", "1e"])
def test_textmate_numbers_are_those_of_the_lexer(text: str) -> None:
    (token,) = tokenize(text)
    assert bool(re.fullmatch(rules()["number"]["match"], text)) == (token.type == "NUMBER")


def test_problem_matcher_parses_every_finding() -> None:
    package = json.loads((VSCODE / "package.json").read_text(encoding="utf-8"))
    (matcher,) = package["contributes"]["problemMatchers"]
    pattern = matcher["pattern"]
    for code, entry in CODES.items():
        text = entry.example.encode("utf-8", "replace").decode()
        findings = anetdsl.check(text)
        source = SourceFile("a folder/example.anet", text)
        for line, finding in zip(render_concise(source, findings).splitlines(), findings):
            found = re.fullmatch(pattern["regexp"], line)
            assert found is not None, line
            position = source.position(finding.span.start)
            assert found[pattern["file"]] == source.name
            assert int(found[pattern["line"]]) == position.line + 1
            assert int(found[pattern["column"]]) == position.column + 1
            assert found[pattern["code"]] == finding.code, code


def test_settings_of_the_extension_are_those_of_the_server() -> None:
    package = json.loads((VSCODE / "package.json").read_text(encoding="utf-8"))
    properties = package["contributes"]["configuration"]["properties"]
    own = {name.removeprefix("anet.") for name in properties} - {"server.path"}
    assert own == {field.name for field in attrs.fields(ClientSettings)}
    given = {name: properties[f"anet.{name}"]["default"] for name in own}
    assert read_client_settings(given) == ClientSettings()


@pytest.mark.parametrize("folder", ["vscode", "tree-sitter"])
def test_npm_packages_are_pinned(folder: str) -> None:
    """Exact versions, and no address of a registry."""
    package = json.loads((VSCODE.parent / folder / "package.json").read_text(encoding="utf-8"))
    wanted = {**package.get("dependencies", {}), **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    lock = json.loads((VSCODE.parent / folder / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["version"] == package["version"]
    for path, entry in lock["packages"].items():
        assert "resolved" not in entry, path
        name = path.removeprefix("node_modules/")
        assert entry["version"] == wanted.get(name, entry["version"])


@pytest.mark.slow
def test_the_extension_compiles_and_packs(tmp_path: Path) -> None:
    """Needs npm and the network; the same as `make vscode`."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    folder = tmp_path / "vscode"
    shutil.copytree(VSCODE, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.vsix"))
    steps = ["ci --ignore-scripts --no-audit --no-fund", "run check", "run compile", "run package"]
    for step in steps:
        done = subprocess.run(
            [npm, *step.split()],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(folder / "anet.vsix") as package:
        names = {name for name in package.namelist() if name.startswith("extension/")}
    assert {name.removeprefix("extension/") for name in names} == {
        "dist/extension.js",
        "language-configuration.json",
        "package.json",
        "readme.md",
        "syntaxes/anet.tmLanguage.json",
    }


def test_files_named_in_the_package_exist() -> None:
    package = json.loads((VSCODE / "package.json").read_text(encoding="utf-8"))
    language, *_ = package["contributes"]["languages"]
    grammar, *_ = package["contributes"]["grammars"]
    assert package["version"] == anetdsl.__version__
    json.loads((VSCODE / language["configuration"]).read_text(encoding="utf-8"))
    assert (VSCODE / grammar["path"]).exists()
