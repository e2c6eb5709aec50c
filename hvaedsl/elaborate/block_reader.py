"""From the AST of a block list to a typed one.

An entry with a count of 0 has no block and is left out. A wrong entry is reported and read as one block. If that entry
might have changed the resolution, or its resolution is unknown, the walk is unknown too and no rule follows it.

A named list is read once, as the list of neither stack, and its mistakes are reported there. Where a key uses it, its
entries are put in place, each with the place of that use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hvaedsl.diagnostics.additions import at_top_level
from hvaedsl.diagnostics.blocks import LabelOnCopies, LabelOnGroup, TooManyApplications, ZeroCount
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, insertion, item_removals, rewriting, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.limits import NestingTooDeep
from hvaedsl.diagnostics.names import WrongType
from hvaedsl.diagnostics.span import ListUse, Source, Span
from hvaedsl.diagnostics.syntax import MissingCount, UnknownOperator
from hvaedsl.elaborate.arithmetic import whole_number
from hvaedsl.elaborate.block_shapes import has_zero_count, is_item, is_list, labels_inside
from hvaedsl.elaborate.constants import BASE, Constants
from hvaedsl.elaborate.list_arithmetic import count_behind, misread_arithmetic
from hvaedsl.elaborate.read_lists import Copies, Item, ReadList, Use, applications_of, depth_of, operators_of
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.blocks import BlockList, EmptyItem, Entry, Operator, Repeat
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.syntax import ast
from hvaedsl.syntax.limited_tokens import MAX_NESTING
from hvaedsl.syntax.parser import parse_value

MAX_APPLICATIONS = 100_000
_ENCODER: Mapping[str, tuple[Operator, str]] = {
    "x": ("x", "the number of blocks"),
    "r": ("r", "the number of applications"),
    "d": ("d", "the factor of the pooling"),
}
_DECODER: Mapping[str, tuple[Operator, str]] = {
    "x": _ENCODER["x"],
    "r": _ENCODER["r"],
    "m": ("m", "the resolution to mix in"),
}
_OPERATORS: Mapping[str, Mapping[str, tuple[Operator, str]]] = {
    "encoder": _ENCODER,
    "decoder": _DECODER,
    "list": {**_ENCODER, **_DECODER},  # of a named list, which either stack may use
}
# The list of the base at a `$base`; None if there is none, or it cannot be read, which is then reported.
ReadBase = Callable[[ast.Reference], ReadList | None]


@dataclass
class BlockReader:
    """Reads the block list of one stack, or of a `let`, which has no kind."""

    key: str
    kind: BlockStack | None
    constants: Constants
    base: ReadBase = lambda _: None
    has_base: bool = False  # whether `$base` has a value
    diagnostics: list[Diagnostic] = field(default_factory=list)
    walk_known: bool = True
    counts_known: bool = True  # False if a count is a placeholder
    empty: list[EmptyItem] = field(default_factory=list)
    seen: dict[int, None] = field(default_factory=dict)  # the resolutions of the entries so far
    unknown: set[str] = field(default_factory=set)  # operators that have been reported

    @property
    def stack(self) -> str:
        """The stack, or `list` for a named list."""
        return self.kind.stack if self.kind is not None else "list"

    def read(self, value: ast.Value) -> BlockList | None:
        """The typed list; None if the value is not a block list or applies too many blocks."""
        found = self.read_names(value)
        return self.put_in_place(value, found) if found is not None else None

    def read_names(self, value: ast.Value) -> ReadList | None:
        """The list with the names of other lists in it; None if the value is not a block list."""
        if not isinstance(value, ast.List) and not is_item(value):
            if not isinstance(value, ast.Invalid):
                self._wrong(value)
            return None
        items = tuple(self._items(value))
        return ReadList(
            items,
            tuple(dict.fromkeys(self.empty)),
            self.walk_known,
            self.counts_known,
            applications=applications_of(items),
            depth=depth_of(items),
            operators=operators_of(items) if self.kind is None else frozenset(),  # asked of named lists alone
        )

    def put_in_place(self, value: ast.Value, found: ReadList) -> BlockList | None:
        """The list with the entries of other lists in the place of their names; None if it applies too many blocks."""
        if found.applications > MAX_APPLICATIONS:
            self._report(
                TooManyApplications(
                    span=value.span, stack=self.stack, applications=found.applications, limit=MAX_APPLICATIONS
                )
            )
            return None

        # Wrong entries have been reported by now; a list without any block and without a wrong entry is itself wrong.
        items = BlockList(tuple(self._in_place(found.items)), found.empty)
        if not items.items and self.walk_known:
            self._wrong(value, "a stack has at least one block", found="no block")
        return items if items.items else None

    def _in_place(self, items: Sequence[Item], use: ListUse | None = None) -> Iterator[Entry | Repeat]:
        for item in items:
            match item:
                case Entry():
                    yield item if use is None else self._used(item, use)
                case Repeat() if use is None:
                    yield item
                case Repeat() | Copies():
                    if body := tuple(self._in_place(item.body, use)):
                        yield Repeat(item.count, body)
                case Use() if item.content.applications:  # lists without blocks may use each other 2^60 times
                    alone = item.content.alone and (use is None or use.alone)
                    place = ListUse(item.span if use is None else use.span, alone)
                    yield from self._in_place(item.content.items, place)

    def _used(self, entry: Entry, use: ListUse) -> Entry:
        """An entry of a list at its use, in which an operator of the other stack is a mistake."""
        places = (entry.span, entry.argument_span, entry.label_span)
        span, argument, label = (None if place is None else replace(place, use=use) for place in places)
        if entry.operator in _OPERATORS[self.stack]:
            return replace(entry, span=span, argument_span=argument, label_span=label)
        assert span is not None
        self.walk_known = False
        self._report(UnknownOperator(span=span, operator=entry.operator, stack=self.stack))
        return replace(entry, operator="x", argument=1, span=span, argument_span=argument, label_span=label)

    def _items(self, value: ast.Value, label: ast.Name | None = None) -> Iterator[Item]:
        """The items of a value; a list and a group have several."""
        match value:
            case ast.List() | ast.Group():
                self._note_empty(value.items)
                for item in value.items:
                    yield from self._items(item)
            case ast.Repeated():
                yield from self._repeated(value)
            case ast.Labeled():
                is_list = isinstance(value.entry, ast.Reference) and self._names_list(value.entry)
                if isinstance(value.entry, (ast.Block, ast.BlockOf, ast.Integer, ast.Reference)) and not is_list:
                    yield from self._items(value.entry, value.label)
                else:
                    what = describe(value.entry) if not is_list else f"the list `{value.entry.span.text}`"
                    fix = labels_inside(value)
                    self._report(LabelOnGroup(span=value.span, what=what, name=value.label.text, fix=fix))
                    yield from self._items(value.entry)
            case ast.Reference() if self._names_list(value):
                yield from self._list(value)
            case ast.Integer() | ast.Reference():
                yield self._bare(value, label)
            case ast.Block() | ast.BlockOf():
                entry = self._block(value, label)
                if entry.applications:
                    yield entry
            case ast.Arithmetic():
                self.walk_known = False
                found = misread_arithmetic(value, self.constants)
                self.diagnostics.extend(found)
            case ast.Invalid():
                self.walk_known = False
            case _:
                self.walk_known = False
                self._wrong(value)

    def _repeated(self, value: ast.Repeated) -> Iterator[Item]:
        if isinstance(value.count, ast.Reference) and self._names_list(value.count):
            self.walk_known = False
            self.diagnostics.append(count_behind(value))
            return
        count, noted = self._count(value.count, minimum=0), len(self.empty)
        body = tuple(self._items(value.body))
        if not count:
            del self.empty[noted:]  # what is inside goes with the repetition
        elif body:
            plain = tuple(item for item in body if isinstance(item, (Entry, Repeat)))
            yield Repeat(count, plain) if len(plain) == len(body) else Copies(count, body)

    def _names_list(self, value: ast.Reference) -> bool:
        return value.name == BASE or value.name in self.constants.lists

    def _list(self, value: ast.Reference) -> Iterator[Item]:
        """The use of a named list or of the base's list; nothing if it cannot be read."""
        content = None
        if not self.constants.explained(value.name):
            content = self.base(value) if value.name == BASE else self.constants.lists[value.name]
        if content is None:
            self._placeholder(walk=True)
            return
        if content.depth >= MAX_NESTING:
            self._placeholder(walk=True)
            self._report(NestingTooDeep(span=value.span, limit=MAX_NESTING, one="list"))
            return

        self.walk_known = self.walk_known and content.walk_known
        self.counts_known = self.counts_known and content.counts_known
        self.empty += content.empty
        yield Use(content, value.span)

    def _note_empty(self, items: Sequence[ast.Value]) -> None:
        """Note the items whose count is the digit 0. A constant that is 0 leaves items out on purpose."""
        spans = [item.span for item in items]
        kept = [item for item in items if not has_zero_count(item)]
        stays_list = self.kind is not None or len(kept) > 1 or any(map(is_list, kept))  # `(8x0, 8)`, but not `(8)`
        for at, item in enumerate(items):
            if has_zero_count(item):
                edits = item_removals(spans, {at}) if stays_list else ()
                self.empty.append(EmptyItem(item.span, Fix("remove it", edits, safe=True) if edits else None))

    def _bare(self, value: ast.Integer | ast.Reference, label: ast.Name | None) -> Entry:
        if isinstance(value, ast.Integer) and value.suffixed:
            self.walk_known = False
            self._wrong(value, "write the number in full; block lists take no suffixes")
        resolution = self._count(value, walk=True, more=(BASE,) if self.has_base else ())
        self.seen[resolution] = None
        name, place = (label.text, label.span) if label else (None, None)
        return Entry(resolution, "x", 1, name, value.span, value.span, place)

    def _block(self, block: ast.Block | ast.BlockOf, label: ast.Name | None) -> Entry:
        name, place = (label.text, label.span) if label else (None, None)
        resolution = max(1, block.resolution)
        one = Entry(resolution, "x", 1, name, block.span, block.span, place)  # in place of an entry that cannot be read
        if block.resolution < 1:
            self.walk_known = False
            self._zero(block, block, 0)
            return one

        self.seen[resolution] = None
        operators = _OPERATORS[self.stack]
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
        minimum = 1 if operator == "m" else 0  # HV303 and HV304 check the factor of a pooling
        if argument < minimum:
            self._placeholder(walk=moves)
            self._zero(block.argument, block, argument, minimum)
            return one

        if operator == "x" and argument > 1 and label is not None:
            self._copies(block, label, argument)
            operator = "r"
        return Entry(resolution, operator, argument, name, block.span, block.argument.span, place)

    def _zero(self, value: ast.Value, entry: ast.Value, found: int, minimum: int = 1) -> None:
        """Report a number that is too low; of a block that is its resolution."""
        span = value.resolution_span if isinstance(value, (ast.Block, ast.BlockOf)) else value.span
        text = " ".join(entry.span.text.split())
        self._report(ZeroCount(span=span, text=text, found=found, minimum=minimum))

    def _unknown_operator(self, block: ast.Block | ast.BlockOf, label: ast.Name | None) -> None:
        if block.operator in self.unknown:  # an entry more of the other stack, or the same word
            return
        self.unknown.add(block.operator)
        letter, name = block.operator[0], block.span.text[block.operator_span.start + 1 - block.span.start :]
        written, fix, suggestions = "", None, []
        if letter in _OPERATORS[self.stack] and name.isidentifier():
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
                stack=self.stack,
                with_constant=written,
                constant=name if written and fix is None else "",
                published=self._published_reading(block),
                fix=fix,
                suggestions=tuple(suggestions),
            )
        )

    def _published_reading(self, block: ast.Block | ast.BlockOf) -> str:
        """What openai/vdvae reads an `m` in an encoder or a `d` in a decoder as; empty for another operator."""
        other = {("encoder", "m"): "d", ("decoder", "d"): "m"}.get((self.stack, block.operator))
        if not other or not isinstance(block, ast.Block) or block.argument is None:
            return ""
        return f"{block.resolution}{other}{_argument(block)}"

    def _example(self, operator: str, resolution: int, label: ast.Name | None) -> int:
        """A number behind an operator: the lowest factor, the last lower resolution that can be mixed in, or 2."""
        if operator == "x" and label is not None:  # a label belongs to one block
            return 1
        divisors = [number for number in range(2, min(resolution, 64) + 1) if resolution % number == 0]
        if operator == "m":
            lower = [other for other in self.seen if other < resolution and resolution % other == 0]
            return lower[-1] if lower else resolution // divisors[0] if divisors else 1
        return divisors[0] if operator == "d" and divisors else 2

    def _missing_count(self, block: ast.Block | ast.BlockOf, missing: str, example: int) -> None:
        end, text = block.span, block.span.text
        at = Span(end.source, end.end, end.end, end.end_line, end.end_column, end.end_line, end.end_column)
        count = writing(at, str(example), shown=f"{text}{example}")
        self._report(MissingCount(span=at, text=text, missing=missing, suggestions=(count,)))

    def _copies(self, block: ast.Block | ast.BlockOf, label: ast.Name, count: int) -> None:
        entry = f"{block.resolution}x{_argument(block)}@{label.text}"
        fix = Fix(f"write `{entry.replace('x', 'r', 1)}`", (Edit(block.operator_span, "r"),))
        self._report(LabelOnCopies(span=block.operator_span, entry=entry, count=count, fix=fix))

    def _count(
        self, value: ast.Integer | ast.Reference, *, minimum: int = 1, walk: bool = False, more: Sequence[str] = ()
    ) -> int:
        """A count of at least `minimum`; 1 for an invalid one. `walk`: the resolutions depend on it."""
        number = self._number(value, walk=walk, more=more)
        if number is not None and number < minimum:
            self._placeholder(walk=walk)
            self._zero(value, value, number, minimum)
        return 1 if number is None or number < minimum else number

    def _number(self, value: ast.Value, *, walk: bool, example: int = 2, more: Sequence[str] = ()) -> int | None:
        """A number; None for a mistake. `more` are names that may be meant beside those of the constants."""
        if isinstance(value, ast.Integer):
            return value.value
        try:
            return whole_number(value, self.constants, example=example, more=more)
        except SpecError as error:
            self.diagnostics.extend(error.diagnostics)
            self._placeholder(walk=walk)
            return None

    def _placeholder(self, *, walk: bool) -> None:
        """Note that an entry is not the one that was meant. `walk`: the resolutions depend on it."""
        self.counts_known = False
        self.walk_known = self.walk_known and not walk

    def _wrong(self, value: ast.Value, hint: str = "", found: str = "") -> None:
        if isinstance(value, ast.Negative):
            hint = "a block entry has no sign"
        fix = self._unquoted(value) if isinstance(value, ast.String) and self.kind is not None else None
        self._report(
            WrongType(
                span=value.span,
                key=self.key,
                expected=str(self.kind) if self.kind is not None else "a block list such as (32x2, 32d2)",
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


def _argument(block: ast.Block | ast.BlockOf) -> str:
    """The argument as it is written; an expression has parentheses."""
    assert block.argument is not None
    text = " ".join(block.argument.span.text.split())
    return f"({text})" if isinstance(block, ast.BlockOf) else text
