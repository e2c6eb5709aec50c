"""One finding for a name that several places use wrongly: they have one cause, and one change mends them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hvaedsl.diagnostics.constants import ListForNumber, NoBase
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.names import UnknownConstant


def once_a_name(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield findings; of those about one undefined constant, one list in place of numbers, or no base, the first."""
    seen: set[tuple[type[Diagnostic], str]] = set()
    for item in found:
        name = _name_in(item)
        if name is None or (type(item), name) not in seen:
            yield item
        if name is not None:
            seen.add((type(item), name))


def _name_in(item: Diagnostic) -> str | None:
    """The name that is used wrongly; None for a finding that is not about the use of one."""
    match item:
        case UnknownConstant():
            return item.name
        case ListForNumber():
            return item.what
        case NoBase():
            return "base"  # other keys probably have none for the same reason
        case _:
            return None
