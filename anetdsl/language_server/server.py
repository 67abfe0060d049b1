"""The language server: it answers by functions of the analyses of open documents."""

from __future__ import annotations

import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from anetdsl.errors import CannotRun
from anetdsl.language_server import lsp_values as values
from anetdsl.language_server.annotations import head_line, inline_hints
from anetdsl.language_server.client_settings import read_client_settings
from anetdsl.language_server.completion import completions_at
from anetdsl.language_server.formatting_edits import format_edits, format_range
from anetdsl.language_server.hover_text import hover_at
from anetdsl.language_server.navigation import (
    definition_at,
    occurrences_at,
    renamable_at,
    rename_at,
)
from anetdsl.language_server.open_documents import AnetServer, OpenDocument
from anetdsl.language_server.outline import folding_parts, outline
from anetdsl.language_server.quick_fixes import quick_fixes
from anetdsl.language_server.text_positions import changed
from anetdsl.source import SourceFile

SECTION = "anet"
"""Name of the settings in an editor."""

logger = logging.getLogger(__name__)


def make_server(version: str) -> AnetServer:
    """Return a server with all of its features."""
    server = AnetServer(version)
    _add_documents(server)
    _add_reading(server)
    _add_changes(server)
    return server


def _add_documents(server: AnetServer) -> None:
    """Add the handlers of documents and settings."""

    @server.feature(types.INITIALIZE)
    def _initialize(params: types.InitializeParams) -> None:
        options = params.initialization_options
        if options is not None:
            try:
                server.settings = read_client_settings(options)
            except CannotRun as error:
                logger.warning("%s", error)

    @server.feature(types.SHUTDOWN)
    def _shut_down(params: None) -> None:  # noqa: ARG001
        server.was_shut_down = True

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _open(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        document = OpenDocument.of(item.uri, item.version, item.text, server.settings)
        server.documents[item.uri] = document
        server.publish(document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def _change(params: types.DidChangeTextDocumentParams) -> None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return
        for change in params.content_changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                span = values.span_of(document.source, change.range)
                document.source = changed(document.source, span, change.text)
            else:
                document.source = SourceFile(document.uri, change.text)
        document.version = params.text_document.version
        server.publish_soon(document)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _close(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        if server.documents.pop(uri, None) is not None:
            server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def _configure(params: types.DidChangeConfigurationParams) -> None:
        given = _plain(params.settings)
        if isinstance(given, dict):
            given = given.get(SECTION, given)
        capabilities = server.client_capabilities.workspace
        if not given and capabilities is not None and capabilities.configuration:
            item = types.ConfigurationItem(section=SECTION)
            found = await server.workspace_configuration_async(types.ConfigurationParams([item]))
            given = _plain(found[0]) if found else None
        if given:  # Otherwise the settings stay those of the initialization.
            server.use_settings(given)


def _plain(given: Any) -> Any:
    """Return settings as dictionaries and lists: pygls makes named tuples of some objects."""
    if hasattr(given, "_asdict"):
        given = given._asdict()
    if isinstance(given, dict):
        return {key: _plain(value) for key, value in given.items()}
    return [_plain(value) for value in given] if isinstance(given, list) else given


def _add_reading(server: AnetServer) -> None:
    """Add the features that change nothing."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _hover(params: types.HoverParams) -> types.Hover | None:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return None
        found = hover_at(analysis, values.offset_of(analysis, params.position))
        return values.to_hover(analysis.source, found)

    triggers = types.CompletionOptions(trigger_characters=["=", "[", ",", " "])

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, triggers)
    def _complete(params: types.CompletionParams) -> list[types.CompletionItem]:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return []
        found = completions_at(analysis, values.offset_of(analysis, params.position))
        snippets = _has_snippets(server.client_capabilities)
        return [
            values.to_completion(analysis.source, completion, rank, snippets=snippets)
            for rank, completion in enumerate(found)
        ]

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _definition(params: types.DefinitionParams) -> types.Location | None:
        uri = params.text_document.uri
        analysis = server.analysis_of(uri)
        if analysis is None:
            return None
        span = definition_at(analysis, values.offset_of(analysis, params.position))
        return None if span is None else types.Location(uri, values.to_range(analysis.source, span))

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def _references(params: types.ReferenceParams) -> list[types.Location]:
        uri = params.text_document.uri
        analysis = server.analysis_of(uri)
        if analysis is None:
            return []
        found = occurrences_at(analysis, values.offset_of(analysis, params.position))
        return [
            types.Location(uri, values.to_range(analysis.source, occurrence.span))
            for occurrence in found
            if params.context.include_declaration or not occurrence.is_definition
        ]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def _highlight(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return []
        kinds = (types.DocumentHighlightKind.Read, types.DocumentHighlightKind.Write)
        return [
            types.DocumentHighlight(
                values.to_range(analysis.source, occurrence.span), kinds[occurrence.is_definition]
            )
            for occurrence in occurrences_at(analysis, values.offset_of(analysis, params.position))
        ]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return []
        return [values.to_symbol(analysis.source, symbol) for symbol in outline(analysis)]

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    def _folding(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        analysis = server.analysis_of(params.text_document.uri)
        return [] if analysis is None else [*map(values.to_folding_range, folding_parts(analysis))]

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    def _hints(params: types.InlayHintParams) -> list[types.InlayHint]:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return []
        span = values.span_of(analysis.source, params.range)
        return [values.to_inlay_hint(analysis.source, h) for h in inline_hints(analysis, span)]

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    def _lens(params: types.CodeLensParams) -> list[types.CodeLens]:
        analysis = server.analysis_of(params.text_document.uri)
        line = None if analysis is None else head_line(analysis)
        if analysis is None or line is None:
            return []
        return [values.to_code_lens(analysis.source, line)]


def _has_snippets(capabilities: types.ClientCapabilities) -> bool:
    document = capabilities.text_document
    completion = document.completion if document is not None else None
    item = completion.completion_item if completion is not None else None
    return bool(item is not None and item.snippet_support)


def _add_changes(server: AnetServer) -> None:
    """Add the features that change a text."""
    kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)
    def _actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri, only = params.text_document.uri, params.context.only
        analysis = server.analysis_of(uri)
        wanted = only is None or any(kind in ("", types.CodeActionKind.QuickFix) for kind in only)
        if analysis is None or not wanted:
            return []
        span = values.span_of(analysis.source, params.range)
        return [
            values.to_code_action(uri, analysis.source, fix, server.page)
            for fix in quick_fixes(analysis, span)
        ]

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def _rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        uri = params.text_document.uri
        analysis = server.analysis_of(uri)
        if analysis is None:
            return None
        offset = values.offset_of(analysis, params.position)
        try:
            edits = rename_at(analysis, offset, params.new_name)
        except ValueError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        return values.workspace_edit(uri, analysis.source, edits)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def _prepare(params: types.PrepareRenameParams) -> types.Range | None:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return None
        span = renamable_at(analysis, values.offset_of(analysis, params.position))
        return None if span is None else values.to_range(analysis.source, span)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def _format(params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return None
        return values.to_edits(analysis.source, format_edits(analysis))

    @server.feature(types.TEXT_DOCUMENT_RANGE_FORMATTING)
    def _format_range(params: types.DocumentRangeFormattingParams) -> list[types.TextEdit] | None:
        analysis = server.analysis_of(params.text_document.uri)
        if analysis is None:
            return None
        span = values.span_of(analysis.source, params.range)
        return values.to_edits(analysis.source, format_range(analysis, span))
