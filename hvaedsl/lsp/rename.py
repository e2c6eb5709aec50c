"""Rename a label in its stack, or a constant in this file, its bases and the other specs that extend those."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lsprotocol.types import PrepareRenamePlaceholder, TextEdit

from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.constants import BASE
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.family import Chains, names_beside, no_chains, places
from hvaedsl.lsp.occurrences import Name, Occurrence, occurrence_at
from hvaedsl.lsp.position import Lines
from hvaedsl.syntax.parser import parse_document

Writable = Callable[[Source], bool]
_BASE = Name("constant", BASE)


class CannotRenameError(Exception):
    """A name cannot be changed, for the reason in the message."""


def prepare_rename(analyzed: AnalyzedText, offset: int) -> PrepareRenamePlaceholder | None:
    """Return the range and the name that can be renamed at an offset; None if there is none."""
    found = occurrence_at(analyzed.tokens, offset)
    if found is None or _is_list_of_base(analyzed, found.name):
        return None
    return PrepareRenamePlaceholder(analyzed.lines.range(found.start, found.end), found.name.text)


def rename(
    analyzed: AnalyzedText,
    offset: int,
    new: str,
    *,
    chains: Chains = no_chains,
    writable: Writable = lambda _: True,
) -> list[tuple[Source, list[TextEdit]]]:
    """Return the edits of each source that rename the name at an offset. Raises `CannotRenameError`."""
    found = occurrence_at(analyzed.tokens, offset)
    if found is None:
        raise CannotRenameError("only constants (`let n`, `$n`) and labels (`@g`) can be renamed")
    if _is_list_of_base(analyzed, found.name):
        raise CannotRenameError("`$base` is the list of the base; it has no name that can be changed")

    sigil = "$" if found.name.kind == "constant" else "@"
    new = new.removeprefix(sigil)
    if not is_name(new):
        if new.isidentifier() and new.isascii():  # it looks like a name, but is a word of the grammar
            raise CannotRenameError(f"`{new}` is a reserved word; choose another name")
        raise CannotRenameError(
            f"`{new}` is not a valid name: use letters, digits and `_`, and do not start with a digit"
        )
    if sigil == "$" and new == BASE:
        raise CannotRenameError("`$base` is the list of the base; choose another name")
    if new == found.name.text:
        return []

    # Every place has to take the new name, and none of the specs may have it already.
    taken = names_beside(analyzed, found.name, new, chains)
    if taken is not None:
        where = "" if taken is analyzed.source else f" in {taken.name}"
        raise CannotRenameError(f"`{sigil}{new}` already exists{where}; choose another name")
    everywhere = places(analyzed, found.name, chains)
    for source, _ in everywhere:
        if source is not analyzed.source and not writable(source):
            text = f"`{sigil}{found.name.text}` is also used in {source.name}, which cannot be changed"
            raise CannotRenameError(text)
    return [(source, _edits(source, items, new, analyzed)) for source, items in everywhere]


def is_name(text: str) -> bool:
    """Whether a text is a valid name of a constant and a label."""
    probe = Source("<name>", f"hvae 1\nlet {text} = 1\nmodel {{ encoder = 8r${text}, 8@{text} }}\n")
    return text.isidentifier() and not parse_document(probe).diagnostics


def _is_list_of_base(analyzed: AnalyzedText, name: Name) -> bool:
    """Whether a name is that of the base's list; a constant of this name, which is an error, can be renamed."""
    return name == _BASE and BASE not in analyzed.collected.lets


def _edits(source: Source, items: Iterable[Occurrence], new: str, analyzed: AnalyzedText) -> list[TextEdit]:
    lines = analyzed.lines if source is analyzed.source else Lines(source.text, analyzed.lines.encoding)
    return [TextEdit(lines.range(item.start, item.end), new) for item in items]
