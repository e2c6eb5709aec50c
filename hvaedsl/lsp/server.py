"""The server: connects the features, which are in the other files of this folder, to the protocol."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import BinaryIO, Protocol, cast

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, PyglsError
from pygls.lsp.server import LanguageServer

from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.fmt import format_source
from hvaedsl.lsp.actions import ACTION_KINDS, Here, code_actions
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.background import Background, in_thread
from hvaedsl.lsp.bridge_view import BridgeView, bridge_view
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.findings import published, shown
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.incoming import Headers, IncomingProtocol, is_worth_logging
from hvaedsl.lsp.lifecycle import exit_with_client
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.occurrences import occurrence_at, occurrences
from hvaedsl.lsp.open_documents import OpenDocuments
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.semantic_tokens import LEGEND, semantic_tokens
from hvaedsl.lsp.symbols import document_symbols, flat_symbols, folding_ranges
from hvaedsl.report.explain import explanation
from hvaedsl.rules import KINDS

BRIDGE = "hvaedsl.bridge"
EXPLAIN = "hvaedsl.explain"
_PAUSE_SECONDS = 0.05  # without a change until a text is compiled for its diagnostics
_PATIENCE_SECONDS = 1.0  # a request waits for compilation; the largest published models take a tenth of it
_TRIGGERS = [" ", ",", "=", "@", "$", '"', "(", "[", "{"]


class _PositionParams(Protocol):
    """Parameters of a request about a position."""

    @property
    def text_document(self) -> lsp.TextDocumentIdentifier: ...

    @property
    def position(self) -> lsp.Position: ...


class Server(LanguageServer):
    """The language server with its open documents. Changes are sent as whole texts, because specs are short.

    A request that needs only the text is answered at once. A request for figures or diagnostics waits up to
    `_PATIENCE_SECONDS` for the compilation and is then answered without it.
    """

    def __init__(self, version: str) -> None:
        super().__init__(
            "hvaedsl", version, text_document_sync_kind=lsp.TextDocumentSyncKind.Full, protocol_cls=IncomingProtocol
        )
        self.documents = OpenDocuments()
        self.background = Background(self.documents)
        self._publishing: dict[str, asyncio.Task[None]] = {}
        self._without_figures: set[str] = set()  # texts whose figures in the client may be outdated
        self.is_shut_down = False
        self.exit_code = 0

    def report_server_error(self, error: Exception, source: type[PyglsError] | type[JsonRpcException]) -> None:
        """Answer a content that is not JSON; show other errors to the user."""
        if isinstance(error, ValueError) and source is JsonRpcException and isinstance(self.protocol, IncomingProtocol):
            self.protocol.refuse_content(error)
        else:
            super().report_server_error(error, source)

    def can(self, capability: str) -> bool:
        """Whether the client has a capability, given as a dotted path."""
        return bool(get_capability(self.client_capabilities, capability, False))

    def changed(self, uri: str, text: str, version: int) -> None:
        """Take over a new version of a text."""
        others = self.documents.put(uri, text, version)
        self.later([uri])
        self.bases_changed(others)

    def closed(self, uri: str) -> None:
        """Forget a text and clear its diagnostics."""
        self._stop_publishing(uri)
        self._without_figures.discard(uri)
        self.bases_changed(self.documents.close(uri))
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def files_changed(self) -> None:
        """Check the open texts again after a change on disk, because they depend on their bases and neighbors."""
        self.bases_changed(self.documents.files_changed())
        self.later(self.documents.uris)

    def bases_changed(self, uris: Iterable[str]) -> None:
        """Check texts whose bases have changed, and mark their figures in the client as outdated."""
        self._without_figures.update(uris)
        self.later(uris)

    def later(self, uris: Iterable[str]) -> None:
        """Publish the diagnostics of texts after a pause, which a change restarts."""
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
        found = self.documents.known(uri)
        if found is not None:
            diagnostics = published(found, self.documents.uri_of)
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics, found.version))
        if uri in self._without_figures:
            self._without_figures.discard(uri)
            if self.can("workspace.inlay_hint.refresh_support"):
                self.workspace_inlay_hint_refresh(None)

    async def figures(self, uri: str) -> AnalyzedText | None:
        """The text as it is now, whatever is typed meanwhile, compiled if that is quick enough."""
        asked = self.documents.known(uri)
        await self.background.compiled(uri, _PATIENCE_SECONDS)
        now = self.documents.known(uri)
        found = now if asked is not None and now is not None and now.source is asked.source else asked
        if found is not None and found.compilation is None:
            self._without_figures.add(uri)
        return found

    def at(self, params: _PositionParams) -> tuple[AnalyzedText, int] | None:
        """The text and offset that a request is about."""
        found = self.documents.known(params.text_document.uri)
        return None if found is None else (found, found.lines.offset(params.position))

    def edit(self, about: AnalyzedText, changes: Mapping[str, Sequence[lsp.TextEdit]]) -> lsp.WorkspaceEdit:
        """Combine edits by URI into one change, with the versions of the documents if the client supports them."""
        if not self.can("workspace.workspace_edit.document_changes"):
            return lsp.WorkspaceEdit(changes)
        versions = {uri: about.version if uri == about.uri else self.documents.version(uri) for uri in changes}
        texts = {uri: lsp.OptionalVersionedTextDocumentIdentifier(uri, version) for uri, version in versions.items()}
        return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(texts[uri], changes[uri]) for uri in changes])


def make_server(version: str) -> Server:
    """Create a server with every feature, without starting it."""
    server = Server(version)
    _add_document_sync(server)
    _add_position_features(server)
    _add_document_features(server)
    _add_rename(server)
    return server


def serve(version: str, client: int | None = None) -> int:
    """Serve on standard input and output until the client exits, and return the exit code.

    `client` is the client's process, if it is known before `initialize` names it.

    All other output, also that of libraries, goes to standard error.
    """
    library = logging.getLogger("pygls")
    library.setLevel(logging.ERROR)  # it warns about every request that is cancelled too late
    for name in ("pygls.protocol.json_rpc", "pygls.server"):
        logging.getLogger(name).addFilter(is_worth_logging)

    sys.setswitchinterval(0.001)  # how long a compiling thread may block the event loop; the default is 5 ms
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input, which Ctrl-C would not interrupt

    # The protocol keeps the real standard output; everything else that is printed goes to standard error.
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = make_server(version)
    exit_with_client(client)
    server.start_io(cast(BinaryIO, Headers(sys.stdin.buffer)), protocol)
    return server.exit_code


def _add_document_sync(server: Server) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        exit_with_client(params.process_id)
        server.documents.encoding = lsp.PositionEncodingKind(server.workspace.position_encoding)

    @server.feature(lsp.INITIALIZED)
    def initialized(_: lsp.InitializedParams) -> None:
        """Register for changes on disk, for editors that report them only on request."""
        if server.can("workspace.did_change_watched_files.dynamic_registration"):
            specs = lsp.DidChangeWatchedFilesRegistrationOptions([lsp.FileSystemWatcher("**/*.hvae")])
            watching = lsp.Registration("specs", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, specs)
            server.client_register_capability(lsp.RegistrationParams([watching]))

    @server.feature(lsp.SHUTDOWN)
    def shutdown(_: None) -> None:
        server.is_shut_down = True

    @server.feature(lsp.EXIT)
    def leave(_: None) -> None:
        server.exit_code = 0 if server.is_shut_down else 1  # as the protocol requires

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


def _add_position_features(server: Server) -> None:
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
        return definition(*place, server.documents.uri_of) if place is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def on_highlight(params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
        place = server.at(params)
        if place is None:
            return []
        found, offset = place
        here = occurrence_at(found.tokens, offset)
        places = [item for item in occurrences(found.tokens) if here is not None and item.name == here.name]
        return [lsp.DocumentHighlight(found.lines.range(item.start, item.end)) for item in places]


def _add_document_features(server: Server) -> None:
    documents = server.documents

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def on_symbols(params: lsp.DocumentSymbolParams) -> Sequence[lsp.DocumentSymbol] | Sequence[lsp.SymbolInformation]:
        found = documents.known(params.text_document.uri)
        if found is None:
            return []
        nested = server.can("text_document.document_symbol.hierarchical_document_symbol_support")
        return document_symbols(found) if nested else flat_symbols(found)

    @server.feature(lsp.TEXT_DOCUMENT_FOLDING_RANGE)
    def on_folding(params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
        found = documents.known(params.text_document.uri)
        return folding_ranges(found) if found is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    def on_tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        found = documents.known(params.text_document.uri)
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
            show=lambda item: shown(found, item, documents.uri_of),
            edit=lambda edits: server.edit(found, {found.uri: edits}),
        )
        return code_actions(here, start, end, params.context.only)

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        """Format the whole text; no edit if it does not parse, which its diagnostics report."""
        found = documents.known(params.text_document.uri)
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
        found = documents.known(uri)
        if found is None:
            return BridgeView(
                name=uri, svg=None, current=False, message="this text is not open, and there is no such file"
            )
        return await in_thread(partial(bridge_view, found))

    @server.command(EXPLAIN)
    def on_explain(code: str) -> str:
        kind = KINDS.get(code)
        if kind is None:
            raise JsonRpcInvalidParams(f"`{code}` is not a diagnostic code of hvaedsl")
        return explanation(kind)


def _add_rename(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    def on_prepare(params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder | None:
        place = server.at(params)
        return prepare_rename(*place) if place is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    async def on_rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        place, documents = server.at(params), server.documents
        if place is None:
            return None
        chains = documents.chains(place[0])
        try:  # in a thread, because it reads the specs of the project
            edits = await in_thread(
                partial(rename, *place, params.new_name, chains=chains, writable=documents.writable)
            )
        except CannotRenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None

        found = place[0]
        changes = {
            found.uri if source is found.source else documents.uri_of(source) or "": made
            for source, made in edits.items()
        }
        return server.edit(found, changes)


def _completion_client(server: Server) -> CompletionClient:
    item = "text_document.completion.completion_item"
    return CompletionClient(server.can(f"{item}.snippet_support"), server.can(f"{item}.label_details_support"))
