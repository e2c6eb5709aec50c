"""The constants of a chain of documents and the command line: their kinds, their order, and their values.

Each is evaluated once, after everything is merged: a base's `let m = 2*$n` sees the child's `n`. A definition that is
overridden is not evaluated, but its kind is that of the name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from hvaedsl.diagnostics.constants import ConstantCycle, LetBase, ListForNumber, MisplacedBase, NumberForList
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.limits import NestingTooDeep
from hvaedsl.diagnostics.names import ConstantNotWhole
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.arithmetic import is_expression, whole_number
from hvaedsl.elaborate.block_reader import BlockReader
from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.constants import BASE, Constants, free_name
from hvaedsl.elaborate.read_lists import ReadList
from hvaedsl.elaborate.words import describe
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references


class Definition(Record):
    """`let name = value` of a document or of the command line."""

    name: str
    value: ast.Value
    span: Span  # of the name
    depth: int  # of its document in the chain, 0 for the root base; the command line is above all


# The definitions of each name, that of the root base first; the last one counts.
Definitions = Mapping[str, Sequence[Definition]]


def evaluate(
    definitions: Definitions, lost: Collection[str], *, some_lost: bool, count_uses: Callable[[], Counter[str]]
) -> tuple[Constants, list[Diagnostic]]:
    """The values of all constants, and the mistakes in their definitions.

    `lost` are the names whose definition could not be parsed. `count_uses` gives the number of uses of each name; it is
    called if there is a list.
    """
    return _Evaluation(definitions, set(lost), some_lost, count_uses).run()


def list_names(values: Mapping[str, ast.Value]) -> set[str]:
    """The names whose value is a list by its own text, or because it has the name of such a list."""
    users: dict[str, list[str]] = {}
    for name, value in values.items():
        for reference in references(value):
            users.setdefault(reference.name, []).append(name)
    found = {name for name, value in values.items() if is_list(value)}
    waiting = list(found)
    while waiting:
        new = [user for user in users.get(waiting.pop(), ()) if user not in found]
        found.update(new)
        waiting += new
    return found


@dataclass
class _Evaluation:
    definitions: Definitions
    unreadable: set[str]
    some_lost: bool
    count_uses: Callable[[], Counter[str]]
    values: dict[str, int] = field(default_factory=dict)
    lists: dict[str, ReadList] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def run(self) -> tuple[Constants, list[Diagnostic]]:
        self._check_names()
        self._check_kinds()
        for name in self._order():
            if name not in self.unreadable:
                self._evaluate(self.definitions[name][-1])

        # A placeholder, for suggestions and `--let`; `unreadable` says that it is one.
        for name in self.unreadable.difference(self.lists):
            self.values.setdefault(name, 1)
        return self._constants(), self.diagnostics

    def _constants(self) -> Constants:
        return Constants(self.values, self.lists, self.unreadable, self.some_lost)

    def _check_names(self) -> None:
        """Report definitions of `base`, and uses of `$base` in definitions."""
        for definition in self.definitions.get(BASE, ()):
            self.diagnostics.append(LetBase(span=definition.span, fix=self._renamed(definition)))
            self.unreadable.add(BASE)
        for name, found in self.definitions.items():
            for definition in found:
                place = next((item for item in references(definition.value) if item.name == BASE), None)
                if place is not None and BASE not in self.definitions:
                    self.diagnostics.append(MisplacedBase(span=place.span, place="in a `let`"))
                    self.unreadable.add(name)

    def _renamed(self, definition: Definition) -> Fix | None:
        """The fix that renames a constant called `base` in its file; that of the command line has none."""
        source = definition.span.source
        if source.path is None and source.name.startswith("--"):
            return None
        name = free_name("base_value", list(self.definitions))
        uses = [Edit(place, f"${name}") for place in _uses_in_text(source, BASE)]
        return Fix(f"rename it to `{name}` in this file", (Edit(definition.span, name), *uses))

    def _check_kinds(self) -> None:
        """Report definitions that are no constant, and those of another kind than the first one of their name."""
        self.list_names = list_names({name: found[0].value for name, found in self.definitions.items()})
        for name, found in self.definitions.items():
            if name == BASE:
                continue
            for at, definition in enumerate(found):
                if isinstance(definition.value, ast.Invalid):
                    self.unreadable.add(name)
                elif not _is_constant(definition.value):
                    self._not_a_constant(definition)
                elif at and self._is_list(definition.value) != (name in self.list_names):
                    self._other_kind(definition, found[0])

    def _is_list(self, value: ast.Value) -> bool:
        return is_list(value) or any(item.name in self.list_names for item in references(value))

    def _not_a_constant(self, definition: Definition) -> None:
        value = definition.value
        self.unreadable.add(definition.name)
        ways: tuple[Fix, ...] = ()
        if isinstance(value, ast.Float) and value.value.is_integer() and abs(value.value) < 1e15:
            ways = (writing(value.span, str(int(value.value))),)
        found = describe(value)
        self.diagnostics.append(ConstantNotWhole(span=value.span, name=definition.name, found=found, suggestions=ways))

    def _other_kind(self, definition: Definition, first: Definition) -> None:
        span = definition.value.span
        label = Label(first.value.span, f"`{first.name}` is a {'list' if first.name in self.list_names else 'number'}")
        self.unreadable.add(definition.name)
        what = f"the new value of `{definition.name}`"
        if first.name in self.list_names:
            block = f"{definition.value.value}x1" if isinstance(definition.value, ast.Integer) else ""
            ways = (writing(span, block),) if block else ()
            self.diagnostics.append(NumberForList(span=span, what=what, secondary=(label,), suggestions=ways))
        else:
            self.diagnostics.append(ListForNumber(span=span, what=what, keeps_kind=True, secondary=(label,)))

    # --- order

    def _order(self) -> list[str]:
        """The names, each behind those that it uses; a cycle is reported, and its names are unreadable."""
        edges = {
            name: [item for item in references(found[-1].value) if item.name in self.definitions]
            for name, found in self.definitions.items()
        }
        order: list[str] = []
        state: dict[str, int] = {}  # 1: being visited, 2: done
        for root in edges:
            if root in state:
                continue
            state[root] = 1
            path = [(root, iter(edges[root]))]
            while path:
                name, rest = path[-1]
                reference = next(rest, None)
                if reference is None:
                    path.pop()
                    state[name] = 2
                    order.append(name)
                elif reference.name not in state:
                    state[reference.name] = 1
                    path.append((reference.name, iter(edges[reference.name])))
                elif state[reference.name] == 1 and reference.name not in self.unreadable:
                    names = [item for item, _ in path]
                    self._report_cycle(names[names.index(reference.name) :], edges)
        return order

    def _report_cycle(self, names: Sequence[str], edges: Mapping[str, Sequence[ast.Reference]]) -> None:
        """Report a cycle, at the reference that is nearest to the spec itself."""
        links = []
        for at, name in enumerate(names):
            target = names[(at + 1) % len(names)]
            links.append(next(item for item in edges[name] if item.name == target))
        first = min(range(len(links)), key=lambda at: (-self._nearness(names[at]), links[at].span.start))
        names, links = [*names[first:], *names[:first]], [*links[first:], *links[:first]]
        labels = tuple(Label(link.span, "and here") for link in links[1:])
        in_base = len(names) == 1 and len(self.definitions[names[0]]) > 1
        is_option = links[0].span.source.path is None and links[0].span.source.name.startswith("--let")
        path = (*names, names[0])
        self.unreadable.update(names)
        self.diagnostics.append(
            ConstantCycle(span=links[0].span, names=path, in_base=in_base, is_option=is_option, secondary=labels)
        )

    def _nearness(self, name: str) -> int:
        """How near the definition of a name is to the spec itself: the command line is nearest."""
        return self.definitions[name][-1].depth

    # --- values

    @cached_property
    def _uses(self) -> Counter[str]:
        return self.count_uses()

    def _evaluate(self, definition: Definition) -> None:
        name, value = definition.name, definition.value
        if name not in self.list_names:
            try:
                self.values[name] = whole_number(value, self._constants())
            except SpecError as error:
                self.diagnostics += error.diagnostics
                self.unreadable.add(name)
            return

        reader = BlockReader(f"let {name}", None, self._constants())
        found = reader.read_names(value)
        self.diagnostics += reader.diagnostics
        is_cut = any(isinstance(item, NestingTooDeep) for item in reader.diagnostics)
        if found is None or is_cut or any(item.name in self.unreadable for item in references(value)):
            self.unreadable.add(name)
        else:
            self.lists[name] = replace(found, alone=self._uses[name] == 1)


def _uses_in_text(source: Source, name: str) -> Iterator[Span]:
    """The places of `$name` in a text, outside of strings and comments."""
    for found in re.finditer(rf'"(?:\\[^\r\n]|[^"\\\r\n])*"|#[^\r\n]*|(\${name})(?!\w)', source.text):
        if found[1] is not None:
            yield source.span(*found.span())


def _is_constant(value: ast.Value) -> bool:
    """Whether a value can be a number or a list; mistakes inside it are found when it is evaluated."""
    return isinstance(value, ast.Integer) or is_expression(value) or is_list(value)
