"""Rename: a label in its stack; a constant in this file, its bases, and what else of the project extends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lsprotocol.types import PrepareRenamePlaceholder, TextEdit

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.occurrences import Name, Occurrence, occurrence_at, occurrences
from hvaedsl.lsp.position import Lines
from hvaedsl.lsp.words import words
from hvaedsl.syntax.parser import parse_document

# The other texts that write a name: each with the chain of its sources, itself last.
Chains = Callable[[str], Iterable[tuple[Source, ...]]]
Writable = Callable[[Source], bool]


class CannotRenameError(Exception):
    """Why a name cannot be changed, in words for the user."""


def prepare_rename(analysed: Analysed, offset: int) -> PrepareRenamePlaceholder | None:
    """The range and the present name of what can be renamed at an offset; None where nothing can."""
    found = occurrence_at(analysed.words, offset)
    if found is None:
        return None
    return PrepareRenamePlaceholder(analysed.lines.range(found.start, found.end), found.name.text)


def rename(
    analysed: Analysed, offset: int, new: str, *, chains: Chains = lambda _: (), writable: Writable = lambda _: True
) -> Mapping[Source, list[TextEdit]]:
    """The edits that rename what stands at an offset, by source. Raises `CannotRenameError`."""
    found = occurrence_at(analysed.words, offset)
    if found is None:
        raise CannotRenameError("only constants (`let n`, `$n`) and labels (`@g`) can be renamed")
    sigils = "$" if found.name.kind == "constant" else "@"
    new = new.removeprefix(sigils)
    if not is_name(new):
        raise CannotRenameError(f"`{new}` is no name: letters, digits and `_`, a digit not first")
    if new == found.name.text:
        return {}
    sources = [analysed.source] if found.name.kind == "label" else _family(analysed, found.name, chains)
    edits: dict[Source, list[TextEdit]] = {}
    for source in sources:
        places = list(occurrences(words(source.text)))
        if any(item.name == Name(found.name.kind, new, found.name.scope) for item in places):
            where = "" if source is analysed.source else f" in {source.name}"
            raise CannotRenameError(f"`{sigils}{new}` is there already{where}, and the two would become one")
        mine = [item for item in places if item.name == found.name]
        if mine and source is not analysed.source and not writable(source):
            raise CannotRenameError(
                f"`{sigils}{found.name.text}` also stands in {source.name}, which is not yours to change"
            )
        if mine:
            edits[source] = _edits(source, mine, new, analysed)
    return edits


def is_name(text: str) -> bool:
    """Whether a text can name a constant and a label."""
    probe = Source("<name>", f"hvae 1\nlet {text} = 1\nmodel {{ encoder = 8r${text}, 8@{text} }}\n")
    return text.isidentifier() and not parse_document(probe).diagnostics


def _family(analysed: Analysed, name: Name, chains: Chains) -> list[Source]:
    """The sources in which the constant is the same one: chains that have a source in common that writes it."""
    known = {_identity(source): source for source in (analysed.source, *_bases(analysed))}
    waiting = list(chains(name.text))
    while True:
        writing = {place for place, source in known.items() if _writes(source, name)}
        joined = [chain for chain in waiting if not writing.isdisjoint(map(_identity, chain))]
        if not joined:
            break
        waiting = [chain for chain in waiting if chain not in joined]
        for chain in joined:
            known = {**{_identity(source): source for source in chain}, **known}
    return list(known.values())


def _bases(analysed: Analysed) -> tuple[Source, ...]:
    return tuple(document.source for document in analysed.documents[:-1])


def _identity(source: Source) -> str:
    return str(source.path.resolve()) if source.path is not None else source.name


def _writes(source: Source, name: Name) -> bool:
    return any(item.name == name for item in occurrences(words(source.text)))


def _edits(source: Source, places: Iterable[Occurrence], new: str, analysed: Analysed) -> list[TextEdit]:
    lines = analysed.lines if source is analysed.source else Lines(source.text, analysed.lines.encoding)
    return [TextEdit(lines.range(item.start, item.end), new) for item in places]
