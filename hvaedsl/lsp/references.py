"""Find all places of a constant or a label, also in the other specs of the project that share it."""

from __future__ import annotations

from lsprotocol.types import DocumentHighlight, DocumentHighlightKind, Location

from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.family import Chains, Places, no_chains, places
from hvaedsl.lsp.navigation import Uri, location
from hvaedsl.lsp.occurrences import Name, Occurrence, occurrence_at


def name_places(analyzed: AnalyzedText, offset: int, *, chains: Chains = no_chains, definitions: bool = True) -> Places:
    """Return the places of the name at an offset, this text first; with or without those that define it."""
    name = _name_at(analyzed, offset)
    found = places(analyzed, name, chains) if name is not None else ()
    return [(source, [item for item in items if definitions or not item.defines]) for source, items in found]


def locations(analyzed: AnalyzedText, found: Places, uri: Uri) -> list[Location]:
    """Convert places for the protocol."""
    made = (location(analyzed, source.span(item.start, item.end), uri) for source, items in found for item in items)
    return [place for place in made if place is not None]


def highlights(analyzed: AnalyzedText, offset: int) -> list[DocumentHighlight]:
    """Return the places of the name at an offset in this text alone."""
    name = _name_at(analyzed, offset)
    found = places(analyzed, name) if name is not None else ()
    here = next((items for source, items in found if source is analyzed.source), ())
    return [DocumentHighlight(analyzed.lines.range(item.start, item.end), _kind(item)) for item in here]


def _kind(item: Occurrence) -> DocumentHighlightKind:
    return DocumentHighlightKind.Write if item.defines else DocumentHighlightKind.Read


def _name_at(analyzed: AnalyzedText, offset: int) -> Name | None:
    """The name at an offset; None for `$base`, which is another list in every key and file."""
    found = occurrence_at(analyzed.tokens, offset)
    return None if found is None or found.name == Name("constant", BASE) else found.name
