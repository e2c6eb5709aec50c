"""Requests about the whole workspace: its symbols, and the commands."""

from __future__ import annotations

from functools import partial

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from hvaedsl.lsp.background import in_thread
from hvaedsl.lsp.bridge_view import BridgeView, bridge_view
from hvaedsl.lsp.session import Server
from hvaedsl.lsp.workspace_symbols import workspace_symbols
from hvaedsl.report.explain import explanation
from hvaedsl.rules import KINDS

BRIDGE = "hvaedsl.bridge"
EXPLAIN = "hvaedsl.explain"


def add_workspace_requests(server: Server) -> None:
    """Answer requests that are about no text, or name it in their arguments."""
    documents = server.documents

    @server.feature(lsp.WORKSPACE_SYMBOL)
    async def on_symbols(params: lsp.WorkspaceSymbolParams) -> list[lsp.SymbolInformation]:
        sources = documents.project_sources(server.folders())
        return await in_thread(partial(workspace_symbols, sources, params.query, documents.encoding))

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
