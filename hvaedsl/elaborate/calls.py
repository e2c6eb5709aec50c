"""The values of the keys that take calls: the pooling, the residual block and the likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from hvaedsl.diagnostics.calls import BlockArguments, MissingArguments, UnknownArgument
from hvaedsl.diagnostics.diagnostic import Edit, Fix, Label, writing
from hvaedsl.diagnostics.likelihoods import BernoulliArguments, ComponentCount, UnknownWavelet, UnsupportedBits
from hvaedsl.diagnostics.names import DuplicateEntry, WrongType
from hvaedsl.diagnostics.reals import GaussianNumbers
from hvaedsl.elaborate.arithmetic import is_expression
from hvaedsl.elaborate.meant import GAUSSIAN, MIXTURE
from hvaedsl.elaborate.quoted import custom_name
from hvaedsl.elaborate.removals import removal_of
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.call_values import CallValue
from hvaedsl.ir.kinds import BlockCall, CallOf, Choice, LikelihoodCall, Number, OrCall, PoolingCall, Whole
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.residual_blocks import ATTENTION, with_heads
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from hvaedsl.elaborate.readers import Reader


AnyCall = PoolingCall | LikelihoodCall | CallOf | OrCall


def value_of_call(reader: Reader, kind: AnyCall, value: ast.Value) -> object:
    """The value of a key that takes calls."""
    match kind:
        case PoolingCall():
            return pooling(reader, kind, value)
        case LikelihoodCall():
            return likelihood(reader, kind, value)
        case CallOf() | OrCall():
            return call_with_numbers(reader, kind, value)


def pooling(reader: Reader, kind: PoolingCall, value: ast.Value) -> str:
    """The name of a pooling, `wavelet(haar)` among them. Raises `SpecError` for anything else."""
    # A call can only be a wavelet transform.
    if isinstance(value, ast.Call):
        if value.function.text != "wavelet":
            reader.unknown(value.span, value.span.text, POOLINGS)
        found = ""
        if len(value.arguments) == 1 and isinstance(wavelet := value.arguments[0], ast.Symbol):
            found = f"wavelet({wavelet.name})"
        if found not in POOLINGS:
            _unknown_wavelet(reader, value)
        return found

    if not isinstance(value, ast.Symbol):
        reader.wrong(kind, value)
    if value.name == "wavelet":
        _unknown_wavelet(reader, value)
    if value.name not in POOLINGS:
        reader.unknown(value.span, value.name, POOLINGS)
    return value.name


def residual_block(reader: Reader, kind: BlockCall, call: ast.Call) -> str:
    """A residual block with a number of heads. Raises `SpecError` for any other call."""
    name, arguments = call.function.text, call.arguments
    if name not in kind.symbols:
        reader.unknown(call.function.span, name, kind.symbols)
    if name != ATTENTION.name or not all(isinstance(item, ast.NamedArgument) for item in arguments) or not arguments:
        _block_arguments(reader, call)

    named = _once(reader, call, ("heads",))
    heads = replace(reader, key="heads").read(Whole(1), named["heads"].value)
    assert isinstance(heads, int)
    return with_heads(heads)


def _block_arguments(reader: Reader, call: ast.Call) -> NoReturn:
    """Report the arguments of a block. A number alone is meant as that of the heads."""
    name, arguments = call.function.text, call.arguments
    attends, written = name == ATTENTION.name, name
    if attends and len(arguments) == 1 and isinstance(number := arguments[0], ast.Integer) and number.value > 0:
        written = with_heads(number.value)
    count = len(arguments)
    fix = writing(call.span, written) if "#" not in call.span.text else None
    text = " ".join(call.span.text.split())
    reader.fail(BlockArguments(span=call.span, written=text, block=name, arguments=count, takes_heads=attends, fix=fix))


def likelihood(reader: Reader, kind: LikelihoodCall, value: ast.Value) -> Likelihood:
    """The likelihood of a pixel. Raises `SpecError` for anything else."""
    names, forms = ("bernoulli", "mixture_of_logistics", GAUSSIAN), ("bernoulli", MIXTURE, GAUSSIAN)
    if isinstance(value, ast.String):
        return Likelihood(name="custom", reference=custom_name(reader, kind, value, names))

    if isinstance(value, ast.Symbol):
        if value.name == "bernoulli":
            return Likelihood(name="bernoulli")
        if value.name == GAUSSIAN:
            return Likelihood(name="gaussian")
        if value.name == "mixture_of_logistics":
            _component_count(reader, value, 0)
        reader.unknown(value.span, value.name, forms)

    if not isinstance(value, ast.Call):
        reader.wrong(kind, value)
    if value.function.text not in names:
        reader.unknown(value.function.span, value.function.text, names)
    if value.function.text == "bernoulli":
        fix = writing(value.span, "bernoulli", shown="likelihood = bernoulli")
        reader.fail(BernoulliArguments(span=value.span, fix=fix))
    return _gaussian(reader, value) if value.function.text == GAUSSIAN else _mixture(reader, value)


def call_with_numbers(reader: Reader, kind: CallOf | OrCall, value: ast.Value) -> object:
    """The record that a call with numbers stands for, or the plain value. Raises `SpecError` for anything else."""
    name = value.function.text if isinstance(value, ast.Call) else value.name if isinstance(value, ast.Symbol) else ""
    call, plain = (kind.call, kind.plain) if isinstance(kind, OrCall) else (kind, None)
    if name == call.name:
        return _record(reader, kind, call, value)
    if isinstance(plain, Choice) and name:
        if name in plain.symbols and isinstance(value, ast.Symbol):
            return name
        reader.unknown(value.span, value.span.text, (*plain.symbols, call.name))
    if isinstance(value, ast.Call):
        reader.unknown(value.function.span, name, (call.name,))
    if not isinstance(plain, Number) or not (
        is_expression(value) or isinstance(value, (ast.Integer, ast.Float, ast.Negative))
    ):
        reader.wrong(kind, value)
    return reader.read(plain, value)


def _record(reader: Reader, whole: CallOf | OrCall, kind: CallOf, value: ast.Value) -> CallValue:
    """The record of a call, or of its name alone; `whole` is the kind of the key."""
    known = tuple(parameter.name for parameter in kind.parameters)
    given: Mapping[str, ast.Value] = {}
    if isinstance(value, ast.Call):
        by_place = {
            name: item
            for name, item in zip(known, value.arguments, strict=False)
            if not isinstance(item, ast.NamedArgument)
        }
        named = _once(reader, value, known, by_place)
        # Arguments by place come first.
        if len(value.arguments) > len(known) or tuple(by_place) != known[: len(by_place)]:
            reader.wrong(whole, value)
        given = by_place | {name: item.value for name, item in named.items()}

    found = {item.name: reader.read(item.of, given[item.name]) for item in kind.parameters if item.name in given}
    missing = tuple(name for name in kind.required if name not in found)
    if missing:
        way = writing(value.span, kind.example)
        reader.fail(MissingArguments(span=value.span, function=kind.name, missing=missing, suggestions=(way,)))
    return kind.make(**found)


def _mixture(reader: Reader, call: ast.Call) -> Likelihood:
    plain = [item for item in call.arguments if not isinstance(item, ast.NamedArgument)]
    if len(plain) != 1:
        _component_count(reader, call, len(plain))
    mixtures = reader.read(Whole(1, 1000), plain[0])
    assert isinstance(mixtures, int)
    named = _named_arguments(reader, call, ("bits", "channels"))
    return Likelihood(
        name="mixture_of_logistics",
        mixtures=mixtures,
        bits=5 if "bits" in named else None,
        independent="channels" in named,
    )


def _gaussian(reader: Reader, call: ast.Call) -> Likelihood:
    if any(not isinstance(item, ast.NamedArgument) for item in call.arguments):
        fix = writing(call.span, GAUSSIAN, shown=f"likelihood = {GAUSSIAN}")
        reader.fail(GaussianNumbers(span=call.span, fix=fix))
    return Likelihood(name="gaussian", independent="channels" in _named_arguments(reader, call, ("channels",)))


def _named_arguments(reader: Reader, call: ast.Call, known: tuple[str, ...]) -> set[str]:
    """The names of the named arguments, `bits = 5` and `channels = independent`, each at most once."""
    found = _once(reader, call, known)
    for name, argument in found.items():
        removed = _without_argument(call, argument)
        if name == "channels":
            _check_independent(reader, argument.value, removed)
            continue
        bits = reader.number(Whole(1), argument.value)
        if bits != 5:
            reader.fail(UnsupportedBits(span=argument.value.span, bits=f"{bits:g}", fix=removed))
    return set(found)


def _once(
    reader: Reader, call: ast.Call, known: tuple[str, ...], by_place: Mapping[str, ast.Value] = MappingProxyType({})
) -> dict[str, ast.NamedArgument]:
    """The named arguments of a call by their names. Each is known and given once, by its name or by its place."""
    found: dict[str, ast.NamedArgument] = {}
    places = {name: item.span for name, item in by_place.items()}
    for argument in call.arguments:
        if not isinstance(argument, ast.NamedArgument):
            continue
        name = argument.name
        removed = _without_argument(call, argument)
        if name.text not in known:
            function = call.function.text
            reader.fail(UnknownArgument(span=name.span, name=name.text, function=function, known=known, fix=removed))
        if name.text in places:
            label = Label(places[name.text], "first written here")
            reader.fail(DuplicateEntry(span=name.span, key=name.text, what="argument", secondary=(label,), fix=removed))
        found[name.text], places[name.text] = argument, name.span
    return found


def _without_argument(call: ast.Call, argument: ast.NamedArgument) -> Fix | None:
    """The fix that removes an argument; with the only one, its parentheses go too."""
    if len(call.arguments) == 1 and "#" not in call.span.text:
        return Fix("remove it", (Edit(call.span, call.function.text),))
    return removal_of(call.arguments, argument, "remove it")


def _check_independent(reader: Reader, value: ast.Value, removed: Fix | None) -> None:
    if not isinstance(value, ast.Symbol) or value.name != "independent":
        reader.fail(
            WrongType(
                span=value.span,
                key="channels",
                expected="independent",
                found=describe(value),
                hint="remove it for colors that depend on each other; how many channels there are is `data.channels`",
                fix=removed,
            )
        )


def _component_count(reader: Reader, value: ast.Value, found: int) -> NoReturn:
    reader.fail(ComponentCount(span=value.span, count=found, suggestions=(writing(value.span, MIXTURE),)))


def _unknown_wavelet(reader: Reader, value: ast.Value) -> NoReturn:
    known = tuple(writing(value.span, pooling) for pooling in POOLINGS if pooling.startswith("wavelet"))
    reader.fail(UnknownWavelet(span=value.span, key=reader.key, text=value.span.text, suggestions=known))
