"""The types of the schema's keys, for which `hvaedsl.elaborate.readers` has one reader each.

They are used in the annotations of `hvaedsl.ir.spec`. `str` of a type is its description in diagnostics.
"""

from __future__ import annotations

import sys
from dataclasses import field
from typing import Literal

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.call_values import CallValue
from hvaedsl.ir.pooling import POOLINGS

LARGEST_FLOAT32 = float.fromhex("0x1.fffffep+127")


class Whole(Record):
    """An integer of at least `minimum`."""

    minimum: int = 0
    maximum: int | None = None

    def __str__(self) -> str:
        """The type in words."""
        if self.maximum is None:
            return f"an integer of at least {self.minimum:,}"
        return f"an integer from {self.minimum:,} to {self.maximum:,}"


class Size(Record):
    """The height of a square image, or height and width."""

    def __str__(self) -> str:
        """The type in words."""
        return "an integer of at least 1, or a height and a width such as (96, 160)"


class Steps(Whole):
    """A number of steps, or of epochs."""

    minimum: int = 1

    def __str__(self) -> str:
        """The type in words."""
        return f"{super().__str__()}, or a number of epochs such as 20 epochs"


class StepsOrMinutes(Whole):
    """A number of steps, or of minutes."""

    minimum: int = 1

    def __str__(self) -> str:
        """The type in words."""
        return f"{super().__str__()}, or a number of minutes such as 30 minutes"


class Number(Record):
    """A number between two bounds; `above` excludes the lower one, `below` the upper one.

    `instead_of_zero` says what is written for what a 0 would mean, if the key does not take it. `is_float32` refuses
    what float32 cannot hold, for the keys whose numbers become tensors.
    """

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    instead_of_zero: str = ""
    is_float32: bool = False

    @property
    def largest(self) -> float:
        """The largest magnitude of the type that holds the number."""
        return LARGEST_FLOAT32 if self.is_float32 else sys.float_info.max

    def within_type(self) -> Number:
        """A kind that has the range of the type as the bounds that are missing."""
        no_lower, no_upper = self.minimum is None and self.above is None, self.maximum is None and self.below is None
        return Number(
            minimum=-self.largest if no_lower else self.minimum,
            above=self.above,
            maximum=self.largest if no_upper else self.maximum,
            below=self.below,
        )

    def __str__(self) -> str:
        """The type in words."""
        bounds = [
            f"{word} {value:g}"
            for word, value in (
                ("of at least", self.minimum),
                ("above", self.above),
                ("at most", self.maximum),
                ("below", self.below),
            )
            if value is not None
        ]
        return f"a number {' and '.join(bounds)}".rstrip()


class Text(Record):
    """A string in quotes."""

    def __str__(self) -> str:
        """The type in words."""
        return "a string in quotes"


class NameInQuotes(Text):
    """A name in quotes, which must not be empty."""

    def __str__(self) -> str:
        """The type in words."""
        return "a name in quotes"


class FilePath(Text):
    """A path in quotes, which must not be empty: to the file system, an empty path is the working directory."""

    def __str__(self) -> str:
        """The type in words."""
        return "a path in quotes"


class Choice(Record):
    """One of several symbols."""

    symbols: tuple[str, ...]

    def __str__(self) -> str:
        """The type in words."""
        return f"one of {', '.join(self.symbols)}"


class ChoiceOrCustom(Record):
    """One of several symbols, or the name of a custom part, `"package.module:Name"`."""

    symbols: tuple[str, ...]

    def __str__(self) -> str:
        """The type in words."""
        return f'one of {", ".join(self.symbols)}, or the name of a custom part, "package.module:Name"'


class DatasetName(ChoiceOrCustom):
    """One of several symbols, the name of a Hugging Face dataset, or that of a custom one."""

    def __str__(self) -> str:
        """The type in words."""
        hub = 'the name of a Hugging Face dataset, "hf:OWNER/NAME"'
        return f'one of {", ".join(self.symbols)}, {hub}, or the name of a custom part, "package.module:Name"'


class BlockCall(ChoiceOrCustom):
    """A residual block: a symbol, `attention(heads = n)`, or the name of a custom one."""

    def __str__(self) -> str:
        """The type in words."""
        known = ", ".join((*self.symbols, "attention(heads = n)"))
        return f'one of {known}, or the name of a custom part, "package.module:Name"'


# The words of a flag.
FLAGS = {"true": True, "false": False}


class Flag(Record):
    """`true` or `false`."""

    def __str__(self) -> str:
        """The type in words."""
        return "true or false"


class FunctionName(Record):
    """The name of a Python function, `"package.module:name"`."""

    def __str__(self) -> str:
        """The type in words."""
        return 'the name of a Python function, "package.module:name"'


class WeightName(Record):
    """The name of a part of the model, whose weights it means: `encoder`, `encoder.stem`, `decoder.r8`."""

    def __str__(self) -> str:
        """The type in words."""
        return "a name of weights such as encoder.stem"


class Several(Record):
    """One value, or a list of different values; the order of names of weights does not matter."""

    of: Whole | Choice | WeightName

    def __str__(self) -> str:
        """The type in words."""
        if isinstance(self.of, WeightName):
            return "one or more names of weights such as encoder.stem"
        if isinstance(self.of, Choice):
            return f"one or more of {', '.join(self.of.symbols)}"
        return f"one or more values, each {self.of}"


class Optional(Record):
    """A value, or `none`."""

    of: Kind

    def __str__(self) -> str:
        """The type in words."""
        return f"{self.of}, or none"


class Pair(Record):
    """A list of two numbers."""

    of: Number

    def __str__(self) -> str:
        """The type in words."""
        return f"two values, each {self.of}"


# The entry of a map by resolution that has the value of the rest: `{8: 64, other: 16}`.
OTHER = "other"


class ByResolution(Record):
    """A map from resolutions to values; `other` has that of the resolutions that the map does not name."""

    of: Kind

    def __str__(self) -> str:
        """The type in words."""
        return f"a map from resolutions to values, each {self.of}"


class ByWeightName(Record):
    """A map from the names of weights to values."""

    of: Number

    def __str__(self) -> str:
        """The type in words."""
        return f"a map from names of weights to values, each {self.of}"


class Either(Record):
    """A plain value, or a map by resolution."""

    plain: Whole | Number | ChoiceOrCustom
    by_resolution: ByResolution

    def __str__(self) -> str:
        """The type in words."""
        if self.by_resolution.of != self.plain:
            return f"{self.plain}, or {self.by_resolution}"
        such = "names" if isinstance(self.plain, ChoiceOrCustom) else "numbers"
        return f"{self.plain}, or a map from resolutions to such {such}"


class BlockStack(Record):
    """A block list."""

    stack: Literal["encoder", "decoder"]

    def __str__(self) -> str:
        """The type in words."""
        example = "32x11, 32d2, 16x6" if self.stack == "encoder" else "16x6, 32m16, 32x11"
        return f"a block list such as {example}"


class LikelihoodCall(Record):
    """`bernoulli`, `mixture_of_logistics(k)`, `gaussian`, perhaps with `bits` or `channels`, or a custom likelihood."""

    def __str__(self) -> str:
        """The type in words."""
        known = "bernoulli, mixture_of_logistics(k), mixture_of_logistics(k, bits = 5), gaussian"
        return f'{known}, or the name of a custom likelihood, "package.module:Name"'


class PoolingCall(Record):
    """`average`, `strided`, `wavelet(haar)` or `wavelet(db2)`."""

    def __str__(self) -> str:
        """The type in words."""
        return listing(POOLINGS)


class Parameter(Record):
    """A parameter of a call, which is given by its place or by its name."""

    name: str
    of: Whole | Number


class CallOf(Record):
    """A call whose arguments are numbers, such as `adaptive(0.99, 1000)`; its value is of type `make`.

    The parameters are the fields of that type. Without arguments, the parentheses may be omitted.
    """

    make: type[CallValue]
    parameters: tuple[Parameter, ...]
    example: str

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.make.function

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the parameters without a default."""
        return tuple(parameter.name for parameter in self.parameters if not hasattr(self.make, parameter.name))

    def __str__(self) -> str:
        """The type in words."""
        return f"a call such as {self.example}"


class OrCall(Record):
    """A plain value, or a call."""

    plain: Number | Choice
    call: CallOf

    def __str__(self) -> str:
        """The type in words."""
        return f"{self.plain}, or {self.call}"


Kind = (
    Whole
    | Size
    | Number
    | Text
    | Choice
    | ChoiceOrCustom
    | BlockCall
    | Flag
    | FunctionName
    | Several
    | Optional
    | Pair
    | ByResolution
    | WeightName
    | ByWeightName
    | Either
    | BlockStack
    | LikelihoodCall
    | PoolingCall
    | CallOf
    | OrCall
)


class Key(Record):
    """A key of the schema: its type, its meaning, and whether it is required.

    A key without a default has an example, in the form of the language.
    """

    kind: Kind
    meaning: str
    required: Literal["always", "to train", "no"] = field(default="no")
    example: str = ""
