"""Code actions: the ways out of a diagnostic, all safe fixes, a comment that suppresses advice, and refactorings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CodeAction, CodeActionKind, TextEdit, WorkspaceEdit
from lsprotocol.types import Diagnostic as Shown

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.findings import is_in_text, range_of, worth_showing
from hvaedsl.lsp.refactoring import Rewrite
from hvaedsl.lsp.rewrites import REFACTORING_KINDS, is_requested

FIX_ALL = f"{CodeActionKind.SourceFixAll.value}.hvaedsl"
ACTION_KINDS = (CodeActionKind.QuickFix, FIX_ALL, *REFACTORING_KINDS)
_IGNORE = re.compile(r"(#\s*hvae:\s*ignore\[[^\]\r\n]*)\]")


@dataclass(frozen=True)
class Here:
    """The text that actions are for, and how diagnostics and edits are converted for the client."""

    analyzed: AnalyzedText
    show: Callable[[Diagnostic], Shown]
    edit: Callable[[Sequence[TextEdit]], WorkspaceEdit]


def code_actions(here: Here, start: int, end: int, only: Iterable[str] | None = None) -> list[CodeAction]:
    """Return the actions for the diagnostics on the lines from `start` to `end`, the nearest first.

    Whole lines count, because an editor shows a diagnostic for its whole line and many are one character wide. `only`
    restricts the kinds of actions.
    """
    analyzed = here.analyzed
    requested = tuple(only) if only is not None else None
    found: list[CodeAction] = []

    if is_requested(CodeActionKind.QuickFix.value, requested):
        first, last = analyzed.lines.line_start(start), analyzed.lines.line_end(end)
        near = [item for item in worth_showing(analyzed) if _distance(analyzed, item, first, last) == 0]
        for item in sorted(near, key=lambda item: _distance(analyzed, item, start, end)):
            found += _fixes(here, item)

    if is_requested(FIX_ALL, requested):
        found += _all_safe(here)
    return found


def refactorings(here: Here, made: Iterable[tuple[Rewrite, Sequence[Edit]]]) -> list[CodeAction]:
    """Convert refactorings, which another thread has made, to actions."""
    return [
        CodeAction(rewrite.title, kind=rewrite.kind, edit=here.edit(_text_edits(here.analyzed, edits)))
        for rewrite, edits in made
    ]


def _distance(analyzed: AnalyzedText, item: Diagnostic, start: int, end: int) -> int:
    """Code points between a diagnostic and the range from `start` to `end`; 0 if they touch."""
    where = range_of(analyzed, item)
    return max(analyzed.lines.offset(where.start) - end, start - analyzed.lines.offset(where.end), 0)


def _fixes(here: Here, item: Diagnostic) -> Iterator[CodeAction]:
    analyzed = here.analyzed
    for fix in item.ways_out:
        if _applies(analyzed, fix):
            yield CodeAction(
                fix.title,
                kind=CodeActionKind.QuickFix,
                diagnostics=[here.show(item)],
                is_preferred=fix.safe or None,
                edit=here.edit(_text_edits(analyzed, fix.edits)),
            )

    if item.severity is Severity.ADVICE and is_in_text(analyzed, item):
        yield CodeAction(
            f"ignore {item.code} on this line",
            kind=CodeActionKind.QuickFix,
            diagnostics=[here.show(item)],
            edit=here.edit([_ignore_comment(analyzed, item)]),
        )


def _applies(analyzed: AnalyzedText, fix: Fix) -> bool:
    """Whether all edits are in this text; a fix in a base is applied in the editor of the base."""
    return bool(fix.edits) and all(edit.span.source is analyzed.source for edit in fix.edits)


def _text_edits(analyzed: AnalyzedText, edits: Iterable[Edit]) -> list[TextEdit]:
    return [TextEdit(analyzed.lines.of_span(edit.span), edit.replacement) for edit in edits]


def _ignore_comment(analyzed: AnalyzedText, item: Diagnostic) -> TextEdit:
    """Add a comment to the end of the line, or the code to the comment that is there."""
    end = analyzed.lines.line_end(item.span.start)
    begin = analyzed.lines.line_start(item.span.start)
    found = _IGNORE.search(analyzed.text, begin, end)
    if found is not None:
        at = found.end(1)
        return TextEdit(analyzed.lines.range(at, at), f", {item.code}")
    return TextEdit(analyzed.lines.range(end, end), f"  # hvae: ignore[{item.code}]")


def _all_safe(here: Here) -> Iterator[CodeAction]:
    """All safe fixes of the text as one action; of two that overlap, the first."""
    analyzed = here.analyzed
    edits: list[TextEdit] = []
    reached = -1

    safe = [item.fix for item in worth_showing(analyzed) if item.fix is not None and item.fix.safe]
    for fix in sorted((fix for fix in safe if _applies(analyzed, fix)), key=lambda fix: fix.edits[0].span.start):
        spans = sorted((edit.span.start, edit.span.end) for edit in fix.edits)
        if spans[0][0] >= reached:
            edits += _text_edits(analyzed, fix.edits)
            reached = spans[-1][1]

    if edits:
        yield CodeAction("apply all safe fixes", kind=FIX_ALL, edit=here.edit(edits))
