"""From the AST of a block list to a typed one.

An entry with a count of 0 has no block and is left out. A wrong entry is reported and read as one block. If that entry
might have changed the resolution, or its resolution is unknown, the walk is unknown too and no rule follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hvaedsl.diagnostics.additions import at_top_level
from hvaedsl.diagnostics.blocks import LabelOnCopies, LabelOnGroup, TooManyApplications, ZeroCount
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, insertion, item_removals, rewriting, writing
from hvaedsl.diagnostics.names import WrongType
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import MissingCount, UnknownOperator
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.blocks import BlockList, EmptyItem, Entry, Operator, Repeat
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value

MAX_APPLICATIONS = 100_000
_OPERATORS: dict[str, dict[str, tuple[Operator, str]]] = {
    "encoder": {
        "x": ("x", "the number of blocks"),
        "r": ("r", "the number of applications"),
        "d": ("d", "the factor of the pooling"),
    },
    "decoder": {
        "x": ("x", "the number of blocks"),
        "r": ("r", "the number of applications"),
        "m": ("m", "the resolution to mix in"),
    },
}


@dataclass
class BlockReader:
    """Reads the block list of one stack."""

    key: str
    kind: BlockStack
    constants: Constants
    diagnostics: list[Diagnostic] = field(default_factory=list)
    walk_known: bool = True
    counts_known: bool = True  # False if a count is a placeholder
    empty: list[EmptyItem] = field(default_factory=list)
    seen: dict[int, None] = field(default_factory=dict)  # the resolutions of the entries so far

    def read(self, value: ast.Value) -> BlockList | None:
        """The typed list; None if the value is not a block list or applies too many blocks."""
        if not isinstance(value, ast.List) and not self._is_item(value):
            if not isinstance(value, ast.Invalid):
                self._wrong(value)
            return None

        # Wrong entries have been reported by now; a list without any block and without a wrong entry is itself wrong.
        items = BlockList(tuple(self._items(value)), tuple(self.empty))
        if not items.items and self.walk_known:
            self._wrong(value, "a stack has at least one block", found="no block")
        if items.applications > MAX_APPLICATIONS:
            self.diagnostics.append(
                TooManyApplications(
                    span=value.span, stack=self.kind.stack, applications=items.applications, limit=MAX_APPLICATIONS
                )
            )
            return None
        return items if items.items else None

    def _is_item(self, value: ast.Value) -> bool:
        return isinstance(
            value, ast.Block | ast.Integer | ast.Reference | ast.Repeated | ast.Labeled | ast.Group | ast.Negative
        )

    def _items(self, value: ast.Value, label: ast.Name | None = None) -> Iterator[Entry | Repeat]:
        """The items of a value; a list and a group have several."""
        match value:
            case ast.List() | ast.Group():
                self._note_empty(value.items)
                for item in value.items:
                    yield from self._items(item)
            case ast.Repeated():
                count, noted = self._count(value.count, minimum=0), len(self.empty)
                body = tuple(self._items(value.body))
                if not count:
                    del self.empty[noted:]  # what is inside goes with the repetition
                elif body:
                    yield Repeat(count, body)
            case ast.Labeled():
                if isinstance(value.entry, ast.Block | ast.Integer | ast.Reference):
                    yield from self._items(value.entry, value.label)
                else:
                    what = describe(value.entry)
                    fix = _labels_inside(value)
                    self._report(LabelOnGroup(span=value.span, what=what, name=value.label.text, fix=fix))
                    yield from self._items(value.entry)
            case ast.Integer() | ast.Reference():
                yield self._bare(value, label)
            case ast.Block():
                entry = self._block(value, label)
                if entry.applications:
                    yield entry
            case ast.Invalid():
                self.walk_known = False
            case _:
                self.walk_known = False
                self._wrong(value)

    def _note_empty(self, items: Sequence[ast.Value]) -> None:
        """Note the items whose count is the digit 0. A constant that is 0 leaves items out on purpose."""
        spans = [item.span for item in items]
        for at, item in enumerate(items):
            if _is_empty(item):
                edits = item_removals(spans, {at})
                self.empty.append(EmptyItem(item.span, Fix("remove it", edits, safe=True) if edits else None))

    def _bare(self, value: ast.Integer | ast.Reference, label: ast.Name | None) -> Entry:
        if isinstance(value, ast.Integer) and value.suffixed:
            self.walk_known = False
            self._wrong(value, "write the number in full; block lists take no suffixes")
        resolution = self._count(value, walk=True)
        self.seen[resolution] = None
        name, place = (label.text, label.span) if label else (None, None)
        return Entry(resolution, "x", 1, name, value.span, value.span, place)

    def _block(self, block: ast.Block, label: ast.Name | None) -> Entry:
        name, place = (label.text, label.span) if label else (None, None)
        resolution = max(1, block.resolution)
        one = Entry(resolution, "x", 1, name, block.span, block.span, place)  # in place of an entry that cannot be read
        if block.resolution < 1:
            self.walk_known = False
            self._report(ZeroCount(span=block.resolution_span, text=block.span.text))
            return one

        self.seen[resolution] = None
        operators = _OPERATORS[self.kind.stack]
        if block.operator not in operators:
            self.walk_known = False
            self._unknown_operator(block, label)
            return one

        operator, meaning = operators[block.operator]
        moves = operator in "dm"
        if block.argument is None:
            self._placeholder(walk=moves)
            self._missing_count(block, meaning, self._example(operator, resolution, label))
            return one

        argument = self._number(block.argument, walk=moves, example=self._example(operator, resolution, label))
        if argument is None:
            return one
        if operator == "m" and argument < 1:  # HV303 and HV304 check the factor of a pooling
            self._placeholder(walk=moves)
            self._report(ZeroCount(span=block.argument.span, text=block.span.text))
            return one

        if operator == "x" and argument > 1 and label is not None:
            self._copies(block, label, argument)
            operator = "r"
        return Entry(resolution, operator, argument, name, block.span, block.argument.span, place)

    def _unknown_operator(self, block: ast.Block, label: ast.Name | None) -> None:
        letter, name = block.operator[0], block.span.text[block.operator_span.start + 1 - block.span.start :]
        written, fix, suggestions = "", None, []
        if letter in _OPERATORS[self.kind.stack] and name.isidentifier():
            at = block.operator_span.start + 1
            written = f"{block.resolution}{letter}${name}"
            edit, source = insertion(block.span.source, at, "$"), block.span.source
            if name in self.constants.values:
                fix = Fix(f"write `{written}`", (edit,))
            else:
                definition = f"let {name} = {self._example(letter, block.resolution, label)}"
                if defined := at_top_level(source, definition):
                    suggestions.append(Fix(f"write `{written}`, and `{definition}` at the top level", (defined, edit)))
        self._report(
            UnknownOperator(
                span=block.operator_span,
                operator=block.operator,
                stack=self.kind.stack,
                with_constant=written,
                constant=name if written and fix is None else "",
                published=self._published_reading(block),
                fix=fix,
                suggestions=tuple(suggestions),
            )
        )

    def _published_reading(self, block: ast.Block) -> str:
        """What openai/vdvae reads an `m` in an encoder or a `d` in a decoder as; empty for another operator."""
        other = {("encoder", "m"): "d", ("decoder", "d"): "m"}.get((self.kind.stack, block.operator))
        return f"{block.resolution}{other}{block.argument.span.text}" if other and block.argument is not None else ""

    def _example(self, operator: str, resolution: int, label: ast.Name | None) -> int:
        """A number behind an operator: the lowest factor, the last lower resolution that can be mixed in, or 2."""
        if operator == "x" and label is not None:  # a label belongs to one block
            return 1
        divisors = [number for number in range(2, min(resolution, 64) + 1) if resolution % number == 0]
        if operator == "m":
            lower = [other for other in self.seen if other < resolution and resolution % other == 0]
            return lower[-1] if lower else resolution // divisors[0] if divisors else 1
        return divisors[0] if operator == "d" and divisors else 2

    def _missing_count(self, block: ast.Block, missing: str, example: int) -> None:
        end, text = block.span, block.span.text
        at = Span(end.source, end.end, end.end, end.end_line, end.end_column, end.end_line, end.end_column)
        count = writing(at, str(example), shown=f"{text}{example}")
        self._report(MissingCount(span=at, text=text, missing=missing, suggestions=(count,)))

    def _copies(self, block: ast.Block, label: ast.Name, count: int) -> None:
        number = f"${block.argument.name}" if isinstance(block.argument, ast.Reference) else str(count)
        entry = f"{block.resolution}x{number}@{label.text}"
        fix = Fix(f"write `{entry.replace('x', 'r', 1)}`", (Edit(block.operator_span, "r"),))
        self._report(LabelOnCopies(span=block.operator_span, entry=entry, count=count, fix=fix))

    def _count(self, value: ast.Integer | ast.Reference, *, minimum: int = 1, walk: bool = False) -> int:
        """A count of at least `minimum`; 1 for an invalid one. `walk`: the resolutions depend on it."""
        number = self._number(value, walk=walk)
        if number is not None and number < minimum:
            self._placeholder(walk=walk)
            self._report(ZeroCount(span=value.span, text=value.span.text))
        return 1 if number is None or number < minimum else number

    def _number(self, value: ast.Integer | ast.Reference, *, walk: bool, example: int = 2) -> int | None:
        if isinstance(value, ast.Integer):
            return value.value
        if self.constants.explained(value.name):
            self._placeholder(walk=walk)
            return None
        if value.name not in self.constants.values:
            self._placeholder(walk=walk)
            self._report(self.constants.unknown(value, example))
        return self.constants.values.get(value.name)

    def _placeholder(self, *, walk: bool) -> None:
        """Note that an entry is not the one that was meant. `walk`: the resolutions depend on it."""
        self.counts_known = False
        self.walk_known = self.walk_known and not walk

    def _wrong(self, value: ast.Value, hint: str = "", found: str = "") -> None:
        if isinstance(value, ast.Negative):
            hint = "a block entry has no sign"
        fix = self._unquoted(value) if isinstance(value, ast.String) else None
        self._report(
            WrongType(
                span=value.span,
                key=self.key,
                expected=str(self.kind),
                found=found or describe(value),
                hint="remove the quotes" if isinstance(value, ast.String) else hint,
                fix=fix,
            )
        )

    def _unquoted(self, value: ast.String) -> Fix | None:
        """The fix that removes the quotes, if the string is a valid block list."""
        if "#" in value.value:  # it would become a comment
            return None
        bare, problems = parse_value(Source("", value.value))
        reader = BlockReader(self.key, self.kind, self.constants)
        if problems or bare is None or isinstance(bare, ast.String) or reader.read(bare) is None or reader.diagnostics:
            return None
        return Fix("remove the quotes", (rewriting(value.span, value.value),))

    def _report(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)


def are_swapped(encoder: ast.Value, decoder: ast.Value) -> bool:
    """Whether the list of the encoder has operators of a decoder alone, and the reverse."""
    first, second = set(_operators(encoder)) & {"d", "m"}, set(_operators(decoder)) & {"d", "m"}
    return first == {"m"} and second == {"d"}


def _operators(value: ast.Value) -> Iterator[str]:
    """The operators of the block entries in a value."""
    match value:
        case ast.Block():
            yield value.operator
        case ast.Labeled():
            yield from _operators(value.entry)
        case ast.Repeated():
            yield from _operators(value.body)
        case ast.List() | ast.Group():
            for item in value.items:
                yield from _operators(item)
        case _:
            pass


def _labels_inside(value: ast.Labeled) -> Fix | None:
    """The fix that labels each entry of a group, if each is one block."""
    group, source = value.entry, value.span.source
    if not isinstance(group, ast.Group) or not all(map(_is_one_block, group.items)):
        return None

    label = f"@{value.label.text}"
    outside = Edit(source.span(group.span.end, value.span.end), "")
    return Fix(
        "label the entries inside", (*(insertion(source, item.span.end, label) for item in group.items), outside)
    )


def _is_empty(item: ast.Value) -> bool:
    match item:
        case ast.Labeled():
            return _is_empty(item.entry)
        case ast.Block(operator="x" | "r", argument=ast.Integer(value=0)):
            return True
        case ast.Repeated():
            return _is_empty(item.body) or (isinstance(item.count, ast.Integer) and item.count.value == 0)
        case _:
            return False


def _is_one_block(item: ast.Value) -> bool:
    if not isinstance(item, ast.Block):
        return isinstance(item, ast.Integer)
    copies = item.operator == "x" and not (isinstance(item.argument, ast.Integer) and item.argument.value == 1)
    return item.argument is not None and not copies
