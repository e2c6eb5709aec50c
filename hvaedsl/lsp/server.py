"""The server: it wires the features to the protocol. What they say is in the files beside this one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Protocol

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from hvaedsl.catalog import KINDS
from hvaedsl.errors import CompilerBug, SpecError
from hvaedsl.fmt import format_source
from hvaedsl.lsp.actions import ACTION_KINDS, code_actions
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.bridge_view import BridgeView, bridge_view
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.desk import Desk
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.occurrences import occurrence_at, occurrences
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.symbols import document_symbols, folding_ranges
from hvaedsl.lsp.tokens import LEGEND, semantic_tokens
from hvaedsl.report.explain import explanation

BRIDGE = "hvaedsl.bridge"
EXPLAIN = "hvaedsl.explain"
_PAUSE_SECONDS = 0.05  # without a change, before a text is compiled for its diagnostics
_TRIGGERS = [" ", ",", "=", "@", "$", '"', "(", "[", "{"]


class _AtPlace(Protocol):
    """The parameters of a request about a place."""

    @property
    def text_document(self) -> lsp.TextDocumentIdentifier: ...

    @property
    def position(self) -> lsp.Position: ...


class Server(LanguageServer):
    """The language server with its desk. Whole texts are sent: specs are short, and nothing can get out of step."""

    def __init__(self, version: str) -> None:
        super().__init__("hvaedsl", version, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.desk = Desk()
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    def changed(self, uri: str, text: str) -> None:
        """Take a text over, and publish what is found in it when the typing pauses."""
        self.desk.put(uri, text)
        self.later(uri)

    def later(self, uri: str) -> None:
        """Publish after a pause; a change in between begins the pause anew."""
        if uri in self._waiting:
            self._waiting.pop(uri).cancel()
        self._waiting[uri] = asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._publish_all, uri)

    def closed(self, uri: str) -> None:
        """Take the diagnostics of a text away; texts that extend it have its file as their base again."""
        affected = self.desk.dependants(uri)
        if uri in self._waiting:
            self._waiting.pop(uri).cancel()
        self.desk.close(uri)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        for other in affected:
            self.later(other)

    def _publish_all(self, uri: str) -> None:
        self._waiting.pop(uri, None)
        for changed in (uri, *self.desk.dependants(uri)):
            self._publish(changed)

    def _publish(self, uri: str) -> None:
        found = self.desk.analysed(uri)
        if found is None:
            return
        version = self.workspace.get_text_document(uri).version
        diagnostics = published(found, self.desk.uri_of)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics, version))

    def at(self, params: _AtPlace) -> tuple[Analysed, int] | None:
        """The analysis of the text that a request is about, and the offset."""
        found = self.desk.analysed(params.text_document.uri)
        return None if found is None else (found, found.lines.offset(params.position))


def make_server(version: str) -> Server:
    """A server with every feature, not started yet."""
    server = Server(version)
    _follow_texts(server)
    _at_a_place(server)
    _of_a_text(server)
    _renaming(server)
    return server


def serve(version: str) -> None:
    """Speak the protocol on standard input and output until the client ends it.

    Whatever else is printed, by a library too, goes to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input, which Ctrl-C would not end
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    make_server(version).start_io(sys.stdin.buffer, protocol)


def _follow_texts(server: Server) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(_: lsp.InitializeParams) -> None:
        server.desk.encoding = lsp.PositionEncodingKind(server.workspace.position_encoding)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        server.changed(params.text_document.uri, params.text_document.text)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.changed(uri, server.workspace.get_text_document(uri).source)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def did_save(_: lsp.DidSaveTextDocumentParams) -> None:
        files_changed()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(_: lsp.DidChangeWatchedFilesParams) -> None:
        files_changed()

    def files_changed() -> None:
        """Any open text may extend what has changed on disk."""
        server.desk.forget()
        for uri in server.desk.texts:
            server.later(uri)


def _at_a_place(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def on_hover(params: lsp.HoverParams) -> lsp.Hover | None:
        place = server.at(params)
        return hover(*place) if place is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=_TRIGGERS))
    def on_completion(params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        place = server.at(params)
        return complete(*place, _completion_client(server)) if place is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def on_definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        place = server.at(params)
        return definition(*place, server.desk.uri_of) if place is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def on_highlight(params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
        place = server.at(params)
        if place is None:
            return []
        found, offset = place
        here = occurrence_at(found.words, offset)
        places = [item for item in occurrences(found.words) if here is not None and item.name == here.name]
        return [lsp.DocumentHighlight(found.lines.range(item.start, item.end)) for item in places]


def _of_a_text(server: Server) -> None:
    desk = server.desk

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def on_symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        found = desk.analysed(params.text_document.uri)
        return document_symbols(found) if found is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    def on_folding(params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        found = desk.analysed(params.text_document.uri)
        return folding_ranges(found) if found is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    def on_tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        found = desk.analysed(params.text_document.uri)
        return semantic_tokens(found) if found is not None else lsp.SemanticTokens([])

    @server.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
    def on_hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        found = desk.analysed(params.text_document.uri)
        if found is None:
            return []
        return inlay_hints(found, found.lines.offset(params.range.start), found.lines.offset(params.range.end))

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=list(ACTION_KINDS)))
    def on_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri = params.text_document.uri
        found = desk.analysed(uri)
        if found is None:
            return []
        start, end = found.lines.offset(params.range.start), found.lines.offset(params.range.end)
        return code_actions(found, start, end, uri, lambda item: shown(found, item, desk.uri_of), params.context.only)

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        """The whole text anew; nothing where it does not parse, whose diagnostics say why."""
        found = desk.analysed(params.text_document.uri)
        if found is None:
            return None
        try:
            text = format_source(found.source)
        except SpecError:
            return None
        except CompilerBug as bug:
            server.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, f"a bug in hvaedsl: {bug}"))
            return None
        return [] if text == found.text else [lsp.TextEdit(found.lines.range(0, len(found.text)), text)]

    @server.command(BRIDGE)
    def on_bridge(uri: str) -> BridgeView:
        found = desk.analysed(uri)
        if found is None:
            return BridgeView(name=uri, svg=None, current=False, message="there is no such text")
        return bridge_view(found)

    @server.command(EXPLAIN)
    def on_explain(code: str) -> str:
        kind = KINDS.get(code)
        if kind is None:
            raise JsonRpcInvalidParams(f"`{code}` is no code of hvaedsl")
        return explanation(kind)


def _renaming(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def on_prepare(params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder | None:
        place = server.at(params)
        return prepare_rename(*place) if place is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    def on_rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        place, desk = server.at(params), server.desk
        if place is None:
            return None
        chains = desk.chains(params.text_document.uri)
        try:
            edits = rename(*place, params.new_name, chains=chains, writable=desk.writable)
        except CannotRenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        own = place[0].source
        changes = {
            params.text_document.uri if source is own else desk.uri_of(source) or "": made
            for source, made in edits.items()
        }
        return lsp.WorkspaceEdit(changes)


def _completion_client(server: Server) -> CompletionClient:
    document = server.client_capabilities.text_document
    completion = document.completion if document is not None else None
    item = completion.completion_item if completion is not None else None
    if item is None:
        return CompletionClient()
    return CompletionClient(snippets=bool(item.snippet_support), label_details=bool(item.label_details_support))
