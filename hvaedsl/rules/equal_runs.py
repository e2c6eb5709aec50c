"""Equal runs of entries in a spec that names lists (HV516)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, Severity, insertion
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.elaborate.definitions import list_names
from hvaedsl.elaborate.equal_runs import Items, items_inside, items_of_definition, places_of
from hvaedsl.elaborate.list_arithmetic import free_name
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references


class EqualRuns(Diagnostic):
    """HV516."""

    code = "HV516"
    severity = Severity.ADVICE
    title = "the entries `{run}` are written {count} times"
    label = "the first time"
    help = "{way_out}"
    why = (
        "A spec that names one list tells its reader that equal stages have names. Three equal runs of entries without "
        "one look as if they differed, and a change has to be made three times. Specs without a named list are not "
        "checked, since the published block strings repeat themselves."
    )
    rests_on = "Computed here: with the list, the resolved spec is the same."
    bad = spec(
        top="hvae 1\nlet top = (4x1, 4r2)",
        encoder="8x1, 8r2, 8r3, 8x1, 8r2, 8d2, $top",
        decoder="$top, 8m4, 8x1, 8r2, 8r4",
    )
    good = spec(
        top="hvae 1\nlet stage = (8x1, 8r2)",
        encoder="$stage, 8r3, $stage, 8d2, 4x1",
        decoder="4x1, 8m4, $stage, 8r4",
    )

    run: str
    count: int

    @property
    def way_out(self) -> str:
        """The list, with a name that is free."""
        return self.proposal or "name the list with a `let`, and write its name"


LEAST_TIMES, LEAST_ENTRIES, LONGEST = 3, 2, 12
_MOST_ITEMS = 1000  # of a text in which runs are searched for


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the run of entries of the spec itself whose list would save most, in a spec that names a list."""
    statements = unit.documents[-1].statements
    lets = {item.name.text: item.value for item in statements if isinstance(item, ast.Let)}
    named = list_names(lets)
    if not named:
        return
    lists = [items for name in lets if name in named for items in items_of_definition(name, lets[name])]
    lists += [items for value in _block_lists(statements, "") for items in items_inside(value)]
    if sum(len(each.items) for each in lists) > _MOST_ITEMS:
        return

    run, places = _longest(lists)
    if places:
        first, *others = places
        labels = tuple(Label(span, "again") for span in others)
        text = " ".join(first.text.split())
        yield EqualRuns(span=first, run=text, count=len(places), secondary=labels, fix=_fix(unit, places, len(run)))


def _block_lists(statements: Sequence[ast.Statement], section: str) -> Iterator[ast.Value]:
    for item in statements:
        if isinstance(item, ast.Section):
            yield from _block_lists(item.statements, f"{section}.{item.name.text}".lstrip("."))
        elif isinstance(item, ast.Assignment):
            key = SCHEMA.get(section, {}).get(item.key.text)
            if key is not None and isinstance(key.kind, BlockStack):
                yield item.value


def _longest(lists: Sequence[Items]) -> tuple[tuple[str, ...], list[Span]]:
    """The run that saves most entries if it gets a name, and its places; none if no run is written often enough."""
    best: tuple[int, tuple[str, ...], list[Span]] = (0, (), [])
    seen: set[tuple[str, ...]] = set()
    for each in lists:
        for first in range(len(each.texts)):
            for end in range(first + LEAST_ENTRIES, min(first + LONGEST, len(each.texts)) + 1):
                run = each.texts[first:end]
                if not all(run):
                    break
                if run in seen:
                    continue
                seen.add(run)
                places = places_of(lists, run)
                if len(places) < LEAST_TIMES:
                    break  # a longer run is not written more often
                saved = len(places) * (len(run) - 1)
                if saved > best[0]:
                    best = saved, run, places
    return best[1], best[2]


def _fix(unit: Unit, places: Sequence[Span], entries: int) -> Fix | None:
    """The fix that names the list, behind the last `let`; None if a definition has no line of its own."""
    document = unit.documents[-1]
    taken = {BASE, *(item.name for each in unit.documents for item in references(each))}
    taken |= {item.name.text for each in unit.documents for item in each.statements if isinstance(item, ast.Let)}
    last = [item for item in document.statements if isinstance(item, ast.Let)][-1].span
    if entries < LEAST_ENTRIES or last.source.text[last.end : last.end + 1] not in ("\n", "\r", ""):
        return None
    name = free_name("stage", taken)
    definition = f"let {name} = ({' '.join(places[0].text.split())})"
    edits = (insertion(last.source, last.end, f"\n{definition}"), *(Edit(span, f"${name}") for span in places))
    return Fix(f"write `${name}`, and `{definition}` above", edits)


ADVICE = (Rule(check, ()),)
