"""The state of a session: the open documents, their compilation in the background, and what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer

from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.background import Background
from hvaedsl.lsp.findings import published
from hvaedsl.lsp.incoming import IncomingProtocol
from hvaedsl.lsp.open_documents import OpenDocuments, path_of

# Without a change until a text is compiled for its diagnostics: as long as compiling took the last time. A fast typist
# presses a key every 0.06 s, and each would end the compilation that the last one has begun.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.1
_PATIENCE_SECONDS = 1.0  # a request waits for compilation; the largest published models take a tenth of it


class PositionParams(Protocol):
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
        assert isinstance(self.protocol, IncomingProtocol)
        self.protocol.answering = self.background.paused
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
        await asyncio.sleep(min(max(_PAUSE_SECONDS, self.background.last_seconds(uri)), _LONGEST_PAUSE_SECONDS))
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

    def at(self, params: PositionParams) -> tuple[AnalyzedText, int] | None:
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

    def folders(self) -> list[Path]:
        """The folders of the workspace that are on this machine."""
        uris = self.workspace.folders or [uri for uri in (self.workspace.root_uri,) if uri]
        paths = map(path_of, uris)
        return [path for path in paths if path is not None]
