"""Requests about a whole text: outline, colors, hints, links, and the edits of actions and formatting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lsprotocol import types as lsp

from hvaedsl.diagnostics.errors import CompilerBug, SpecError
from hvaedsl.lsp.actions import ACTION_KINDS, Here, code_actions, refactorings
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.background import in_thread
from hvaedsl.lsp.findings import shown
from hvaedsl.lsp.folding import folding_ranges
from hvaedsl.lsp.formatting import formatted_range, formatted_whole
from hvaedsl.lsp.hints import inlay_hints
from hvaedsl.lsp.links import document_links
from hvaedsl.lsp.rewrites import rewrites
from hvaedsl.lsp.semantic_tokens import LEGEND, semantic_tokens
from hvaedsl.lsp.session import Server
from hvaedsl.lsp.symbols import document_symbols, flat_symbols


def add_document_requests(server: Server) -> None:
    """Answer requests about a whole text, or about a range of it."""
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

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_LINK)
    def on_links(params: lsp.DocumentLinkParams) -> list[lsp.DocumentLink]:
        found = documents.known(params.text_document.uri)
        return document_links(found, documents.uri_of) if found is not None else []


def add_changes(server: Server) -> None:
    """Answer requests for edits: actions and formatting."""
    documents = server.documents

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=list(ACTION_KINDS)))
    async def on_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        found = await server.figures(params.text_document.uri)
        if found is None:
            return []
        start, end = found.lines.offset(params.range.start), found.lines.offset(params.range.end)
        made = await in_thread(  # it reads the specs of the project
            partial(rewrites, found, start, end, only=params.context.only, chains=documents.chains(found))
        )
        here = Here(
            found,
            show=lambda item: shown(found, item, documents.uri_of),
            edit=lambda edits: server.edit(found, {found.uri: edits}),
        )
        return [*code_actions(here, start, end, params.context.only), *refactorings(here, made)]

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        found = documents.known(params.text_document.uri)
        return _formatted(server, found, 0, len(found.text), whole=True) if found is not None else None

    @server.feature(lsp.TEXT_DOCUMENT_RANGE_FORMATTING)
    def on_range_formatting(params: lsp.DocumentRangeFormattingParams) -> list[lsp.TextEdit] | None:
        found = documents.known(params.text_document.uri)
        if found is None:
            return None
        start, end = found.lines.offset(params.range.start), found.lines.offset(params.range.end)
        return _formatted(server, found, start, end)


def _formatted(
    server: Server, found: AnalyzedText, start: int, end: int, *, whole: bool = False
) -> list[lsp.TextEdit] | None:
    """The edits that format a text or a part of it; None if it does not parse, which its diagnostics report."""
    try:
        edits = formatted_whole(found.source) if whole else formatted_range(found.source, start, end)
    except SpecError:
        return None
    except CompilerBug as bug:
        server.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, f"a bug in hvaedsl: {bug}"))
        return None
    return [lsp.TextEdit(found.lines.of_span(edit.span), edit.replacement) for edit in edits]
