"""Code actions: the fixes that diagnostics carry, all safe ones at once, and a comment that silences advice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CodeAction, CodeActionKind, TextEdit, WorkspaceEdit
from lsprotocol.types import Diagnostic as Shown

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Severity
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.findings import is_custom, range_of, worth_showing

FIX_ALL = f"{CodeActionKind.SourceFixAll.value}.hvaedsl"
ACTION_KINDS = (CodeActionKind.QuickFix, FIX_ALL)
_IGNORE = re.compile(r"(#\s*hvae:\s*ignore\[[^\]\r\n]*)\]")


@dataclass(frozen=True)
class Here:
    """The text that actions are for, and how the client is told of findings and edits in it."""

    analysed: Analysed
    show: Callable[[Diagnostic], Shown]
    edit: Callable[[Sequence[TextEdit]], WorkspaceEdit]


def code_actions(here: Here, start: int, end: int, only: Iterable[str] | None = None) -> list[CodeAction]:
    """The actions for what is found on the lines of two offsets, the nearest first.

    An editor shows a finding for its whole line, and many findings are a letter wide. `only` names the kinds that are
    asked for.
    """
    analysed = here.analysed
    wanted = tuple(only) if only is not None else None
    found: list[CodeAction] = []
    if _asked(CodeActionKind.QuickFix.value, wanted):
        first, last = analysed.lines.line_start(start), analysed.lines.line_end(end)
        near = [item for item in worth_showing(analysed) if _distance(analysed, item, first, last) == 0]
        for item in sorted(near, key=lambda item: _distance(analysed, item, start, end)):
            found += _fixes(here, item)
    if _asked(FIX_ALL, wanted):
        found += _all_safe(here)
    return found


def _asked(kind: str, only: tuple[str, ...] | None) -> bool:
    """Whether a kind, or one above it, is asked for; kinds are a hierarchy with dots."""
    return only is None or any(not item or kind == item or kind.startswith(f"{item}.") for item in only)


def _distance(analysed: Analysed, item: Diagnostic, start: int, end: int) -> int:
    """How many code points lie between a diagnostic and the text between two offsets; 0 where they touch."""
    where = range_of(analysed, item)
    return max(analysed.lines.offset(where.start) - end, start - analysed.lines.offset(where.end), 0)


def _fixes(here: Here, item: Diagnostic) -> Iterator[CodeAction]:
    analysed = here.analysed
    if item.fix is not None and _applies(analysed, item.fix):
        yield CodeAction(
            item.fix.title,
            kind=CodeActionKind.QuickFix,
            diagnostics=[here.show(item)],
            is_preferred=item.fix.safe or None,
            edit=here.edit(_edits(analysed, item.fix)),
        )
    if item.severity is Severity.ADVICE and is_custom(analysed, item):
        yield CodeAction(
            f"silence {item.code} on this line",
            kind=CodeActionKind.QuickFix,
            diagnostics=[here.show(item)],
            edit=here.edit([_silence(analysed, item)]),
        )


def _applies(analysed: Analysed, fix: Fix) -> bool:
    """Whether all edits are in this text; those of a base are made where that is open."""
    return bool(fix.edits) and all(edit.span.source is analysed.source for edit in fix.edits)


def _edits(analysed: Analysed, fix: Fix) -> list[TextEdit]:
    return [TextEdit(analysed.lines.of_span(edit.span), edit.replacement) for edit in fix.edits]


def _silence(analysed: Analysed, item: Diagnostic) -> TextEdit:
    """A comment at the end of the line, or the code added to the one that is there."""
    end = analysed.lines.line_end(item.span.start)
    begin = analysed.lines.line_start(item.span.start)
    found = _IGNORE.search(analysed.text, begin, end)
    if found is not None:
        at = found.end(1)
        return TextEdit(analysed.lines.range(at, at), f", {item.code}")
    return TextEdit(analysed.lines.range(end, end), f"  # hvae: ignore[{item.code}]")


def _all_safe(here: Here) -> Iterator[CodeAction]:
    """Every safe fix of the text in one action; of two that overlap, the first."""
    analysed = here.analysed
    edits: list[TextEdit] = []
    reached = -1
    safe = [item.fix for item in worth_showing(analysed) if item.fix is not None and item.fix.safe]
    for fix in sorted((fix for fix in safe if _applies(analysed, fix)), key=lambda fix: fix.edits[0].span.start):
        spans = sorted((edit.span.start, edit.span.end) for edit in fix.edits)
        if spans[0][0] >= reached:
            edits += _edits(analysed, fix)
            reached = spans[-1][1]
    if edits:
        yield CodeAction("apply all safe fixes", kind=FIX_ALL, edit=here.edit(edits))
