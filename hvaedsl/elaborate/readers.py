"""From the AST of a value to a typed value: one reader for each kind in `hvaedsl.ir.kinds`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, singledispatchmethod
from typing import TYPE_CHECKING, Literal, NoReturn

from hvaedsl.diagnostics.constants import MisplacedBase, NoBase
from hvaedsl.diagnostics.diagnostic import Diagnostic, Label, nearest, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.names import DuplicateEntry, OutOfRange, UnknownSymbol, WrongType
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.arithmetic import is_expression, whole_number
from hvaedsl.elaborate.block_reader import BlockReader, ReadBase
from hvaedsl.elaborate.calls import AnyCall, residual_block, value_of_call
from hvaedsl.elaborate.constants import BASE, Constants
from hvaedsl.elaborate.image_sizes import image_size
from hvaedsl.elaborate.meant import example_of, meant, meant_as_other, suffixed
from hvaedsl.elaborate.quoted import custom_name, dataset_name, filled_text
from hvaedsl.elaborate.read_lists import ReadList
from hvaedsl.elaborate.removals import removal_of
from hvaedsl.elaborate.words import describe, is_hyphenated
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.kinds import (
    FLAGS,
    OTHER,
    BlockCall,
    BlockStack,
    ByResolution,
    ByWeightName,
    CallOf,
    Choice,
    ChoiceOrCustom,
    DatasetName,
    Either,
    FilePath,
    Flag,
    FunctionName,
    Kind,
    LikelihoodCall,
    NameInQuotes,
    Number,
    Optional,
    OrCall,
    Pair,
    PoolingCall,
    Several,
    Size,
    Steps,
    StepsOrMinutes,
    Text,
    WeightName,
    Whole,
)
from hvaedsl.ir.training import Epochs, Minutes
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value

if TYPE_CHECKING:
    _dispatched = singledispatchmethod
else:

    class _dispatched(singledispatchmethod):  # noqa: N801 - a decorator
        """`singledispatchmethod`, which copies the name and the docstring of its function at each call."""

        def __get__(self, instance, owner=None):
            """The method of the object, which calls the one of the type of its first argument."""
            dispatch = self.dispatcher.dispatch
            return lambda kind, *rest: dispatch(kind.__class__).__get__(instance, owner)(kind, *rest)


@dataclass
class Reader:
    """Reads the value of one key. Every method raises `SpecError` if the value does not fit."""

    key: str
    constants: Constants
    diagnostics: list[Diagnostic]  # of values that could be read in spite of them
    entry_spans: dict[int | str, Span]  # of the entries of a map, by resolution or `other`
    poisoned: set[str]  # gets `KEY.walk` and `KEY.counts` if the resolutions or counts of a block list are unknown
    bases: Sequence[ast.Value] = ()  # the values of the key in the bases, the nearest first
    base_lost: bool = False  # whether a reported mistake explains that a base has no value
    optional: bool = False  # whether the key also takes `none`

    @_dispatched
    def read(self, kind: Kind, value: ast.Value) -> object:
        """The typed value."""
        raise AssertionError(f"no reader for {kind}, the value is {value}")

    @read.register
    def _(self, kind: Whole, value: ast.Value) -> int | Epochs | Minutes:
        if isinstance(kind, Steps) and isinstance(value, ast.Epochs):
            return Epochs(self.read(Whole(kind.minimum), value.count))  # type: ignore[arg-type]  # which gives an int
        if isinstance(kind, StepsOrMinutes) and isinstance(value, ast.Minutes):
            return Minutes(self.read(Whole(kind.minimum), value.count))  # type: ignore[arg-type]  # the same
        number = self.number(kind, value)
        if not isinstance(number, int):
            self.wrong(kind, value)
        if number < kind.minimum or (kind.maximum is not None and number > kind.maximum):
            self._out_of_range(kind, value, str(number))
        return number

    @read.register
    def _(self, kind: Size, value: ast.Value) -> int | ImageSize:
        return image_size(self, kind, value)

    @read.register
    def _(self, kind: Number, value: ast.Value) -> float:
        number = float(self.number(kind, value))
        fits = (
            abs(number) <= kind.largest
            and (kind.minimum is None or number >= kind.minimum)
            and (kind.above is None or number > kind.above)
            and (kind.maximum is None or number <= kind.maximum)
            and (kind.below is None or number < kind.below)
        )
        if not fits:
            kind = kind if abs(number) <= kind.largest else kind.within_type()
            self._out_of_range(kind, value, f"{number:g}", kind.instead_of_zero if number == 0 else "")
        return number

    @read.register
    def _(self, kind: Text, value: ast.Value) -> str:
        if not isinstance(value, ast.String):
            self.wrong(kind, value)
        return value.value

    @read.register(FilePath)
    @read.register(NameInQuotes)
    def _(self, kind: FilePath | NameInQuotes, value: ast.Value) -> str:
        return filled_text(self, kind, value)

    @read.register
    def _(self, kind: Choice, value: ast.Value) -> str:
        if not isinstance(value, ast.Symbol):
            self.wrong(kind, value)
        if value.name not in kind.symbols:
            self.unknown(value.span, value.name, kind.symbols)
        return value.name

    @read.register
    def _(self, kind: ChoiceOrCustom, value: ast.Value) -> str:
        if isinstance(value, ast.String):
            read = dataset_name if isinstance(kind, DatasetName) else custom_name
            return read(self, kind, value, kind.symbols)
        if not isinstance(value, ast.Symbol):
            self.wrong(kind, value)
        return self.read(Choice(kind.symbols), value)  # type: ignore[return-value]  # a choice gives a symbol

    @read.register
    def _(self, kind: BlockCall, value: ast.Value) -> str:
        if isinstance(value, ast.Call):
            return residual_block(self, kind, value)
        return self.read(ChoiceOrCustom(kind.symbols), value)  # type: ignore[return-value]  # a choice gives a symbol

    @read.register
    def _(self, kind: Flag, value: ast.Value) -> bool:
        if not isinstance(value, ast.Symbol) or value.name not in FLAGS:
            self.wrong(kind, value)
        return FLAGS[value.name]

    @read.register
    def _(self, kind: FunctionName, value: ast.Value) -> str:
        if not isinstance(value, ast.String):
            self.wrong(kind, value)
        return custom_name(self, kind, value, ())

    @read.register
    def _(self, kind: Several, value: ast.Value) -> tuple[object, ...]:
        if isinstance(kind.of, Whole) and isinstance(value, ast.Symbol):
            self.wrong(kind, value)  # a word for several values, such as `rgb`
        found: dict[object, Span] = {}
        for item, use in self._entries(value):
            read, span = self.read(kind.of, item), item.span if use is None else use
            if read in found:
                first = Label(found[read], "first written here")
                fix = None
                if use is None and isinstance(value, ast.List):
                    fix = removal_of(value.items, item, safe=True)  # safe, since the list is a set
                self.fail(DuplicateEntry(span=span, key=str(read), what="value", secondary=(first,), fix=fix))
            found[read] = span
        if not found:
            self.wrong(kind, value)
        if not isinstance(kind.of, WeightName):
            return tuple(found)
        self.entry_spans |= {str(name): place for name, place in found.items()}
        return tuple(sorted(map(str, found)))

    def _entries(self, value: ast.Value, use: Span | None = None) -> Iterator[tuple[ast.Value, Span | None]]:
        """The items of a list, with those of the base in the place of `$base`, and that place."""
        for item in value.items if isinstance(value, ast.List) else (value,):
            if not (isinstance(item, ast.Reference) and item.name == BASE):
                yield item, use
            elif not self.bases:
                raise SpecError(self._no_base(item))
            elif not (isinstance(self.bases[0], ast.Symbol) and self.bases[0].name == "none"):
                below = replace(self, bases=self.bases[1:])
                yield from below._entries(self.bases[0], item.span if use is None else use)

    def _no_base(self, reference: ast.Reference) -> list[Diagnostic]:
        return [] if self.base_lost else [NoBase(span=reference.span, key=self.key)]

    @read.register
    def _(self, kind: WeightName, value: ast.Value) -> str:
        if not isinstance(value, ast.Symbol):
            self.wrong(kind, value)
        return value.name

    @read.register(PoolingCall)
    @read.register(LikelihoodCall)
    @read.register(CallOf)
    @read.register(OrCall)
    def _(self, kind: AnyCall, value: ast.Value) -> object:
        return value_of_call(self, kind, value)

    @read.register
    def _(self, kind: Optional, value: ast.Value) -> object:
        if isinstance(value, ast.Symbol) and value.name == "none":
            return None
        return replace(self, optional=True).read(kind.of, value)

    @read.register
    def _(self, kind: Pair, value: ast.Value) -> tuple[float, float]:
        if not isinstance(value, ast.List) or len(value.items) != 2:
            self.wrong(kind, value)
        first, second = (self.read(kind.of, item) for item in value.items)
        assert isinstance(first, float)
        assert isinstance(second, float)
        return first, second

    @read.register
    def _(self, kind: ByResolution, value: ast.Value) -> dict[int | str, object]:
        if not isinstance(value, ast.Map):
            self.wrong(kind, value)

        return self._entries_of_map(kind, value)

    @read.register
    def _(self, kind: ByWeightName, value: ast.Value) -> dict[int | str, object]:
        if not isinstance(value, ast.Map):
            self.wrong(kind, value)
        return self._entries_of_map(kind, value)

    def _entries_of_map(self, kind: ByResolution | ByWeightName, value: ast.Map) -> dict[int | str, object]:
        """The values of a map by resolution, or by the name of weights; `entry_spans` gets their places."""
        found: dict[int | str, object] = {}
        wrong: list[Diagnostic] = []
        for entry in value.entries:
            at = self._entry_key(entry) if isinstance(kind, ByResolution) else self._weight_name(kind, entry)
            if at in self.entry_spans:
                first = Label(self.entry_spans[at], "first written here")
                fix, span = removal_of(value.entries, entry), entry.key.span
                what: Literal["entry", "resolution"] = "resolution" if isinstance(at, int) else "entry"
                self.fail(DuplicateEntry(span=span, key=str(at), what=what, secondary=(first,), fix=fix))
            self.entry_spans[at] = entry.span
            try:
                found[at] = self.read(kind.of, entry.value)
            except SpecError as error:
                wrong += error.diagnostics
        if len(found) < len(value.entries):
            raise SpecError(wrong)
        return found

    @read.register
    def _(self, kind: Either, value: ast.Value) -> object:
        return self.read(kind.by_resolution if isinstance(value, ast.Map) else kind.plain, value)

    @read.register
    def _(self, kind: BlockStack, value: ast.Value) -> BlockList:
        reader = BlockReader(self.key, kind, self.constants, self.base_reader(kind), has_base=bool(self.bases))
        blocks = reader.read(value)
        self.diagnostics.extend(reader.diagnostics)
        if blocks is None:
            raise SpecError([])
        if not reader.walk_known:
            self.poisoned.add(f"{self.key}.walk")
        if not reader.counts_known:
            self.poisoned.add(f"{self.key}.counts")
        return blocks

    def base_reader(self, kind: BlockStack) -> ReadBase:
        """What reads the list of the base, once, however often it is used."""

        @cache
        def read() -> ReadList | None:
            reader = BlockReader(self.key, kind, self.constants, replace(self, bases=self.bases[1:]).base_reader(kind))
            found = reader.read_names(self.bases[0])
            self.diagnostics.extend(reader.diagnostics)
            return replace(found, alone=False) if found is not None else None

        @cache
        def report(reference: ast.Reference) -> None:
            self.diagnostics.extend(self._no_base(reference))

        return lambda reference: read() if self.bases else report(reference)

    def _entry_key(self, entry: ast.Entry) -> int | str:
        """The resolution of an entry of a map, or `other`."""
        if isinstance(entry.key, ast.Integer):
            return entry.key.value
        if entry.key.text == OTHER:
            return OTHER

        span, word = entry.key.span, entry.key.text
        fix = writing(span, OTHER) if meant_as_other(word) else None
        expected = f"a map from resolutions, which are integers, and `{OTHER}`"
        hint = f"{fix.title} for the value of the other resolutions" if fix is not None else ""
        return self.fail(
            WrongType(span=span, key=self.key, expected=expected, found=f"the word `{word}`", hint=hint, fix=fix)
        )

    def _weight_name(self, kind: ByWeightName, entry: ast.Entry) -> str:
        """The name of weights of an entry of a map."""
        if isinstance(entry.key, ast.Name):
            return entry.key.text
        found = describe(entry.key)
        return self.fail(WrongType(span=entry.key.span, key=self.key, expected=self.type_text(kind), found=found))

    def number(self, kind: Kind, value: ast.Value) -> int | float:
        """A number, or the value of an expression."""
        match value:
            case ast.Integer() | ast.Float():
                return value.value
            case ast.Negative(value=ast.Float() as inner):
                return -inner.value
            case _ if is_expression(value):
                return whole_number(value, self.constants, fraction=isinstance(kind, Number))
            case _:
                return self.wrong(kind, value)

    def wrong(self, kind: Kind, value: ast.Value) -> NoReturn:
        """Report a value of another type than the key takes, with the value that was probably meant."""
        if isinstance(value, ast.Invalid):
            raise SpecError([])  # the parser has reported it
        if isinstance(value, ast.Reference) and value.name == BASE:
            place = "in a map" if isinstance(kind, ByResolution) else "in a single value"
            self.fail(MisplacedBase(span=value.span, place=place))
        if isinstance(kind, (Choice, ChoiceOrCustom)) and is_hyphenated(value):
            self.unknown(value.span, value.span.text, kind.symbols)

        # Only a text that can be read is proposed.
        hint, fix, suggestions = "", None, []
        written, remark = meant(kind, value, optional=self.optional)
        if written and self._can_read(kind, written):
            hint = f"write `{written}`{remark}"
            fix = writing(value.span, written)
            if isinstance(value, ast.List) and isinstance(kind, Whole) and (short := suffixed(written)):
                hint += f" or `{short}`"
                suggestions.append(writing(value.span, short))
        elif example := example_of(kind):
            hint = f"write for example `{example}`"
            suggestions.append(writing(value.span, example))
        self.fail(
            WrongType(
                span=value.span,
                key=self.key,
                expected=self.type_text(kind),
                found=describe(value),
                hint=hint,
                fix=fix,
                suggestions=tuple(suggestions),
            )
        )

    def type_text(self, kind: Kind) -> str:
        """The type in words, with `none` if the key takes it."""
        return str(Optional(kind) if self.optional else kind)

    def _can_read(self, kind: Kind, text: str) -> bool:
        """Whether a text is a value of this key."""
        value, problems = parse_value(Source("", text))
        if value is None or problems or "#" in text:  # it would become a comment
            return False
        found: list[Diagnostic] = []
        try:
            read = Optional(kind) if self.optional else kind
            Reader(self.key, self.constants, found, {}, set()).read(read, value)
        except SpecError:
            return False
        return not found

    def unknown(self, span: Span, symbol: str, known: Sequence[str]) -> NoReturn:
        """Report a word that is not one of the values of the key."""
        known = (*known, "none") if self.optional else known
        near = nearest(symbol, known)
        fix = writing(span, near) if near is not None else None
        self.fail(UnknownSymbol(span=span, key=self.key, symbol=symbol, known=known, fix=fix))

    def _out_of_range(self, kind: Kind, value: ast.Value, shown: str, hint: str = "") -> NoReturn:
        self.fail(OutOfRange(span=value.span, key=self.key, expected=self.type_text(kind), value=shown, hint=hint))

    def fail(self, diagnostic: Diagnostic) -> NoReturn:
        """Stop reading this value, with one finding."""
        raise SpecError([diagnostic])
