"""The documents that an editor has open, and the server that keeps them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Generator, Iterator
from typing import Any

import attrs
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from anetdsl.errors import CannotRun
from anetdsl.language_server import lsp_values as values
from anetdsl.language_server.analysis import Analysis, analyse
from anetdsl.language_server.client_settings import ClientSettings, read_client_settings
from anetdsl.source import SourceFile

_SLOW = 0.05
"""Seconds of an analysis from which on a change is checked only when typing pauses."""
_LONGEST_PAUSE = 0.3
"""Longest such pause. It is as long as the analysis, so that the server answers meanwhile."""

logger = logging.getLogger(__name__)


@attrs.define
class OpenDocument:
    """A document that an editor has open. It is analysed when an answer needs it."""

    uri: str
    version: int | None
    source: SourceFile
    last: Analysis
    """Analysis of the newest text that was analysed."""
    seconds: float = 0.0
    """Processor time that the last analysis took: on a busy machine, waiting would not help."""
    timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, uri: str, version: int | None, text: str, settings: ClientSettings) -> OpenDocument:
        """Return a document that was just opened."""
        source = SourceFile(uri, text)
        start = time.process_time()
        document = cls(uri, version, source, analyse(source, settings))
        document.seconds = time.process_time() - start
        return document

    def analysis(self, settings: ClientSettings) -> Analysis:
        """Return the analysis of the present text."""
        if self.last.source is not self.source or self.last.settings != settings:
            start = time.process_time()
            self.last = analyse(self.source, settings, self.last)
            self.seconds = time.process_time() - start
        return self.last


class AnetProtocol(LanguageServerProtocol):
    """The protocol, with positions in UTF-16 units and documents that the server keeps itself.

    The documents of pygls split lines at more characters than the protocol does (form feed, U+2028
    and others), so their positions would be wrong.
    """

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Choose UTF-16, which every client has."""
        if params.capabilities.general is not None:
            params.capabilities.general.position_encodings = None
        return (yield from super().lsp_initialize(params))

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Iterator[Any]:
        """Call the server's own handler only."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_OPEN], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> Iterator[Any]:
        """Call the server's own handler only."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(
        self, params: types.DidCloseTextDocumentParams
    ) -> Iterator[Any]:
        """Call the server's own handler only."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE], (params,), None


class AnetServer(LanguageServer):
    """The server and its open documents."""

    def __init__(self, version: str) -> None:
        super().__init__("anetc", version, protocol_cls=AnetProtocol)
        self.documents: dict[str, OpenDocument] = {}
        self.settings = ClientSettings()
        self.was_shut_down = False
        page = values.errors_page()
        self.page = None if page is None else page.as_uri()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log an error. Messages in the editor would interrupt whoever is typing."""
        logger.error("%s: %s", getattr(source, "__name__", source), error)

    def analysis_of(self, uri: str) -> Analysis | None:
        """Return the analysis of an open document; None for all others."""
        document = self.documents.get(uri)
        return None if document is None else document.analysis(self.settings)

    def publish(self, document: OpenDocument) -> None:
        """Send the findings of a document."""
        document.timer = None
        if self.documents.get(document.uri) is not document:
            return  # It was closed meanwhile.
        analysis = document.analysis(self.settings)
        found = [
            values.to_diagnostic(document.uri, analysis.source, diagnostic, self.page)
            for diagnostic in analysis.diagnostics
        ]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, found, document.version)
        )

    def publish_soon(self, document: OpenDocument) -> None:
        """Send the findings after the changes that have arrived already.

        For a text that takes long, send them when typing pauses.
        """
        if document.timer is not None:
            document.timer.cancel()
        pause = 0.0 if document.seconds < _SLOW else min(document.seconds, _LONGEST_PAUSE)
        document.timer = asyncio.get_running_loop().call_later(pause, self.publish, document)

    def use_settings(self, given: Any) -> None:
        """Use settings of the editor. Show a message if they cannot be used."""
        try:
            self.settings = read_client_settings(given)
        except CannotRun as error:
            message = types.ShowMessageParams(types.MessageType.Warning, str(error))
            self.window_show_message(message)
            return
        for document in self.documents.values():
            self.publish(document)
