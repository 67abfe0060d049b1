"""The documents are true: examples, outputs, tables, schemas and links."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

import anetc
import anetdsl
from anetc.cli.main import main
from anetdsl import cost, vocabulary
from anetdsl.codes import CODES, WARNINGS
from anetdsl.interchange.document import to_json
from anetdsl.rendering.lsp import report
from anetdsl.source import SourceFile
from anetdsl.syntax.grammar import grammar_text
from anetdsl.syntax.parser import parse_syntax
from anetdsl.text.edits import apply, find, set_attribute
from anetdsl.vocabulary import STATEMENTS, Attribute, Statement
from tests.documents import (
    DOCUMENTS,
    REPOSITORY,
    Session,
    blocks,
    check_anet,
    check_options,
    steps,
)

DOCS = REPOSITORY / "docs"
SCHEMAS = {path.name.partition(".")[0]: path for path in (DOCS / "schemas").glob("*.json")}
CELL = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", path.read_text(encoding="utf-8"))


def section(path: Path, heading: str) -> str:
    """Return the text below a heading, up to the next heading of its level or above."""
    depth = heading.index(" ")
    found = re.split(rf"(?m)^{re.escape(heading)}$", prose(path))
    assert len(found) == 2, f"{path.name} has {len(found) - 1} headings `{heading}`"
    return re.split(rf"(?m)^#{{1,{depth}}} ", found[1])[0]


def rows(text: str) -> list[list[str]]:
    """Return the rows of the first table in a text, without the head."""
    lines = re.search(r"(?m)^\| ---.*\n((?:\|.*\n?)+)", text)
    assert lines is not None, "no table"
    return [
        [cell.strip() for cell in CELL.split(line)[1:-1]] for line in lines[1].strip().splitlines()
    ]


documents = pytest.mark.parametrize("path", DOCUMENTS, ids=named)

# Examples


@documents
def test_networks_have_exactly_the_documented_findings(path: Path) -> None:
    """A network without findings is in canonical layout."""
    for block in blocks(path):
        if block.language == "anet":
            check_anet(block)


@pytest.mark.integration
@documents
def test_examples_print_the_documented_output(path: Path, tmp_path: Path) -> None:
    """Commands and Python blocks run in the order of the document, except slow ones."""
    session = Session(tmp_path)
    for block in blocks(path):
        if "slow" not in block.flags:
            session.run(block)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if any("slow" in block.flags for block in blocks(path))],
    ids=named,
)
def test_slow_examples_print_the_documented_output(path: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    for block in blocks(path):
        session.run(block)


@documents
def test_commands_that_are_not_run_have_valid_options(path: Path) -> None:
    for block in blocks(path):
        if block.language == "console":
            for step in steps(block):
                check_options(step)


# Links


def anchors(path: Path) -> Iterator[str]:
    """Yield the anchors of a document: explicit ones, and those of headings."""
    text = prose(path)
    yield from re.findall(r'<a id="([^"]+)">', text)
    for heading in re.findall(r"(?m)^#+ (.*)$", text):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@documents
def test_links_point_to_existing_files_and_headings(path: Path) -> None:
    """Links to other sites are not followed."""
    for match in LINK.finditer(prose(path)):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target:
            continue
        file = path.parent / target if target else path
        assert file.exists(), f"{path.name}: {match[0]}"
        if anchor:
            assert anchor in set(anchors(file)), f"{path.name}: {match[0]}"


def test_journeys_name_functions_that_exist() -> None:
    """In CONTRIBUTING.md the text of a link is a function or class of the linked module."""
    path = REPOSITORY / "CONTRIBUTING.md"
    journeys = section(path, "## Three journeys")
    links = re.findall(r"\[([\w.]+)\]\((\S+\.py)\)", journeys)
    assert len(links) > 30
    for name, target in links:
        tree = ast.parse((REPOSITORY / target).read_text(encoding="utf-8"))
        kinds = ast.FunctionDef | ast.ClassDef
        assert name in {node.name for node in tree.body if isinstance(node, kinds)}, (name, target)


def test_cited_sections_of_semantics_exist() -> None:
    """Comments and docstrings cite sections of docs/semantics.md by number."""
    headings = re.findall(r"(?m)^## (\d+)\.", (DOCS / "semantics.md").read_text(encoding="utf-8"))
    for folder in ("anetdsl", "compiler", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            cited = re.findall(r"semantics (\d+(?:, \d+)*)", text)
            numbers = {number for group in cited for number in group.split(", ")}
            assert numbers <= set(headings), path


# errors.md


def test_errors_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_errors", DOCS / "make_errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert page == module.errors_page(), "run `make docs`"


def test_every_finding_has_a_section_with_an_example() -> None:
    """Two findings have no example because it would be too long."""
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    for code, entry in CODES.items():
        assert f"### {code}: {entry.title}\n" in text
        severity = "warning" if code in WARNINGS else "error"
        assert (f"\n{severity}[{code}]: " in text) == bool(entry.example)


# spec.md


SPEC = DOCS / "spec.md"
MINIMAL = """\
anet 1
network demo
input rgb channels=3
node s0 level=0 C=4 r=1 stride=4 inputs=[rgb]
node n1 level=1 C=4 r=1 stride=1 inputs=[s0@0.3, s0]
sink inputs=[n1] classes=3
"""
WITH_ATTRIBUTES = [statement for statement in STATEMENTS.values() if statement.attributes]


@pytest.mark.parametrize("statement", WITH_ATTRIBUTES, ids=lambda statement: statement.keyword)
def test_attribute_tables_match_the_vocabulary(statement: Statement) -> None:
    """Names, order, types, bounds, choices, required attributes, defaults, meaning and source."""
    table = rows(section(SPEC, f"### {statement.keyword}"))
    assert [row[0] for row in table] == [f"`{a.name}`" for a in statement.attributes]
    for attribute, row in zip(statement.attributes, table, strict=True):
        _, value, default, meaning, paper = row
        assert value == attribute.expected()
        assert meaning == attribute.meaning
        assert (default == "required") == attribute.required
        assert attribute.default == (default.strip("`") if default.startswith("`") else "")
        assert paper == attribute.paper


def defaults() -> Iterator[tuple[Statement, Attribute, str]]:
    for statement in WITH_ATTRIBUTES:
        for attribute, row in zip(
            statement.attributes, rows(section(SPEC, f"### {statement.keyword}")), strict=True
        ):
            if row[2].startswith("`"):
                yield statement, attribute, row[2].strip("`")


def test_a_documented_default_equals_a_missing_attribute() -> None:
    for statement, attribute, default in defaults():
        tree = parse_syntax(SourceFile("demo.anet", MINIMAL))
        value = re.findall(r"\d+", default) if default.startswith("[") else default
        written = apply(
            MINIMAL, set_attribute(tree, find(tree, statement.keyword), attribute.name, value)
        )
        assert written != MINIMAL
        assert anetdsl.parse(written) == anetdsl.parse(MINIMAL)


def test_every_default_is_documented() -> None:
    stated = {(statement.keyword, attribute.name) for statement, attribute, _ in defaults()}
    assert stated == {
        ("network", "blocks"),
        ("network", "D"),
        ("network", "edges"),
        ("network", "attention"),
        ("sink", "combine"),
        ("sink", "head"),
    }


def test_documented_rules_match_the_grammar() -> None:
    (rules,) = [block.text for block in blocks(SPEC) if block.language == "lark"]
    assert rules in grammar_text()


def test_documented_keywords_match_the_vocabulary() -> None:
    *others, last = (f"`{keyword}`" for keyword in STATEMENTS)
    text = " ".join(section(SPEC, "## Text and tokens").split())
    assert f"are {', '.join(others)} and {last}." in text


def test_every_code_is_in_a_table_of_checks() -> None:
    errors = set(re.findall(r"\(errors.md#(A\d+)\)", section(SPEC, "## Checks")))
    assert errors == CODES.keys() - WARNINGS
    table = rows(section(SPEC, "## Warnings, and how to allow them"))
    severities = {row[1][1:5]: row[2] for row in table}
    assert severities == {
        code: "error" if CODES[code].for_search else "warning" for code in sorted(WARNINGS)
    }


def test_documented_limits_match_the_vocabulary() -> None:
    limits = {row[0]: row[1] for row in rows(section(SPEC, "## Limits"))}
    assert f"{vocabulary.MAX_FILE_BYTES:,} bytes" in limits["Size of a file"]
    assert limits["Nodes of a network"] == f"{vocabulary.MAX_NODES:,}"


# cli.md


CLI = DOCS / "cli.md"
COMMANDS = main.list_commands(click.Context(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_exactly_the_options_of_a_command_are_documented(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    text = section(CLI, f"## anetc {name}")
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    options = {
        option
        for part in (command, *inner)
        for parameter in part.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert options == {option for option in options if re.search(rf"`{option}\b", text)}
    table = rows(text) if "| Option |" in text else []
    assert options >= {word for row in table for word in re.findall(r"(?<!\w)--?\w[\w-]*", row[0])}


def test_the_overview_lists_all_commands() -> None:
    listed = [re.findall(r"anetc (\w+)", row[0])[0] for row in rows(prose(CLI))]
    assert listed == COMMANDS


# Schemas of JSON outputs


def validate(name: str, document: object) -> None:
    schema = json.loads(SCHEMAS[name].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def test_findings_as_json_follow_their_schema() -> None:
    """The examples of all codes together use every field."""
    pairs = []
    for code, entry in CODES.items():
        text = entry.example.encode("utf-8", "replace").decode()
        pairs.append((SourceFile(f"{code}.anet", text), anetdsl.check(text)))
    document = report(pairs)
    validate("check", document)
    fields = json.dumps(document)
    assert all(f'"{field}"' in fields for field in ("relatedInformation", "help", "fixes"))


def test_costs_as_json_follow_their_schema(examples: list[Path]) -> None:
    for path in examples:
        validate("stats", cost(anetdsl.load(path)).to_json())


def test_networks_as_json_follow_their_schema(examples: list[Path]) -> None:
    for path in examples:
        validate("dump", to_json(anetdsl.load(path)))
    notes = 'origin parent="g1" candidate=2 seed=3 ops=["r"]\nscore top1=1 top5=2 mAP=3 wAP=4 '
    validate("dump", to_json(anetdsl.parse(f"{MINIMAL}{notes}loss=5 fitness=6")))


def test_bounds_in_the_schema_of_networks_match_the_vocabulary() -> None:
    schema: dict[str, Any] = json.loads(SCHEMAS["dump"].read_text(encoding="utf-8"))
    top = schema["properties"]
    places = {
        "network": top,
        "input": top["inputs"]["items"]["properties"],
        "node": top["nodes"]["items"]["properties"],
        "sink": top["sink"]["properties"],
        "origin": top["origin"]["properties"],
        "score": top["score"]["properties"],
    }
    for keyword, properties in places.items():
        for attribute in STATEMENTS[keyword].attributes:
            found = properties[attribute.name]
            match attribute.type:
                case "int":
                    assert (found["minimum"], found["maximum"]) == (attribute.low, attribute.high)
                case "ints":
                    item = found["items"]
                    assert (item["minimum"], item["maximum"]) == (attribute.low, attribute.high)
                case "filters":
                    one, three = found["anyOf"]
                    for item in (one, three["items"]):
                        bounds = (item["minimum"], item["maximum"])
                        assert bounds == (attribute.low, attribute.high)
                    assert three["minItems"] == three["maxItems"] == attribute.length
                case "choice":
                    assert tuple(found["enum"]) == attribute.choices
    assert top["nodes"]["maxItems"] == vocabulary.MAX_NODES


# python.md, semantics.md


def test_every_public_name_is_documented() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    for name in [*anetdsl.__all__, *anetc.__all__]:
        assert re.search(rf"\b{name}\b", text), name


def test_documented_parameter_names_match_a_built_network() -> None:
    """Every parameter of a network has a row in the table, and every row occurs."""
    table = rows(section(DOCS / "semantics.md", "## 9. Parameters and weights files"))
    found = set()
    for example in ("small_assemblenet", "small_assemblenet_plus", "small_assemblenet_plus_lite"):
        network = anetdsl.load(REPOSITORY / "examples" / f"{example}.anet")
        names = [name for name, _ in anetc.build_network(network).named_parameters()]
        found |= {_layer(name) for name in names if "_bn." not in name}
    documented = {_layer(row[0].strip("`")) for row in table}
    assert found - {"sink.conv2.weight"} == documented


def _layer(name: str) -> str:
    """Return the name of a parameter without the parts that differ from node to node."""
    name = re.sub(r"(peers|scales)\.\w+\.", r"\1.", name)
    return re.sub(r"nodes\.\w+\.(m\d+\.)?|\d+to\d+", "", name)
