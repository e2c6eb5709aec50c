"""The values of the keys that take calls: the pooling and the likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from hvaedsl.diagnostics.diagnostic import Fix, Label, writing
from hvaedsl.diagnostics.likelihoods import (
    BernoulliArguments,
    ComponentCount,
    UnknownArgument,
    UnknownWavelet,
    UnsupportedBits,
)
from hvaedsl.diagnostics.names import DuplicateEntry, WrongType
from hvaedsl.elaborate.meant import MIXTURE
from hvaedsl.elaborate.quoted import custom_name
from hvaedsl.elaborate.removals import removal_of
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.kinds import LikelihoodCall, PoolingCall, Whole
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.syntax import ast

if TYPE_CHECKING:
    from hvaedsl.elaborate.readers import Reader


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


def likelihood(reader: Reader, kind: LikelihoodCall, value: ast.Value) -> Likelihood:
    """The likelihood of a pixel. Raises `SpecError` for anything else."""
    names, forms = ("bernoulli", "mixture_of_logistics"), ("bernoulli", MIXTURE)
    if isinstance(value, ast.String):
        return Likelihood(name="custom", reference=custom_name(reader, kind, value, names))

    if isinstance(value, ast.Symbol):
        if value.name == "bernoulli":
            return Likelihood(name="bernoulli")
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
    return _mixture(reader, value)


def _mixture(reader: Reader, call: ast.Call) -> Likelihood:
    plain = [item for item in call.arguments if not isinstance(item, ast.NamedArgument)]
    named = [item for item in call.arguments if isinstance(item, ast.NamedArgument)]
    if len(plain) != 1:
        _component_count(reader, call, len(plain))
    mixtures = reader.read(Whole(1, 1000), plain[0])
    assert isinstance(mixtures, int)

    # The named arguments are `bits = 5` and `channels = independent`, each at most once.
    first: dict[str, ast.Name] = {}
    for argument in named:
        name = argument.name
        removed = removal_of(call.arguments, argument, "remove it")
        if name.text not in ("bits", "channels"):
            reader.fail(UnknownArgument(span=name.span, name=name.text, fix=removed))
        if name.text in first:
            label = Label(first[name.text].span, "first written here")
            reader.fail(DuplicateEntry(span=name.span, key=name.text, what="argument", secondary=(label,), fix=removed))
        first[name.text] = name
        if name.text == "channels":
            _check_independent(reader, argument.value, removed)
            continue
        bits = reader.number(Whole(1), argument.value)
        if bits != 5:
            reader.fail(UnsupportedBits(span=argument.value.span, bits=f"{bits:g}", fix=removed))
    return Likelihood(
        name="mixture_of_logistics",
        mixtures=mixtures,
        bits=5 if "bits" in first else None,
        independent="channels" in first,
    )


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
