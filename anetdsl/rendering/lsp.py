"""Convert diagnostics to JSON in the shape of the Language Server Protocol (3.17, `Diagnostic`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anetdsl.diagnostics import Diagnostic
from anetdsl.source import SourceFile, Span

SCHEMA = "anetdsl-findings"
SCHEMA_VERSION = 1


def report(files: Iterable[tuple[SourceFile, Iterable[Diagnostic]]]) -> dict[str, Any]:
    """Return the findings of several files as the document of `anetc check --format json`.

    Each file has `uri` and `diagnostics` as in `textDocument/publishDiagnostics`. Positions are
    counted from 0, in UTF-16 units. `data` has `help`, and `fixes` with their text edits.
    """
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "files": [
            {
                "path": source.name,
                "uri": uri(source),
                "diagnostics": [diagnostic_json(source, d) for d in diagnostics],
            }
            for source, diagnostics in files
        ],
    }


def uri(source: SourceFile) -> str:
    """Return the URI of a source; `untitled:` if it is not a file."""
    if source.name.startswith("<"):
        return f"untitled:{source.name.strip('<>')}"
    return Path(source.name).absolute().as_uri()


def diagnostic_json(source: SourceFile, diagnostic: Diagnostic) -> dict[str, Any]:
    """Return one diagnostic in the shape of the LSP."""
    result: dict[str, Any] = {
        "range": range_json(source, diagnostic.span),
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "source": "anetc",
        "message": diagnostic.message,
    }
    if diagnostic.labels:
        result["relatedInformation"] = [
            {
                "location": {"uri": uri(source), "range": range_json(source, label.span)},
                "message": label.text,
            }
            for label in diagnostic.labels
        ]
    data: dict[str, Any] = {}
    if diagnostic.help:
        data["help"] = diagnostic.help
    if diagnostic.fix is not None:
        edits = [
            {"range": range_json(source, edit.span), "newText": edit.text}
            for edit in diagnostic.fix.edits
        ]
        data["fixes"] = [{"title": diagnostic.fix.title, "edits": edits}]
    if data:
        result["data"] = data
    return result


def range_json(source: SourceFile, span: Span) -> dict[str, Any]:
    """Return a span as an LSP range."""
    return {"start": _position(source, span.start), "end": _position(source, span.end)}


def _position(source: SourceFile, offset: int) -> dict[str, int]:
    position = source.position(offset)
    return {"line": position.line, "character": position.utf16}
