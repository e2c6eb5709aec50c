"""Rename a label in its stack, or a constant in this file, its bases and the other specs that extend those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lsprotocol.types import PrepareRenamePlaceholder, TextEdit

from hvaedsl.diagnostics.span import Source
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.occurrences import Name, Occurrence, occurrence_at, occurrences
from hvaedsl.lsp.placed_tokens import placed_tokens
from hvaedsl.lsp.position import Lines
from hvaedsl.syntax.parser import parse_document

# Other texts with a name: each as the chain of its sources, its own last.
Chains = Callable[[str], Iterable[tuple[Source, ...]]]
Writable = Callable[[Source], bool]


class CannotRenameError(Exception):
    """A name cannot be changed, for the reason in the message."""


def prepare_rename(analyzed: AnalyzedText, offset: int) -> PrepareRenamePlaceholder | None:
    """Return the range and the name that can be renamed at an offset; None if there is none."""
    found = occurrence_at(analyzed.tokens, offset)
    if found is None:
        return None
    return PrepareRenamePlaceholder(analyzed.lines.range(found.start, found.end), found.name.text)


def rename(
    analyzed: AnalyzedText, offset: int, new: str, *, chains: Chains = lambda _: (), writable: Writable = lambda _: True
) -> Mapping[Source, list[TextEdit]]:
    """Return the edits by source that rename the name at an offset. Raises `CannotRenameError`."""
    found = occurrence_at(analyzed.tokens, offset)
    if found is None:
        raise CannotRenameError("only constants (`let n`, `$n`) and labels (`@g`) can be renamed")

    sigil = "$" if found.name.kind == "constant" else "@"
    new = new.removeprefix(sigil)
    if not is_name(new):
        raise CannotRenameError(
            f"`{new}` is not a valid name: use letters, digits and `_`, and do not start with a digit"
        )
    if new == found.name.text:
        return {}

    sources = [analyzed.source] if found.name.kind == "label" else _family(analyzed, found.name, chains)
    edits: dict[Source, list[TextEdit]] = {}
    for source in sources:
        places = list(occurrences(placed_tokens(source.text)))
        if any(item.name == Name(found.name.kind, new, found.name.scope) for item in places):
            where = "" if source is analyzed.source else f" in {source.name}"
            raise CannotRenameError(f"`{sigil}{new}` already exists{where}; choose another name")
        mine = [item for item in places if item.name == found.name]
        if mine and source is not analyzed.source and not writable(source):
            raise CannotRenameError(
                f"`{sigil}{found.name.text}` is also used in {source.name}, which cannot be changed"
            )
        if mine:
            edits[source] = _edits(source, mine, new, analyzed)
    return edits


def is_name(text: str) -> bool:
    """Whether a text is a valid name of a constant and a label."""
    probe = Source("<name>", f"hvae 1\nlet {text} = 1\nmodel {{ encoder = 8r${text}, 8@{text} }}\n")
    return text.isidentifier() and not parse_document(probe).diagnostics


def _family(analyzed: AnalyzedText, name: Name, chains: Chains) -> list[Source]:
    """The sources that share the constant: chains are joined if they share a source that contains it."""
    known = {_identity(source): source for source in (analyzed.source, *_bases(analyzed))}
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


def _bases(analyzed: AnalyzedText) -> tuple[Source, ...]:
    return tuple(document.source for document in analyzed.documents[:-1])


def _identity(source: Source) -> str:
    return str(source.path.resolve()) if source.path is not None else source.name


def _writes(source: Source, name: Name) -> bool:
    return any(item.name == name for item in occurrences(placed_tokens(source.text)))


def _edits(source: Source, places: Iterable[Occurrence], new: str, analyzed: AnalyzedText) -> list[TextEdit]:
    lines = analyzed.lines if source is analyzed.source else Lines(source.text, analyzed.lines.encoding)
    return [TextEdit(lines.range(item.start, item.end), new) for item in places]
