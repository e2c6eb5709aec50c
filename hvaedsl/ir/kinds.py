"""What a key of the schema takes: small descriptions that the readers check a written value against.

They stand in the annotations of `hvaedsl.ir.spec`; `hvaedsl.elaborate.readers` has one reader for each.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.pooling import POOLINGS


class Whole(Record):
    """A whole number of at least `minimum`."""

    minimum: int = 0
    maximum: int | None = None

    def __str__(self) -> str:
        """The type in words."""
        top = f" to {self.maximum:,}" if self.maximum is not None else ""
        return f"a whole number{' from' if top else ', at least'} {self.minimum:,}{top}"


class Number(Record):
    """A number between two bounds; `above` excludes the lower one, `below` the upper one."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        """The type in words."""
        bounds = [
            f"{word} {value:g}"
            for word, value in (
                ("at least", self.minimum),
                ("above", self.above),
                ("at most", self.maximum),
                ("below", self.below),
            )
            if value is not None
        ]
        return ", ".join(["a number", *bounds])


class Text(Record):
    """A string in quotes."""

    def __str__(self) -> str:
        """The type in words."""
        return "a string in quotes"


class Choice(Record):
    """One of some symbols."""

    symbols: tuple[str, ...]

    def __str__(self) -> str:
        """The type in words."""
        return f"one of {', '.join(self.symbols)}"


class ChoiceOrOwn(Record):
    """One of some symbols, or the name of one's own part, `"package.module:Name"`."""

    symbols: tuple[str, ...]

    def __str__(self) -> str:
        """The type in words."""
        return f'one of {", ".join(self.symbols)}, or "package.module:Name" of one\'s own'


class Several(Record):
    """One value or a list of them, none twice."""

    of: Whole | Choice

    def __str__(self) -> str:
        """The type in words."""
        if isinstance(self.of, Choice):
            return f"one or several of {', '.join(self.of.symbols)}"
        return f"one or several values, each {self.of}"


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


class ByResolution(Record):
    """A map from resolutions to values."""

    of: Kind

    def __str__(self) -> str:
        """The type in words."""
        return f"a map from resolutions to values, each {self.of}"


class Either(Record):
    """A plain value, or a map by resolution."""

    plain: Number
    by_resolution: ByResolution

    def __str__(self) -> str:
        """The type in words."""
        return f"{self.plain}, or a map from resolutions to such numbers"


class BlockStack(Record):
    """A block list."""

    stack: Literal["encoder", "decoder"]

    def __str__(self) -> str:
        """The type in words."""
        example = "32x11, 32d2, 16x6" if self.stack == "encoder" else "16x6, 32m16, 32x11"
        return f"a block list such as {example}"


class LikelihoodCall(Record):
    """`bernoulli`, `mixture_of_logistics(k)`, `mixture_of_logistics(k, bits = 5)`, or one's own."""

    def __str__(self) -> str:
        """The type in words."""
        known = "bernoulli, mixture_of_logistics(k), mixture_of_logistics(k, bits = 5)"
        return f'{known}, or "package.module:Name" of one\'s own'


class PoolingCall(Record):
    """`average`, `strided`, `wavelet(haar)` or `wavelet(db2)`."""

    def __str__(self) -> str:
        """The type in words."""
        return listing(POOLINGS)


Kind = (
    Whole
    | Number
    | Text
    | Choice
    | ChoiceOrOwn
    | Several
    | Optional
    | Pair
    | ByResolution
    | Either
    | BlockStack
    | LikelihoodCall
    | PoolingCall
)


class Key(Record):
    """A key of the schema: what it takes, and whether it must be written.

    A key without a default has an example, as it would be written.
    """

    kind: Kind
    meaning: str
    required: Literal["always", "to train", "no"] = field(default="no")
    example: str = ""
