"""Findings about entries of a named list, at the place where a key uses the list.

A rule sees the entries of a key's list and points at them. Where such an entry is in the definition of another list,
the mistake depends on the use, and so the finding is at the use, with the entry as its second label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label
from hvaedsl.diagnostics.span import ListUse


def at_uses(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield findings, those about entries of a named list at its use.

    A fix that edits the definition is kept if that is in the same file and has no other use.
    """
    for item in found:
        if item.span.use is None:
            yield item
            continue
        use = item.span.use
        label = Label(item.span, "this entry")
        fix = item.fix if item.fix is not None and _is_possible(item.fix, use) else None
        ways = tuple(way for way in item.suggestions if _is_possible(way, use))
        yield replace(item, span=use.span, secondary=(label, *item.secondary), fix=fix, suggestions=ways)


def _is_possible(way: Fix, use: ListUse) -> bool:
    """Whether the edits, which may be in the definition, are in the file of the use and change no other list."""
    return use.alone and all(edit.span.source is use.span.source for edit in way.edits)
