"""HV232 to HV242: arithmetic, named lists, and the list of the base."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_KINDS = (
    "A `let` is a block list if it has a comma, a block such as `32x2`, a label, or the name of a list; otherwise it "
    "is a whole number. A name keeps its kind in every spec that extends this one and for `--let`."
)
_BASE = (
    "`$base` is the value of the same key in the nearest base that writes it, as entries of this list. It belongs in "
    "`encoder`, `decoder`, `fourier.at` and `fourier.exponents`, also more than once."
)
_WHOLE = "Arithmetic is on whole numbers: `+`, `-`, `*`, exact `/` and parentheses."


class NotExact(Diagnostic):
    """HV232."""

    code = "HV232"
    title = "{dividend:,} is not divisible by {divisor:,}"
    label = "leaves a remainder of {remainder:,}"
    help = "{hint}"
    why = _WHOLE + " A division that leaves a remainder is an error, so that no size is rounded without notice."
    bad = spec(top="hvae 1\nlet n = 7", encoder="8x($n/2), 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 8", encoder="8x($n/2), 8d2, 4x1")

    dividend: int
    divisor: int
    takes_fractions: bool = False  # whether the key takes numbers that are not whole

    @property
    def remainder(self) -> int:
        """The remainder, at least 0."""
        return self.dividend % abs(self.divisor)

    @property
    def hint(self) -> str:
        """What to write instead, and the nearest numbers that the divisor divides."""
        if self.takes_fractions and self.proposal:
            return f"{self.proposal}: a number that is not whole has a decimal point"
        below = self.dividend - self.remainder
        near = f"{abs(self.divisor):,} divides {below:,} and {below + abs(self.divisor):,}"
        return f"{self.proposal}; {near}" if self.proposal else near


class DivisionByZero(Diagnostic):
    """HV233."""

    code = "HV233"
    title = "division by zero"
    label = "this is 0"
    help = "divide by another number"
    why = _WHOLE
    bad = spec(top="hvae 1\nlet n = 0", encoder="8x(4/$n), 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 2", encoder="8x(4/$n), 8d2, 4x1")


class ResultTooLarge(Diagnostic):
    """HV234."""

    code = "HV234"
    title = "a number has at most {limit} digits at every step of an expression"
    label = "this has {digits}"
    help = "check for extra digits"
    why = "No quantity of a model needs more digits; the limit keeps arithmetic cheap."
    bad = spec(top="hvae 1\nlet n = 1_000_000_000 * 1_000_000_000")
    good = spec(top="hvae 1\nlet n = 1000", decoder="4x1, 8m4, 8x$n")

    digits: int
    limit: int


class ListForNumber(Diagnostic):
    """HV235."""

    code = "HV235"
    title = "{what} is a block list, where a number is needed"
    label = "a list"
    help = "{hint}"
    why = _KINDS
    bad = spec(top="hvae 1\nlet stage = (8x1, 8r2)", model="width = 2*$stage  latent = 4", encoder="$stage, 8d2, 4x1")
    good = spec(top="hvae 1\nlet stage = (8x1, 8r2)", model="width = 16  latent = 4", encoder="$stage, 8d2, 4x1")

    what: str
    keeps_kind: bool = False  # whether it is the value of a name that is a number elsewhere

    @property
    def hint(self) -> str:
        """What a list can be used for."""
        if self.keeps_kind:
            return "give the list a name of its own"
        return "named lists are for `encoder`, `decoder` and other named lists"


class NumberForList(Diagnostic):
    """HV236."""

    code = "HV236"
    title = "{what} is a number, where a block list is needed"
    label = "a number"
    help = "{hint}"
    why = _KINDS
    bad = ""  # needs a base or a command line; the test gives one
    good = spec(top="hvae 1\nlet stage = (8x1, 8r2)", encoder="$stage, 8d2, 4x1")

    what: str

    @property
    def hint(self) -> str:
        """How a list of one block is written."""
        if self.proposal:
            return f"{self.proposal}: a list of one block has its operator"
        return "give it a name of its own"


class ConstantCycle(Diagnostic):
    """HV237."""

    code = "HV237"
    title = "a constant is defined by itself: {path}"
    label = "closes the cycle"
    help = "{hint}"
    why = (
        "Constants are evaluated once, after the spec, its bases and the command line are merged; the order of the "
        "text does not matter. So a constant of a child replaces that of its base also in its own definition."
    )
    bad = spec(top="hvae 1\nlet n = $m  let m = $n + 1", decoder="4x1, 8m4, 8x$n")
    good = spec(top="hvae 1\nlet n = $m + 1  let m = 1", decoder="4x1, 8m4, 8x$n")

    names: tuple[str, ...]
    in_base: bool = False  # whether a base defines the constant, whose value may be meant
    is_option: bool = False  # whether the definition is a `--let`

    @property
    def path(self) -> str:
        """The cycle: `n -> m -> n`."""
        return " -> ".join(self.names)

    @property
    def hint(self) -> str:
        """How to leave the cycle."""
        if self.in_base and self.is_option:
            return f"the spec's `{self.names[0]}` cannot be reached from here: give the number itself"
        if self.in_base:
            return f"the base's `{self.names[0]}` cannot be reached from here: give the result a new name"
        return "write a number in one of these definitions"


class NoBase(Diagnostic):
    """HV238."""

    code = "HV238"
    title = "no base has a value of `{key}`"
    label = "there is no list to continue"
    help = "write the entries, or extend a spec that has this key"
    why = _BASE + " A default is not such a value."
    bad = spec(encoder="$base, 8x2, 8d2, 4x1")
    good = spec()

    key: str


class MisplacedBase(Diagnostic):
    """HV239."""

    code = "HV239"
    title = "`$base` is not allowed {place}"
    label = "not an entry of a list that a key has"
    help = "{hint}"
    why = _BASE + " Maps and single values of a base are replaced, not continued."
    bad = spec(model="width = $base  latent = 4")
    good = spec()

    place: str

    @property
    def hint(self) -> str:
        """The way out."""
        if self.place == "in a `let`":
            return "a base's constants are used by their names"
        return "write the value"


class LetBase(Diagnostic):
    """HV240."""

    code = "HV240"
    title = "a constant cannot have the name `base`"
    label = "`$base` is the list of the base"
    help = "give it another name"
    why = _BASE
    bad = spec(top="hvae 1\nlet base = 2", decoder="4x1, 8m4, 8x$base")
    good = spec(top="hvae 1\nlet n = 2", decoder="4x1, 8m4, 8x$n")


class ArithmeticInList(Diagnostic):
    """HV241."""

    code = "HV241"
    title = "no arithmetic with `{operator}` in a block list"
    label = "{reason}"
    help = "{hint}"
    why = (
        "In a block list `*` repeats and `,` separates; other arithmetic is behind an operator letter, `32r($m - 1)`, "
        "or in a constant of its own."
    )
    bad = spec(top="hvae 1\nlet n = 2", encoder="($n - 1)*8x2, 8d2, 4x1")
    good = spec(top="hvae 1\nlet n = 2\nlet m = $n - 1", encoder="$m*8x2, 8d2, 4x1")

    operator: str
    is_count: bool  # whether it is the count of a repetition

    @property
    def reason(self) -> str:
        """What is found there."""
        return "a count is a number or a name" if self.is_count else "not an entry"

    @property
    def hint(self) -> str:
        """The way out, with the name if one is free."""
        return self.proposal or "name the result at the top level, and write its name"


class NotArithmetic(Diagnostic):
    """HV242."""

    code = "HV242"
    title = "arithmetic on {found}"
    label = "not a whole number"
    help = "{hint}"
    why = _WHOLE
    bad = spec(model="width = 2 * 1.5  latent = 4")
    good = spec(top="hvae 1\nlet n = 2", model="width = 8*$n  latent = 4", encoder="8x$n, 8d2, 4x1")

    found: str

    @property
    def hint(self) -> str:
        """The constant that was probably meant."""
        if self.proposal:
            return f"{self.proposal}: a constant has a `$` before its name"
        return "the numbers of an expression are whole, and constants have a `$`"
