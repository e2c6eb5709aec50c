"""Requests about a position of a text: hover, completion, names, selection."""

from __future__ import annotations

from functools import partial

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcInvalidParams

from hvaedsl.lsp.background import in_thread
from hvaedsl.lsp.completion import CompletionClient, complete
from hvaedsl.lsp.hover import hover
from hvaedsl.lsp.navigation import definition
from hvaedsl.lsp.references import highlights, locations, name_places
from hvaedsl.lsp.rename import CannotRenameError, prepare_rename, rename
from hvaedsl.lsp.selection import selection_range
from hvaedsl.lsp.session import Server

_TRIGGERS = [" ", ",", "=", "@", "$", '"', "(", "[", "{", "*", "+", "-", "/"]


def add_position_requests(server: Server) -> None:
    """Answer requests about what is at a position."""

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

    @server.feature(lsp.TEXT_DOCUMENT_SELECTION_RANGE)
    def on_selection(params: lsp.SelectionRangeParams) -> list[lsp.SelectionRange]:
        found = server.documents.known(params.text_document.uri)
        return [selection_range(found, found.lines.offset(at)) for at in params.positions] if found is not None else []


def add_name_requests(server: Server) -> None:
    """Answer requests about all places of a name."""

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def on_highlight(params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
        place = server.at(params)
        return highlights(*place) if place is not None else []

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    async def on_references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        place, documents = server.at(params), server.documents
        if place is None:
            return []
        chains, definitions = documents.chains(place[0]), params.context.include_declaration
        found = await in_thread(partial(name_places, *place, chains=chains, definitions=definitions))
        return locations(place[0], found, documents.uri_of)

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
                partial(rename, *place, params.new_name, chains=chains, writable=partial(documents.writable, place[0]))
            )
        except CannotRenameError as error:
            raise JsonRpcInvalidParams(str(error)) from None

        found = place[0]
        changes = {
            found.uri if source is found.source else documents.uri_of(source) or "": made for source, made in edits
        }
        return server.edit(found, changes)


def _completion_client(server: Server) -> CompletionClient:
    item = "text_document.completion.completion_item"
    return CompletionClient(server.can(f"{item}.snippet_support"), server.can(f"{item}.label_details_support"))
