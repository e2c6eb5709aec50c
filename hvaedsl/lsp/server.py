"""The server: connects the features, which are in the other files of this folder, to the protocol."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from typing import BinaryIO, cast

from lsprotocol import types as lsp

from hvaedsl.lsp.document_requests import add_changes, add_document_requests
from hvaedsl.lsp.incoming import Headers, is_worth_logging
from hvaedsl.lsp.lifecycle import exit_with_client
from hvaedsl.lsp.position_requests import add_name_requests, add_position_requests
from hvaedsl.lsp.session import Server
from hvaedsl.lsp.workspace_requests import add_workspace_requests
from hvaedsl.syntax.lexing import remember_texts


def make_server(version: str) -> Server:
    """Create a server with every feature, without starting it."""
    server = Server(version)
    _add_document_sync(server)
    add_position_requests(server)
    add_name_requests(server)
    add_document_requests(server)
    add_changes(server)
    add_workspace_requests(server)
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

    # Almost everything is freed without looking for cycles, so that looking often costs much and finds little.
    gc.freeze()
    gc.set_threshold(2_000, 10, 5)

    remember_texts()
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
