"""The refactorings at a place: extract, inline and fold, each with its formatted edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol.types import CodeActionKind

from hvaedsl.diagnostics.diagnostic import Edit
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.extract import extractions
from hvaedsl.lsp.family import Chains, no_chains
from hvaedsl.lsp.fold import foldings
from hvaedsl.lsp.inline import inlinings
from hvaedsl.lsp.refactoring import Refactoring, Rewrite

REFACTORING_KINDS = (CodeActionKind.RefactorExtract, CodeActionKind.RefactorInline, CodeActionKind.RefactorRewrite)


def rewrites(
    analyzed: AnalyzedText,
    start: int,
    end: int,
    *,
    only: Iterable[str] | None = None,
    chains: Chains = no_chains,
) -> list[tuple[Rewrite, list[Edit]]]:
    """Return the refactorings of a selection, or at a cursor if it is empty, with the edits of this text.

    `only` restricts the kinds. It reads the specs of the project that have a name which is new, or is replaced.
    """
    refactoring = Refactoring(analyzed, chains)
    requested = tuple(only) if only is not None else None
    found = []
    for rewrite in _proposed(refactoring, start, end):
        if is_requested(rewrite.kind.value, requested) and refactoring.is_possible:
            edits = refactoring.finished(rewrite)
            if edits:
                found.append((rewrite, edits))
    return found


def is_requested(kind: str, only: tuple[str, ...] | None) -> bool:
    """Whether a kind is requested, by itself or by a prefix; kinds are dotted paths."""
    return only is None or any(not item or kind == item or kind.startswith(f"{item}.") for item in only)


def _proposed(refactoring: Refactoring, start: int, end: int) -> Iterator[Rewrite]:
    yield from extractions(refactoring, start, end)
    yield from inlinings(refactoring, start)
    yield from foldings(refactoring, start, end)
