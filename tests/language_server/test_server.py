"""The language server as an editor uses it: a process that speaks the protocol on its pipes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from anetdsl.api import format_text
from tests.documents import REPOSITORY
from tests.mistakes import GOOD

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

URI = "file:///somewhere/a%20b.anet"
WAIT = 60
SERVER = (sys.executable, "-m", "anetc", "lsp")
PATH = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "compiler")])
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATH}
DOCUMENT = types.TextDocumentIdentifier(URI)


class Editor:
    """A client with one document."""

    def __init__(self) -> None:
        self.client = LanguageClient("editor", "1")
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: list[str] = []
        self.version = 0

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _published(params: types.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params)

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def _message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

    async def start(self, options: object = None) -> types.InitializeResult:
        await self.client.start_io(*SERVER, env=ENVIRONMENT)
        item = types.ClientCompletionItemOptions(snippet_support=True)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=["utf-8", "utf-16"]),
            text_document=types.TextDocumentClientCapabilities(
                completion=types.CompletionClientCapabilities(completion_item=item)
            ),
        )
        result = await self.client.initialize_async(
            types.InitializeParams(capabilities, initialization_options=options)
        )
        self.client.initialized(types.InitializedParams())
        return result

    async def findings(self) -> types.PublishDiagnosticsParams:
        """Return the next findings that the server sends."""
        return await asyncio.wait_for(self.published.get(), WAIT)

    async def open(self, text: str) -> types.PublishDiagnosticsParams:
        item = types.TextDocumentItem(URI, "anet", self.version, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.findings()

    async def change(self, *changes: Any) -> types.PublishDiagnosticsParams:
        self.version += 1
        document = types.VersionedTextDocumentIdentifier(self.version, URI)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, changes))
        return await self.findings()

    async def stop(self) -> int | None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        process = self.client._server
        assert process is not None
        code = await asyncio.wait_for(process.wait(), WAIT)
        await self.client.stop()
        return code


def place(text: str, word: str) -> types.Position:
    """Return the position of a word."""
    before = text[: text.index(word)]
    line = before.count("\n")
    return types.Position(line, len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)


def around(start: types.Position, units: int = 0) -> types.Range:
    return types.Range(start, types.Position(start.line, start.character + units))


def session(work: Callable[[Editor], Awaitable[None]], options: object = None) -> None:
    """Run a session with a server, which ends with exit code 0."""

    async def run() -> None:
        editor = Editor()
        result = await editor.start(options)
        assert result.capabilities.position_encoding == "utf-16"
        await work(editor)
        assert await editor.stop() == 0

    asyncio.run(run())


def test_findings_follow_the_text() -> None:
    """Changes are in UTF-16 units; a finding has its code, places, help, link and fix."""
    text = "# 😀\u2028\f\n" + GOOD.replace("stride=4", "strid=4")

    async def work(editor: Editor) -> None:
        found = await editor.open(text)
        (finding,) = found.diagnostics
        assert (found.uri, found.version, finding.code) == (URI, 0, "A401")
        assert finding.range == around(place(text, "strid=4"), 5)
        assert finding.message.endswith("did you mean `stride`?")
        assert finding.code_description is not None
        link = urlparse(finding.code_description.href)
        page = Path(url2pathname(link.path)).read_text(encoding="utf-8")
        assert f'<a id="{link.fragment}"></a>' in page
        actions = await editor.client.text_document_code_action_async(
            types.CodeActionParams(DOCUMENT, finding.range, types.CodeActionContext([finding]))
        )
        assert actions is not None
        (action,) = actions
        assert isinstance(action, types.CodeAction)
        assert action.edit is not None
        assert action.edit.changes is not None
        ((edit,),) = action.edit.changes.values()
        part = types.TextDocumentContentChangePartial
        assert not (await editor.change(part(text=edit.new_text, range=edit.range))).diagnostics
        # Behind an emoji on the line: two units.
        end = types.Position(0, 4)
        found = await editor.change(part(text="\nnode é", range=types.Range(end, end)))
        signs = [d.range for d in found.diagnostics if d.code == "A101"]
        assert signs == [around(types.Position(1, 5), 1)], "U+2028 is white space"
        assert found.version == 2
        twice = GOOD.replace("node a2", "node a1")
        found = await editor.change(types.TextDocumentContentChangeWholeDocument(twice))
        related = found.diagnostics[0].related_information
        assert related is not None
        assert related[0].location == types.Location(URI, around(place(twice, "a1 "), 2))
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(DOCUMENT))
        assert (await editor.findings()).diagnostics == ()

    session(work)


def test_answers() -> None:
    """Each kind of question gets an answer of the right form."""

    async def work(editor: Editor) -> None:
        client = editor.client
        await editor.open(GOOD)
        here = place(GOOD, "a2 ")
        hover = await client.text_document_hover_async(types.HoverParams(DOCUMENT, here))
        assert isinstance(hover.contents, types.MarkupContent)
        assert "x 16 x 8 x 8 (C x T x H x W)" in hover.contents.value
        places = await client.text_document_references_async(
            types.ReferenceParams(types.ReferenceContext(False), DOCUMENT, here)
        )
        assert list(places) == [types.Location(URI, around(place(GOOD, "a2]"), 2))]
        target = await client.text_document_definition_async(
            types.DefinitionParams(DOCUMENT, place(GOOD, "a2]"))
        )
        assert target == types.Location(URI, around(here, 2))
        marked = await client.text_document_document_highlight_async(
            types.DocumentHighlightParams(DOCUMENT, here)
        )
        assert len(marked) == 2
        words = await client.text_document_completion_async(
            types.CompletionParams(DOCUMENT, place(GOOD, "a2]"))
        )
        assert [word.label for word in words] == ["a2", "a1", "s0"]
        renamed = await client.text_document_rename_async(types.RenameParams(DOCUMENT, here, "x"))
        assert len(renamed.changes[URI]) == 2
        with pytest.raises(JsonRpcException, match="`a1` is already used"):
            await client.text_document_rename_async(types.RenameParams(DOCUMENT, here, "a1"))
        named = await client.text_document_prepare_rename_async(
            types.PrepareRenameParams(DOCUMENT, here)
        )
        assert named == around(here, 2)
        symbols = await client.text_document_document_symbol_async(
            types.DocumentSymbolParams(DOCUMENT)
        )
        assert [s.name for s in symbols] == ["demo", "rgb", "s0", "a1", "a2", "a3", "a4", "sink"]
        whole = types.Range(types.Position(0, 0), types.Position(99, 0))
        hints = await client.text_document_inlay_hint_async(types.InlayHintParams(DOCUMENT, whole))
        assert [hint.position.line for hint in hints] == [3, 4, 5, 6, 7]
        (lens,) = await client.text_document_code_lens_async(types.CodeLensParams(DOCUMENT))
        assert "parameters" in lens.command.title
        assert await client.text_document_folding_range_async(
            types.FoldingRangeParams(DOCUMENT)
        ) in (None, ())
        layout = types.FormattingOptions(4, True)
        edits = await client.text_document_formatting_async(
            types.DocumentFormattingParams(DOCUMENT, layout)
        )
        lines = GOOD.splitlines(keepends=True)
        for edit in reversed(edits):
            start, end = edit.range.start.line, edit.range.end.line
            lines[start:end] = edit.new_text.splitlines(keepends=True)
        assert "".join(lines) == format_text(GOOD)
        edits = await client.text_document_range_formatting_async(
            types.DocumentRangeFormattingParams(DOCUMENT, around(here), layout)
        )
        assert {edit.range.start.line for edit in edits} == {here.line}

    session(work, {"frames": 16, "size": "64"})


def test_settings_can_change() -> None:
    narrow = GOOD.replace("C=256", "C=64")

    async def work(editor: Editor) -> None:
        client = editor.client
        assert [d.code for d in (await editor.open(narrow)).diagnostics] == ["A602"]
        for given, codes in (
            ({"anet": {"allow": ["A602"], "server": {"path": "anetc"}}}, []),
            ({"anet": {"frames": 8}}, ["A602"]),
        ):
            client.workspace_did_change_configuration(types.DidChangeConfigurationParams(given))
            assert [d.code for d in (await editor.findings()).diagnostics] == codes
        for nothing in (None, {}, {"anet": []}, {"anet": None}):
            client.workspace_did_change_configuration(types.DidChangeConfigurationParams(nothing))
        (lens,) = await client.text_document_code_lens_async(types.CodeLensParams(DOCUMENT))
        assert "(8 frames" in lens.command.title
        wrong = types.DidChangeConfigurationParams({"anet": {"frame": 8}})
        client.workspace_did_change_configuration(wrong)
        await client.text_document_code_lens_async(types.CodeLensParams(DOCUMENT))
        assert editor.messages == [
            "settings of anet: there is no setting `frame`; did you mean `frames`?"
        ]

    session(work)


def test_unknown_documents_and_places_are_no_problem() -> None:
    async def work(editor: Editor) -> None:
        client = editor.client
        other = types.TextDocumentIdentifier("untitled:x")
        nowhere = types.Position(7, 7)
        assert await client.text_document_hover_async(types.HoverParams(other, nowhere)) is None
        assert not await client.text_document_completion_async(
            types.CompletionParams(other, nowhere)
        )
        document = types.VersionedTextDocumentIdentifier(1, "untitled:x")
        change = types.TextDocumentContentChangeWholeDocument("x")
        client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        client.text_document_did_close(types.DidCloseTextDocumentParams(other))
        await editor.open("\ud800 \0")
        far = types.Position(2**31 - 1, 2**31 - 1)
        assert await client.text_document_hover_async(types.HoverParams(DOCUMENT, far)) is None
        part = types.TextDocumentContentChangePartial(types.Range(far, nowhere), GOOD)
        await editor.change(part)
        found = await editor.change(types.TextDocumentContentChangeWholeDocument(GOOD))
        assert found.diagnostics == ()
        assert editor.messages == []

    session(work)


def test_the_server_ends_when_its_input_ends() -> None:
    """An editor that died closes the pipe; nothing but the protocol is on standard output."""
    done = subprocess.run(
        SERVER, env=ENVIRONMENT, input=b"", capture_output=True, check=False, timeout=WAIT
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_a_missing_package_is_explained() -> None:
    """The rest of anetc works without the extra `editor`."""
    code = "import sys; sys.modules['pygls'] = sys.modules['lsprotocol'] = None; import runpy; "
    code += "sys.argv[1:] = ['lsp']; runpy.run_module('anetc', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT,
    )
    assert done.returncode == 2
    assert "pip install 'anetdsl[editor]'" in done.stderr
