"""Findings as JSON in the shape of the Language Server Protocol."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from anetdsl.codes import CODES
from anetdsl.diagnostics import Diagnostic, Fix, Label
from anetdsl.rendering.lsp import report
from anetdsl.source import Edit, SourceFile, Span
from tests.mistakes import example_of, findings_in

_POSITION = {
    "type": "object",
    "properties": {"line": {"type": "integer"}, "character": {"type": "integer"}},
    "required": ["line", "character"],
    "additionalProperties": False,
}
_RANGE = {
    "type": "object",
    "properties": {"start": _POSITION, "end": _POSITION},
    "required": ["start", "end"],
    "additionalProperties": False,
}
LSP_DIAGNOSTIC = {
    "type": "object",
    "properties": {
        "range": _RANGE,
        "severity": {"enum": [1, 2, 3, 4]},
        "code": {"type": ["integer", "string"]},
        "codeDescription": {"type": "object"},
        "source": {"type": "string"},
        "message": {"type": "string", "minLength": 1},
        "tags": {"type": "array"},
        "relatedInformation": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {
                        "type": "object",
                        "properties": {"uri": {"type": "string"}, "range": _RANGE},
                        "required": ["uri", "range"],
                        "additionalProperties": False,
                    },
                    "message": {"type": "string"},
                },
                "required": ["location", "message"],
                "additionalProperties": False,
            },
        },
        "data": {},
    },
    "required": ["range", "message"],
    "additionalProperties": False,
}
"""`Diagnostic` of the Language Server Protocol 3.17, transcribed from its specification."""


def offset_of(source: SourceFile, position: dict[str, int]) -> int:
    """Return the offset of an LSP position."""
    units = source.line_text(position["line"]).encode("utf-16-le", "surrogatepass")
    before = units[: 2 * position["character"]].decode("utf-16-le", "surrogatepass")
    return source.line_span(position["line"]).start + len(before)


def span_of(source: SourceFile, where: dict[str, dict[str, int]]) -> Span:
    return Span(offset_of(source, where["start"]), offset_of(source, where["end"]))


@pytest.mark.parametrize("code", CODES)
def test_json_has_the_shape_of_an_lsp_diagnostic(code: str) -> None:
    """Ranges and edits in the JSON are the places of the finding and its fix."""
    source, findings = findings_in(example_of(code))
    document = json.loads(json.dumps(report([(source, findings)])))
    assert document["schema_version"] == 1
    (file,) = document["files"]
    *_, found = file["diagnostics"]
    jsonschema.validate(found, LSP_DIAGNOSTIC)
    assert (found["code"], found["source"]) == (code, "anetc")
    finding = findings[-1]
    assert span_of(source, found["range"]) == finding.span
    data = found.get("data", {})
    assert data.get("help", "") == finding.help
    if finding.fix is not None:
        (fix,) = data["fixes"]
        edits = tuple(
            Edit(
                Span(*(offset_of(source, edit["range"][e]) for e in ("start", "end"))),
                edit["newText"],
            )
            for edit in fix["edits"]
        )
        assert edits == finding.fix.edits


def test_columns_are_counted_in_utf16_units() -> None:
    text = "# 😀\nanet 1 😀 # 😀é幅"
    source, (finding, *_) = findings_in(text)
    ranges = report([(source, [finding])])["files"][0]["diagnostics"][0]["range"]
    assert ranges == {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 9}}
    for offset in range(len(text) + 1):
        position = source.position(offset)
        line_start = source.line_span(position.line).start
        assert position.utf16 == len(text[line_start:offset].encode("utf-16-le")) // 2


def test_uris_of_unusual_names(tmp_path: Path) -> None:
    """Standard input has an `untitled:` URI; special characters are escaped."""
    odd = tmp_path / "a b#?\n\udcff.anet"
    documents = report([(SourceFile("<stdin>", ""), []), (SourceFile(str(odd), ""), [])])
    uris = [file["uri"] for file in documents["files"]]
    assert uris[0] == "untitled:stdin"
    assert uris[1] == tmp_path.as_uri() + "/a%20b%23%3F%0A%FF.anet"
    assert json.loads(json.dumps(documents)) == documents


def test_json_has_the_fix_and_the_labels() -> None:
    source = SourceFile("x.anet", "ab\ncd\n")
    fix = Fix("turn round", (Edit(Span(0, 1), "é"), Edit(Span(3, 5), "")))
    finding = Diagnostic("A101", "m", Span(3, 4), labels=(Label(Span(0, 2), "l"),), fix=fix)
    (found,) = report([(source, [finding])])["files"][0]["diagnostics"]
    jsonschema.validate(found, LSP_DIAGNOSTIC)
    related = found["relatedInformation"][0]
    assert (related["message"], related["location"]["range"]["end"]["character"]) == ("l", 2)
    assert [edit["newText"] for edit in found["data"]["fixes"][0]["edits"]] == ["é", ""]
