"""Convert answers to values of the protocol."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lsprotocol import types

from anetdsl.diagnostics import Diagnostic
from anetdsl.language_server.analysis import Analysis
from anetdsl.language_server.annotations import HeadLine, InlineHint
from anetdsl.language_server.completion import Completion
from anetdsl.language_server.hover_text import HoverText
from anetdsl.language_server.outline import FoldingPart, OutlineSymbol
from anetdsl.language_server.quick_fixes import QuickFix
from anetdsl.language_server.text_positions import offset_at, span_at
from anetdsl.rendering.lsp import diagnostic_json, range_json
from anetdsl.source import Edit, SourceFile, Span

_COMPLETION_KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "attribute": types.CompletionItemKind.Property,
    "node": types.CompletionItemKind.Function,
    "input": types.CompletionItemKind.Variable,
    "value": types.CompletionItemKind.Value,
    "code": types.CompletionItemKind.Constant,
}
_SYMBOL_KINDS = {
    "network": types.SymbolKind.Module,
    "input": types.SymbolKind.Variable,
    "node": types.SymbolKind.Function,
    "sink": types.SymbolKind.Interface,
}
_UNUSED = ("A601", "A606")


def offset_of(analysis: Analysis, position: types.Position) -> int:
    """Return the offset of a position."""
    return offset_at(analysis.source, position.line, position.character)


def span_of(source: SourceFile, place: types.Range) -> Span:
    """Return the span of a range."""
    start, end = place.start, place.end
    return span_at(source, (start.line, start.character), (end.line, end.character))


def to_range(source: SourceFile, span: Span) -> types.Range:
    """Return a span as a range."""
    found = range_json(source, span)
    return types.Range(types.Position(**found["start"]), types.Position(**found["end"]))


def to_position(source: SourceFile, offset: int) -> types.Position:
    """Return an offset as a position."""
    return to_range(source, Span(offset, offset)).start


def to_edits(source: SourceFile, edits: Iterable[Edit]) -> list[types.TextEdit]:
    """Return edits of a text."""
    return [types.TextEdit(to_range(source, edit.span), edit.text) for edit in edits]


def workspace_edit(uri: str, source: SourceFile, edits: Iterable[Edit]) -> types.WorkspaceEdit:
    """Return edits of one document."""
    return types.WorkspaceEdit(changes={uri: to_edits(source, edits)})


def errors_page() -> Path | None:
    """Return the path of docs/errors.md in the package or in the checkout, or None."""
    package = Path(__file__).resolve().parent.parent
    pages = (package / "docs" / "errors.md", package.parent / "docs" / "errors.md")
    return next((page for page in pages if page.is_file()), None)


def to_diagnostic(
    uri: str, source: SourceFile, diagnostic: Diagnostic, page: str | None
) -> types.Diagnostic:
    """Return a finding. `page` is the URI of docs/errors.md, to which its code links."""
    found: dict[str, Any] = diagnostic_json(source, diagnostic)
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(uri, to_range(source, label.span)), label.text
        )
        for label in diagnostic.labels
    ]
    message = f"{diagnostic.message}\n{diagnostic.help}" if diagnostic.help else diagnostic.message
    return types.Diagnostic(
        range=to_range(source, diagnostic.span),
        message=message,
        severity=types.DiagnosticSeverity(found["severity"]),
        code=found["code"],
        code_description=None if page is None else types.CodeDescription(f"{page}#{found['code']}"),
        source=found["source"],
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code in _UNUSED else None,
        related_information=related or None,
        data=found.get("data"),
    )


def to_code_action(
    uri: str, source: SourceFile, fix: QuickFix, page: str | None
) -> types.CodeAction:
    """Return a change that corrects a finding."""
    return types.CodeAction(
        title=fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[to_diagnostic(uri, source, fix.finding, page)],
        is_preferred=fix.is_preferred or None,
        edit=workspace_edit(uri, source, fix.edits),
    )


def to_hover(source: SourceFile, found: HoverText | None) -> types.Hover | None:
    """Return the text about a word."""
    if found is None:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
    return types.Hover(content, to_range(source, found.span))


def to_completion(
    source: SourceFile, completion: Completion, rank: int, *, snippets: bool
) -> types.CompletionItem:
    """Return a word that is valid at a place. `rank` is its place in the list."""
    is_snippet = bool(snippets and completion.snippet)
    documentation = None
    if completion.documentation:
        documentation = types.MarkupContent(types.MarkupKind.Markdown, completion.documentation)
    return types.CompletionItem(
        label=completion.label,
        kind=_COMPLETION_KINDS[completion.kind],
        detail=completion.detail or None,
        documentation=documentation,
        sort_text=f"{rank:05}",
        insert_text_format=types.InsertTextFormat.Snippet
        if is_snippet
        else types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(
            to_range(source, completion.span),
            completion.snippet if is_snippet else completion.text,
        ),
    )


def to_symbol(source: SourceFile, symbol: OutlineSymbol) -> types.DocumentSymbol:
    """Return an entry of the outline."""
    return types.DocumentSymbol(
        name=symbol.name,
        detail=symbol.detail or None,
        kind=_SYMBOL_KINDS.get(symbol.keyword, types.SymbolKind.Object),
        range=to_range(source, symbol.span),
        selection_range=to_range(source, symbol.name_span),
    )


def to_folding_range(part: FoldingPart) -> types.FoldingRange:
    """Return lines that can be folded."""
    return types.FoldingRange(part.first, part.last, kind=types.FoldingRangeKind(part.kind))


def to_inlay_hint(source: SourceFile, hint: InlineHint) -> types.InlayHint:
    """Return a text after a node."""
    return types.InlayHint(
        position=to_position(source, hint.offset),
        label=hint.label,
        tooltip=hint.tooltip,
        padding_left=True,
    )


def to_code_lens(source: SourceFile, line: HeadLine) -> types.CodeLens:
    """Return a line above the network."""
    command = types.Command(title=line.text, command="")
    return types.CodeLens(to_range(source, line.span), command)
