"""Equal runs of entries in a spec that names lists (HV516)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvaedsl.diagnostics.additions import behind_constants
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.constants import BASE, free_name
from hvaedsl.elaborate.definitions import list_names
from hvaedsl.elaborate.equal_runs import Items, items_inside, items_of_definition, places_of
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.syntax import ast
from hvaedsl.syntax.assignments import assignments
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
    stacks = [item.value for dotted, item in assignments(statements) if dotted in ("model.encoder", "model.decoder")]
    lists += [items for value in stacks for items in items_inside(value)]
    if sum(len(each.items) for each in lists) > _MOST_ITEMS:
        return

    places = _longest(lists)
    if places:
        first, *others = places
        labels = tuple(Label(span, "again") for span in others)
        text = " ".join(first.text.split())
        yield EqualRuns(span=first, run=text, count=len(places), secondary=labels, fix=_fix(unit, places))


def _longest(lists: Sequence[Items]) -> list[Span]:
    """The places of the run that saves most entries if it gets a name; none if no run is written often enough."""
    most, best = 0, list[Span]()
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
                if (saved := len(places) * (len(run) - 1)) > most:
                    most, best = saved, places
    return best


def _fix(unit: Unit, places: Sequence[Span]) -> Fix | None:
    """The fix that names the list; None if the text has no place for its definition."""
    documents, source = unit.documents, unit.documents[-1].source
    taken = {BASE, *(item.name for each in documents for item in references(each))}
    lets = [item for each in documents for item in each.statements if isinstance(item, ast.Let)]
    name = free_name("stage", taken | {item.name.text for item in lets})
    definition = f"let {name} = ({' '.join(places[0].text.split())})"
    own = [item.span for item in lets if item.span.source is source]
    added = behind_constants(source, own, definition)
    if added is None:
        return None
    edits = (added, *(Edit(span, f"${name}") for span in places))
    return Fix(f"write `${name}`, and `{definition}` above", edits)


ADVICE = (Rule(check, ()),)
