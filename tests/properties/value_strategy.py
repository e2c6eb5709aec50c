"""Random values of the kinds in `hvaedsl.ir.kinds`, in every form that the language has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from hypothesis import strategies as st

from hvaedsl.ir.kinds import (
    FLAGS,
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
    Text,
    WeightName,
    Whole,
)
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.residual_blocks import BLOCK_NAMES
from hvaedsl.ir.spec_text import string_text

LARGEST = 10**15 - 1  # of at most 15 digits
_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
_REFERENCES = st.from_regex(r"[A-Za-zé_]\w{0,4}(\.[a-zß]\w{0,3})?:[A-Z]\w{0,5}", fullmatch=True)
_REPOSITORIES = st.from_regex(
    r"hf:[A-Za-z_]\w{0,4}/\w([.-]\w){0,3}", fullmatch=True, alphabet=st.characters(codec="ascii")
)
_WEIGHTS = ("encoder", "encoder.stem", "decoder", "decoder.gain", "decoder.bias", "decoder.blocks", "likelihood")
_STRINGS = st.text(st.characters(codec="utf-8"), max_size=12)


class DrawnValues:
    """The values of one spec while it is drawn, and the constants that they use."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lets: dict[str, int] = {}
        self.written_lets: dict[str, str] = {}  # of numbers and lists, as they are written

    def some(self, odds: int = 2) -> bool:
        """True once in `odds` times."""
        return self.draw(st.integers(1, odds)) == odds

    def value(self, kind: Kind) -> str:
        """A value that a kind takes, in one of the ways to write it."""
        match kind:
            case Steps() if self.some(3):
                return f"{self.draw(st.sampled_from(['1', '20', '1_000']))} epochs"
            case Whole():
                top = LARGEST if kind.maximum is None else kind.maximum
                return self.whole(self.draw(st.integers(kind.minimum, top)))
            case Number():
                return self.number(kind)
            case FilePath() | NameInQuotes():
                return string_text(self.draw(_STRINGS.filter(str.strip)))
            case Text():
                return string_text(self.draw(_STRINGS))
            case Choice():
                return self.draw(st.sampled_from(kind.symbols))
            case Size():
                height, width = (self.value(Whole(1, 2000)) for _ in range(2))
                return self.draw(st.sampled_from((height, f"({height}, {width})", f"{height}, {width}")))
            case DatasetName() if self.some(6):
                return self.hub()
            case ChoiceOrCustom():
                return self.own() if self.some(6) else self.draw(st.sampled_from(kind.symbols))
            case Flag():
                return self.draw(st.sampled_from([*FLAGS]))
            case FunctionName():
                return self.own()
            case Several():
                return self.listed(self.several(kind))
            case Optional():
                return "none" if self.some(4) else self.value(kind.of)
            case Pair():
                return self.listed([self.number(kind.of), self.number(kind.of)])
            case ByResolution():
                found = self.draw(st.lists(st.integers(1, 2000), max_size=3, unique=True))
                entries: dict[int | str, str] = {resolution: self.value(kind.of) for resolution in found}
                if self.some(3):
                    entries["other"] = self.value(kind.of)
                return self.map(entries)
            case WeightName():
                return self.draw(st.sampled_from(_WEIGHTS))
            case ByWeightName():
                names = self.draw(st.lists(st.sampled_from(_WEIGHTS), max_size=3, unique=True))
                return self.map({name: self.number(kind.of) for name in names})
            case Either():
                return self.value(kind.by_resolution if self.some(3) else kind.plain)
            case LikelihoodCall():
                return self.likelihood(levels=256, channels=1)
            case PoolingCall():
                return self.draw(st.sampled_from(POOLINGS))
            case CallOf():
                return self.call(kind)
            case OrCall():
                return self.value(kind.call if self.some(3) else kind.plain)
            case BlockStack():
                raise AssertionError("a block list is walked, not drawn alone")
            case _:
                assert_never(kind)

    def call(self, kind: CallOf) -> str:
        """A call with numbers: the first by place, the others by name, or its name alone."""
        by_place = self.draw(st.integers(0, len(kind.parameters)))
        written = [self.value(parameter.of) for parameter in kind.parameters[:by_place]]
        named = [item for item in kind.parameters[by_place:] if item.name in kind.required or self.some()]
        written += [f"{item.name} = {self.value(item.of)}" for item in named]
        return f"{kind.name}({', '.join(written)})" if written else kind.name

    def whole(self, number: int, *, suffix: bool = True) -> str:
        """A whole number as digits, with underscores, with a suffix, or as a constant."""
        forms = [str(number), f"{number:_}"]
        if number >= 0:
            if suffix and number % 1000 == 0:
                forms.append(f"{number // 1000}k")
            if suffix and number % 1_000_000 == 0:
                forms.append(f"{number // 1_000_000}M")
            if self.some(5):
                return f"${self.constant(number)}"
            if suffix and self.some(8):
                return self.expression(number)
        return self.draw(st.sampled_from(forms))

    def constant(self, number: int) -> str:
        """The name of a constant that stands for a number."""
        for name, value in self.lets.items():
            if value == number:
                return name
        written = self.expression(number) if self.some(4) else str(number)
        name = self.new_name()
        self.lets[name] = number
        self.written_lets[name] = written
        return name

    def new_name(self) -> str:
        """A name that no constant has."""
        return self.draw(_NAMES.filter(lambda name: name not in self.written_lets and name != "base"))

    def expression(self, number: int) -> str:
        """A number as arithmetic, over the constants that there are so far."""
        factor, less = self.draw(st.integers(1, 9)), self.draw(st.integers(0, max(0, min(number, 50))))
        forms = [f"{number - less} + {less}", f"({number - less})+{less}", f"-(-{number})"]
        if number < LARGEST // 10:
            forms += [f"{number + less}-{less}", f"{number}*{factor} / {factor}", f"{number + less} + -{less}"]
            forms += [f"{factor}*{number // factor} + {number % factor}", f"2*({number}) - {number}"]
            forms += [f"${name}*0 + {number}" for name, value in self.lets.items() if value < LARGEST]
            forms += [f"{number - value} + ${name}" for name, value in self.lets.items() if value <= number]
        return self.draw(st.sampled_from(forms))

    def number(self, kind: Number) -> str:
        kind = kind.within_type()
        low = kind.above if kind.minimum is None else kind.minimum
        high = kind.below if kind.maximum is None else kind.maximum
        found = self.draw(
            st.floats(
                low,
                high,
                exclude_min=kind.above is not None,
                exclude_max=kind.below is not None,
                allow_nan=False,
                allow_infinity=False,
            )
        )
        return self.draw(st.sampled_from([repr(found), f"{found:.17e}"]))

    def several(self, kind: Several) -> list[str]:
        if isinstance(kind.of, WeightName):
            return self.draw(st.lists(st.sampled_from(_WEIGHTS), min_size=1, unique=True))
        if isinstance(kind.of, Choice):
            return self.draw(st.lists(st.sampled_from(kind.of.symbols), min_size=1, unique=True))
        low, high = kind.of.minimum, kind.of.maximum
        found = self.draw(st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True))
        return [self.whole(number) for number in found]

    def listed(self, items: list[str]) -> str:
        text = ", ".join(items)
        return f"[{text}]" if self.some(3) else text

    def map(self, items: Mapping[int, str] | Mapping[str, str] | Mapping[int | str, str]) -> str:
        return f"{{{', '.join(f'{key}: {value}' for key, value in items.items())}}}"

    def hub(self) -> str:
        return string_text(self.draw(_REPOSITORIES))

    def own(self) -> str:
        return string_text(self.draw(_REFERENCES))

    def block(self) -> str:
        return self.own() if self.some(5) else self.draw(st.sampled_from((*BLOCK_NAMES, "attention(heads = 1)")))

    def density(self) -> str:
        """A likelihood of real values."""
        return self.draw(st.sampled_from(("gaussian", "gaussian()", "gaussian(channels = independent)", self.own())))

    def likelihood(self, *, levels: int, channels: int) -> str:
        forms = ["mixture", "own", *(["bernoulli"] if channels == 1 else []), *(["bits"] if levels == 256 else [])]
        form = self.draw(st.sampled_from(forms))
        if form in ("own", "bernoulli"):
            return self.own() if form == "own" else form
        mixtures = self.whole(self.draw(st.integers(1, 1000)))
        named = ["bits = 5"] if form == "bits" else []
        named += ["channels = independent"] if self.some(4) else []
        return f"mixture_of_logistics({', '.join([mixtures, *self.draw(st.permutations(named))])})"
