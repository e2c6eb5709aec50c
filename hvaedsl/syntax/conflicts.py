"""The conflicts that git leaves in a file: reported once each, and read as their first side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hvaedsl.diagnostics.diagnostic import Edit, Fix
from hvaedsl.diagnostics.notation import UnresolvedConflict
from hvaedsl.syntax.repairs import Repairs

_MARKER = re.compile(r"(?:\A|(?<=[\r\n]))(?:(?P<mark>[<>|])(?P=mark){6}(?:[ \t][^\r\n]*)?|={7}[ \t]*)(?:\r\n?|\n|\Z)")
_ORDER = "<|=>"  # of the markers of one conflict; `|` is there in the style diff3


def repair_conflicts(repairs: Repairs) -> None:
    """Report the conflicts, and blank their markers and all but their first side."""
    for markers in _conflicts(list(_MARKER.finditer(repairs.source.text))):
        if repairs.is_full:
            return
        start, end = markers[0].start(), markers[-1].end()
        is_whole = [_kind(item) for item in markers] in (["<", "=", ">"], ["<", "|", "=", ">"])
        first, last = repairs.span(start, len(_text(markers[0])) + start), repairs.span(markers[-1].start(), end)
        repairs.report(
            UnresolvedConflict(
                span=first,
                last_line=last.line,
                end=end if _kind(markers[-1]) == ">" else len(repairs.source.text),
                suggestions=_sides(repairs, markers) if is_whole else (),
            )
        )
        for item in markers:
            repairs.blank(*item.span())
        if is_whole:
            repairs.blank(markers[1].start(), end)


def _conflicts(markers: Sequence[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """The markers of each conflict. One that is out of order, as after an edit by hand, starts another one."""
    group: list[re.Match[str]] = []
    for item in markers:
        if group and _ORDER.index(_kind(item)) <= _ORDER.index(_kind(group[-1])):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _kind(marker: re.Match[str]) -> str:
    return marker["mark"] or "="


def _text(marker: re.Match[str]) -> str:
    return marker[0].rstrip("\r\n")


def _sides(repairs: Repairs, markers: Sequence[re.Match[str]]) -> tuple[Fix, Fix]:
    """The ways out: remove everything but the first side, or everything but the second."""

    def keeping(title: str, *removed: tuple[int, int]) -> Fix:
        return Fix(title, tuple(Edit(repairs.span(start, end), "") for start, end in removed))

    opened, divided, closed = markers[0], markers[-2], markers[-1]
    return (
        keeping("keep the first side", opened.span(), (markers[1].start(), closed.end())),
        keeping("keep the second side", (opened.start(), divided.end()), closed.span()),
    )
