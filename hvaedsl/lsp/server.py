"""The server: it wires the features to the protocol. What they say is in the files beside this one."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.fmt import format_source
from hvaedsl.lsp.actions import ACTION_KINDS, Here, code_actions
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.background import Background, in_thread
from hvaedsl.lsp.bridge_view import BridgeView, bridge_view
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.desk import Desk
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.occurrences import occurrence_at, occurrences
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.symbols import document_symbols, flat_symbols, folding_ranges
from hvaedsl.lsp.tokens import LEGEND, semantic_tokens
from hvaedsl.report.explain import explanation
from hvaedsl.rules import KINDS

BRIDGE = "hvaedsl.bridge"
EXPLAIN = "hvaedsl.explain"
_PAUSE_SECONDS = 0.05  # without a change, before a text is compiled for its diagnostics
_PATIENCE_SECONDS = 1.0  # that a request waits for a text to be compiled; the largest published models take a tenth
_TRIGGERS = [" ", ",", "=", "@", "$", '"', "(", "[", "{"]


class _AtPlace(Protocol):
    """The parameters of a request about a place."""

    @property
    def text_document(self) -> lsp.TextDocumentIdentifier: ...

    @property
    def position(self) -> lsp.Position: ...


class Server(LanguageServer):
    """The language server with its desk. Whole texts are sent: specs are short, and nothing can get out of step.

    A request that needs the text alone is answered at once. One that needs figures or findings waits a moment for the
    text to be compiled; then it is answered with what is known without.
    """

    def __init__(self, version: str) -> None:
        super().__init__("hvaedsl", version, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.desk = Desk()
        self.background = Background(self.desk)
        self._publishing: dict[str, asyncio.Task[None]] = {}
        self._without_figures: set[str] = set()  # texts of which the client may show what no longer holds
        self.is_shut_down = False
        self.exit_code = 0

    def can(self, capability: str) -> bool:
        """Whether the client has said that it can do something: a dotted field of its capabilities."""
        return bool(get_capability(self.client_capabilities, capability, False))

    def changed(self, uri: str, text: str, version: int) -> None:
        """Take a text over."""
        others = self.desk.put(uri, text, version)
        self.later([uri])
        self.bases_changed(others)

    def closed(self, uri: str) -> None:
        """Take the diagnostics of a text away."""
        self._stop_publishing(uri)
        self._without_figures.discard(uri)
        self.bases_changed(self.desk.close(uri))
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def files_changed(self) -> None:
        """Something on disk has changed: texts are judged by what lies beside them, too."""
        self.bases_changed(self.desk.files_changed())
        self.later(self.desk.uris)

    def bases_changed(self, uris: Iterable[str]) -> None:
        """What texts extend has changed: more than the client knows of may be another now."""
        self._without_figures.update(uris)
        self.later(uris)

    def later(self, uris: Iterable[str]) -> None:
        """Publish what is found in texts after a pause; a change in between begins the pause anew."""
        for uri in uris:
            self._stop_publishing(uri)
            self._publishing[uri] = asyncio.create_task(self._publish(uri))

    def _stop_publishing(self, uri: str) -> None:
        task = self._publishing.pop(uri, None)
        if task is not None:
            task.cancel()

    async def _publish(self, uri: str) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        await self.background.compiled(uri)
        found = self.desk.known(uri)
        if found is not None:
            diagnostics = published(found, self.desk.uri_of)
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics, found.version))
        if uri in self._without_figures:
            self._without_figures.discard(uri)
            if self.can("workspace.inlay_hint.refresh_support"):
                self.workspace_inlay_hint_refresh(None)

    async def figures(self, uri: str) -> Analysed | None:
        """The text of this moment, whatever is typed then, compiled where that takes a moment only."""
        asked = self.desk.known(uri)
        await self.background.compiled(uri, _PATIENCE_SECONDS)
        now = self.desk.known(uri)
        found = now if asked is not None and now is not None and now.source is asked.source else asked
        if found is not None and found.compilation is None:
            self._without_figures.add(uri)
        return found

    def at(self, params: _AtPlace) -> tuple[Analysed, int] | None:
        """The text that a request is about, and the offset."""
        found = self.desk.known(params.text_document.uri)
        return None if found is None else (found, found.lines.offset(params.position))

    def edit(self, about: Analysed, changes: Mapping[str, Sequence[lsp.TextEdit]]) -> lsp.WorkspaceEdit:
        """Edits by URI as one change, with the versions that they are meant for where the client knows those."""
        if not self.can("workspace.workspace_edit.document_changes"):
            return lsp.WorkspaceEdit(changes)
        versions = {uri: about.version if uri == about.uri else self.desk.version(uri) for uri in changes}
        texts = {uri: lsp.OptionalVersionedTextDocumentIdentifier(uri, version) for uri, version in versions.items()}
        return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(texts[uri], changes[uri]) for uri in changes])


def make_server(version: str) -> Server:
    """A server with every feature, not started yet."""
    server = Server(version)
    _follow_texts(server)
    _at_a_place(server)
    _of_a_text(server)
    _renaming(server)
    return server


def serve(version: str) -> int:
    """Speak the protocol on standard input and output until the client ends it; the exit code.

    Whatever else is printed, by a library too, goes to standard error.
    """
    library = logging.getLogger("pygls")
    library.setLevel(logging.ERROR)  # it warns of every request that is cancelled too late
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_no_refusal)
    sys.setswitchinterval(0.001)  # a thread that compiles keeps the event loop waiting for so long, and not for 5 ms
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input, which Ctrl-C would not end
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = make_server(version)
    server.start_io(sys.stdin.buffer, protocol)
    return server.exit_code


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """A request that is refused has been answered: that is no event of the log, with a traceback."""
    return record.exc_info is None or not isinstance(record.exc_info[1], JsonRpcInvalidParams)


def _follow_texts(server: Server) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(_: lsp.InitializeParams) -> None:
        server.desk.encoding = lsp.PositionEncodingKind(server.workspace.position_encoding)

    @server.feature(lsp.INITIALIZED)
    def initialized(_: lsp.InitializedParams) -> None:
        """Bases change on disk too: editors that watch files only when they are asked to are asked."""
        if server.can("workspace.did_change_watched_files.dynamic_registration"):
            specs = lsp.DidChangeWatchedFilesRegistrationOptions([lsp.FileSystemWatcher("**/*.hvae")])
            watching = lsp.Registration("specs", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, specs)
            server.client_register_capability(lsp.RegistrationParams([watching]))

    @server.feature(lsp.SHUTDOWN)
    def shutdown(_: None) -> None:
        server.is_shut_down = True

    @server.feature(lsp.EXIT)
    def leave(_: None) -> None:
        server.exit_code = 0 if server.is_shut_down else 1  # as the protocol has it

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: lsp.DidOpenTextDocumentParams) -> None:
        opened = params.text_document
        server.changed(opened.uri, opened.text, opened.version)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: lsp.DidChangeTextDocumentParams) -> None:
        changed = params.text_document
        server.changed(changed.uri, server.workspace.get_text_document(changed.uri).source, changed.version)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: lsp.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def did_save(_: lsp.DidSaveTextDocumentParams) -> None:
        server.files_changed()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(_: lsp.DidChangeWatchedFilesParams) -> None:
        server.files_changed()


def _at_a_place(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def on_hover(params: lsp.HoverParams) -> lsp.Hover | None:
        found = await server.figures(params.text_document.uri)
        formats = get_capability(server.client_capabilities, "text_document.hover.content_format", [])
        kind = lsp.MarkupKind.Markdown if lsp.MarkupKind.Markdown in formats else lsp.MarkupKind.PlainText
        return hover(found, found.lines.offset(params.position), kind) if found is not None else None

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
    def on_symbols(params: lsp.DocumentSymbolParams) -> Sequence[lsp.DocumentSymbol] | Sequence[lsp.SymbolInformation]:
        found = desk.known(params.text_document.uri)
        if found is None:
            return []
        nested = server.can("text_document.document_symbol.hierarchical_document_symbol_support")
        return document_symbols(found) if nested else flat_symbols(found)

    @server.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    def on_folding(params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        found = desk.known(params.text_document.uri)
        return folding_ranges(found) if found is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    def on_tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        found = desk.known(params.text_document.uri)
        return semantic_tokens(found) if found is not None else lsp.SemanticTokens([])

    @server.feature(lsp.TEXT_DOCUMENT_INLAY_HINT)
    async def on_hints(params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        found = await server.figures(params.text_document.uri)
        if found is None:
            return []
        return inlay_hints(found, found.lines.offset(params.range.start), found.lines.offset(params.range.end))

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=list(ACTION_KINDS)))
    async def on_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        found = await server.figures(params.text_document.uri)
        if found is None:
            return []
        start, end = found.lines.offset(params.range.start), found.lines.offset(params.range.end)
        here = Here(
            found,
            show=lambda item: shown(found, item, desk.uri_of),
            edit=lambda edits: server.edit(found, {found.uri: edits}),
        )
        return code_actions(here, start, end, params.context.only)

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        """The whole text anew; nothing where it does not parse, whose diagnostics say why."""
        found = desk.known(params.text_document.uri)
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
    async def on_bridge(uri: str) -> BridgeView:
        await server.background.compiled(uri)
        found = desk.known(uri)
        if found is None:
            return BridgeView(name=uri, svg=None, current=False, message="there is no such text")
        return await in_thread(partial(bridge_view, found))

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
    async def on_rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        place, desk = server.at(params), server.desk
        if place is None:
            return None
        chains = desk.chains(place[0])
        try:  # in a thread: the specs of the project are read
            edits = await in_thread(partial(rename, *place, params.new_name, chains=chains, writable=desk.writable))
        except CannotRenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None
        found = place[0]
        changes = {
            found.uri if source is found.source else desk.uri_of(source) or "": made for source, made in edits.items()
        }
        return server.edit(found, changes)


def _completion_client(server: Server) -> CompletionClient:
    item = "text_document.completion.completion_item"
    return CompletionClient(server.can(f"{item}.snippet_support"), server.can(f"{item}.label_details_support"))
