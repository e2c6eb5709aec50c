"""From the AST of a value to a typed value: one reader for each kind in `hvaedsl.ir.kinds`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Literal, NoReturn

from hvaedsl.diagnostics.custom import NotAReference
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label, item_removals, nearest, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.likelihoods import (
    BernoulliArguments,
    ComponentCount,
    UnknownArgument,
    UnknownWavelet,
    UnsupportedBits,
)
from hvaedsl.diagnostics.names import DuplicateEntry, OutOfRange, UnknownSymbol, WrongType
from hvaedsl.diagnostics.printable import is_unicode, printable
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.block_reader import BlockReader
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.meant import MIXTURE, as_reference, example_of, meant, meant_as_other
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.kinds import (
    OTHER,
    BlockStack,
    ByResolution,
    Choice,
    ChoiceOrCustom,
    Either,
    FilePath,
    Kind,
    LikelihoodCall,
    Number,
    Optional,
    Pair,
    PoolingCall,
    Several,
    Text,
    Whole,
)
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.spec import Likelihood
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_value


@dataclass
class Reader:
    """Reads the value of one key. Every method raises `SpecError` if the value does not fit."""

    key: str
    constants: Constants
    diagnostics: list[Diagnostic]  # of values that could be read in spite of them
    entry_spans: dict[int | str, Span]  # of the entries of a map, by resolution or `other`
    poisoned: set[str]  # gets `KEY.walk` and `KEY.counts` if the resolutions or counts of a block list are unknown
    optional: bool = False  # whether the key also takes `none`

    @singledispatchmethod
    def read(self, kind: Kind, value: ast.Value) -> object:
        """The typed value."""
        raise AssertionError(f"no reader for {kind}, the value is {value}")

    @read.register
    def _(self, kind: Whole, value: ast.Value) -> int:
        number = self._number(kind, value)
        if not isinstance(number, int):
            self._wrong(kind, value)
        if number < kind.minimum or (kind.maximum is not None and number > kind.maximum):
            self._out_of_range(kind, value, str(number))
        return number

    @read.register
    def _(self, kind: Number, value: ast.Value) -> float:
        number = float(self._number(kind, value))
        fits = (
            math.isfinite(number)
            and (kind.minimum is None or number >= kind.minimum)
            and (kind.above is None or number > kind.above)
            and (kind.maximum is None or number <= kind.maximum)
            and (kind.below is None or number < kind.below)
        )
        if not fits:
            self._out_of_range(kind, value, f"{number:g}")
        return number

    @read.register
    def _(self, kind: Text, value: ast.Value) -> str:
        if not isinstance(value, ast.String):
            self._wrong(kind, value)
        return value.value

    @read.register
    def _(self, kind: FilePath, value: ast.Value) -> str:
        if isinstance(value, ast.String) and not value.value.strip():
            hint = "give a path, or write `none`; an unset shell variable leaves an empty path"
            expected, found, none = self._type(kind), "an empty string", writing(value.span, "none")
            self._fail(
                WrongType(span=value.span, key=self.key, expected=expected, found=found, hint=hint, suggestions=(none,))
            )
        if not isinstance(value, ast.String):
            self._wrong(kind, value)
        if not is_unicode(value.value):
            hint = "a spec is UTF-8 text: rename the file or folder, or name a link to it"
            found = f"`{printable(value.value)}`, which is not UTF-8 text"
            self._fail(WrongType(span=value.span, key=self.key, expected=self._type(kind), found=found, hint=hint))
        return value.value

    @read.register
    def _(self, kind: Choice, value: ast.Value) -> str:
        if not isinstance(value, ast.Symbol):
            self._wrong(kind, value)
        if value.name not in kind.symbols:
            self._unknown(value.span, value.name, kind.symbols)
        return value.name

    @read.register
    def _(self, kind: ChoiceOrCustom, value: ast.Value) -> str:
        if isinstance(value, ast.String):
            return self._custom(kind, value, kind.symbols)
        if not isinstance(value, ast.Symbol):
            self._wrong(kind, value)
        return self.read(Choice(kind.symbols), value)  # type: ignore[return-value]  # a choice gives a symbol

    @read.register
    def _(self, kind: Several, value: ast.Value) -> tuple[object, ...]:
        found: dict[object, Span] = {}
        for item in value.items if isinstance(value, ast.List) else (value,):
            read = self.read(kind.of, item)
            if read in found:
                first = Label(found[read], "first written here")
                assert isinstance(value, ast.List)
                fix = _removal_of(value.items, item, safe=True)  # safe, since the list is a set
                self._fail(DuplicateEntry(span=item.span, key=str(read), what="value", secondary=(first,), fix=fix))
            found[read] = item.span
        if not found:
            self._wrong(kind, value)
        return tuple(found)

    @read.register
    def _(self, kind: PoolingCall, value: ast.Value) -> str:
        # A call can only be a wavelet transform.
        if isinstance(value, ast.Call):
            if value.function.text != "wavelet":
                self._unknown(value.span, value.span.text, POOLINGS)
            pooling = ""
            if len(value.arguments) == 1 and isinstance(wavelet := value.arguments[0], ast.Symbol):
                pooling = f"wavelet({wavelet.name})"
            if pooling not in POOLINGS:
                self._unknown_wavelet(value)
            return pooling

        if not isinstance(value, ast.Symbol):
            self._wrong(kind, value)
        if value.name == "wavelet":
            self._unknown_wavelet(value)
        if value.name not in POOLINGS:
            self._unknown(value.span, value.name, POOLINGS)
        return value.name

    @read.register
    def _(self, kind: Optional, value: ast.Value) -> object:
        if isinstance(value, ast.Symbol) and value.name == "none":
            return None
        return replace(self, optional=True).read(kind.of, value)

    @read.register
    def _(self, kind: Pair, value: ast.Value) -> tuple[float, float]:
        if not isinstance(value, ast.List) or len(value.items) != 2:
            self._wrong(kind, value)
        first, second = (self.read(kind.of, item) for item in value.items)
        assert isinstance(first, float)
        assert isinstance(second, float)
        return first, second

    @read.register
    def _(self, kind: ByResolution, value: ast.Value) -> dict[int | str, object]:
        if not isinstance(value, ast.Map):
            self._wrong(kind, value)

        found: dict[int | str, object] = {}
        for entry in value.entries:
            at = self._entry_key(entry)
            if at in found:
                first = Label(self.entry_spans[at], "first written here")
                fix, span = _removal_of(value.entries, entry), entry.key.span
                what: Literal["entry", "resolution"] = "entry" if at == OTHER else "resolution"
                self._fail(DuplicateEntry(span=span, key=str(at), what=what, secondary=(first,), fix=fix))
            self.entry_spans[at] = entry.span
            found[at] = self.read(kind.of, entry.value)
        return found

    @read.register
    def _(self, kind: Either, value: ast.Value) -> object:
        return self.read(kind.by_resolution if isinstance(value, ast.Map) else kind.plain, value)

    @read.register
    def _(self, kind: BlockStack, value: ast.Value) -> BlockList:
        reader = BlockReader(self.key, kind, self.constants)
        blocks = reader.read(value)
        self.diagnostics.extend(reader.diagnostics)
        if blocks is None:
            raise SpecError([])
        if not reader.walk_known:
            self.poisoned.add(f"{self.key}.walk")
        if not reader.counts_known:
            self.poisoned.add(f"{self.key}.counts")
        return blocks

    @read.register
    def _(self, kind: LikelihoodCall, value: ast.Value) -> Likelihood:
        names, forms = ("bernoulli", "mixture_of_logistics"), ("bernoulli", MIXTURE)
        if isinstance(value, ast.String):
            return Likelihood(name="custom", reference=self._custom(kind, value, names))

        if isinstance(value, ast.Symbol):
            if value.name == "bernoulli":
                return Likelihood(name="bernoulli")
            if value.name == "mixture_of_logistics":
                self._component_count(value, 0)
            self._unknown(value.span, value.name, forms)

        if not isinstance(value, ast.Call):
            self._wrong(kind, value)
        if value.function.text not in names:
            self._unknown(value.function.span, value.function.text, names)
        if value.function.text == "bernoulli":
            fix = writing(value.span, "bernoulli", shown="likelihood = bernoulli")
            self._fail(BernoulliArguments(span=value.span, fix=fix))
        return self._mixture(value)

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
        return self._fail(
            WrongType(span=span, key=self.key, expected=expected, found=f"the word `{word}`", hint=hint, fix=fix)
        )

    def _custom(self, kind: Kind, value: ast.String, symbols: tuple[str, ...]) -> str:
        if value.value in symbols:
            self._wrong(kind, value)
        if not is_custom(value.value):
            written = as_reference(value.value)
            fix = writing(value.span, f'"{written}"') if written and value.span.text.startswith('"') else None
            self._fail(NotAReference(span=value.span, key=self.key, fix=fix))
        return value.value

    def _mixture(self, call: ast.Call) -> Likelihood:
        plain = [item for item in call.arguments if not isinstance(item, ast.NamedArgument)]
        named = [item for item in call.arguments if isinstance(item, ast.NamedArgument)]
        if len(plain) != 1:
            self._component_count(call, len(plain))
        mixtures = self.read(Whole(1, 1000), plain[0])
        assert isinstance(mixtures, int)

        # The only named argument is `bits = 5`, at most once.
        first: ast.Name | None = None
        for argument in named:
            name = argument.name
            removed = _removal_of(call.arguments, argument, "remove it")
            if name.text != "bits":
                self._fail(UnknownArgument(span=name.span, name=name.text, fix=removed))
            if first is not None:
                label = Label(first.span, "first written here")
                self._fail(
                    DuplicateEntry(span=name.span, key=name.text, what="argument", secondary=(label,), fix=removed)
                )
            first = name
            bits = self._number(Whole(1), argument.value)
            if bits != 5:
                self._fail(UnsupportedBits(span=argument.value.span, bits=f"{bits:g}", fix=removed))
        return Likelihood(name="mixture_of_logistics", mixtures=mixtures, bits=None if first is None else 5)

    def _component_count(self, value: ast.Value, found: int) -> NoReturn:
        self._fail(ComponentCount(span=value.span, count=found, suggestions=(writing(value.span, MIXTURE),)))

    def _number(self, kind: Kind, value: ast.Value) -> int | float:
        match value:
            case ast.Integer() | ast.Float():
                return value.value
            case ast.Negative(value=ast.Integer() | ast.Float() as inner):
                return -inner.value
            case ast.Reference():
                if self.constants.explained(value.name):
                    raise SpecError([])
                if value.name not in self.constants.values:
                    self._fail(self.constants.unknown(value))
                return self.constants.values[value.name]
            case _:
                return self._wrong(kind, value)

    def _wrong(self, kind: Kind, value: ast.Value) -> NoReturn:
        if isinstance(value, ast.Invalid):
            raise SpecError([])  # the parser has reported it

        # Only a text that can be read is proposed.
        hint, fix, suggestions = "", None, []
        written, remark = meant(kind, value, optional=self.optional)
        if written and self._can_read(kind, written):
            hint = f"write `{written}`{remark}"
            fix = writing(value.span, written)
        elif example := example_of(kind):
            hint = f"write for example `{example}`"
            suggestions.append(writing(value.span, example))
        self._fail(
            WrongType(
                span=value.span,
                key=self.key,
                expected=self._type(kind),
                found=describe(value),
                hint=hint,
                fix=fix,
                suggestions=tuple(suggestions),
            )
        )

    def _type(self, kind: Kind) -> str:
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

    def _unknown(self, span: Span, symbol: str, known: Sequence[str]) -> NoReturn:
        known = (*known, "none") if self.optional else known
        near = nearest(symbol, known)
        fix = writing(span, near) if near is not None else None
        self._fail(UnknownSymbol(span=span, key=self.key, symbol=symbol, known=known, fix=fix))

    def _out_of_range(self, kind: Kind, value: ast.Value, shown: str) -> NoReturn:
        self._fail(OutOfRange(span=value.span, key=self.key, expected=self._type(kind), value=shown))

    def _unknown_wavelet(self, value: ast.Value) -> NoReturn:
        known = tuple(writing(value.span, pooling) for pooling in POOLINGS if pooling.startswith("wavelet"))
        self._fail(UnknownWavelet(span=value.span, key=self.key, text=value.span.text, suggestions=known))

    def _fail(self, diagnostic: Diagnostic) -> NoReturn:
        raise SpecError([diagnostic])


_Item = ast.Value | ast.Entry | ast.NamedArgument


def _removal_of(
    items: Sequence[_Item], item: _Item, title: str = "keep the first", *, safe: bool = False
) -> Fix | None:
    """The fix that removes an item from a list; None if it is the only one, or has a comment beside it."""
    at = next(index for index, other in enumerate(items) if other is item)
    edits = item_removals([other.span for other in items], {at})
    return Fix(title, edits, safe=safe) if edits else None
