"""HV224, HV245, HV276: the arguments of calls, of the residual blocks among them."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.snippet import spec


class UnknownArgument(Diagnostic):
    """HV224."""

    code = "HV224"
    title = "unknown argument `{name}` of `{function}`"
    label = "not an argument"
    help = "remove it; {arguments}"
    why = (
        "Each call has its own arguments: `mixture_of_logistics` takes `bits` and `channels`, `gaussian` takes "
        "`channels`, the residual block `attention` takes `heads`, `adaptive` takes `quantile`, `window` and `factor`, "
        "and `rollback` takes `after`, `times` and `rate`."
    )
    bad = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10, k = 4)")
    good = spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10)")

    name: str
    function: str
    known: tuple[str, ...]

    @property
    def arguments(self) -> str:
        """The named arguments that there are, in words."""
        names = listing((f"`{name}`" for name in self.known), "and")
        return f"the named argument{'s are' if len(self.known) > 1 else ' is'} {names}"


class MissingArguments(Diagnostic):
    """HV245."""

    code = "HV245"
    title = "`{function}` lacks {lacking}"
    label = "{count}"
    help = "{example}"
    why = (
        "Arguments are given by their place or by their name. Those without a default are needed, because no value "
        "fits every model."
    )
    bad = spec(rest="train { skip_above = adaptive(0.99) }")
    good = spec(rest="train { skip_above = adaptive(0.99, 1000) }")

    function: str
    missing: tuple[str, ...]

    @property
    def lacking(self) -> str:
        """The names of the arguments, in words."""
        return listing((f"`{name}`" for name in self.missing), "and")

    @property
    def count(self) -> str:
        """How many are missing."""
        return "an argument is missing" if len(self.missing) == 1 else f"{len(self.missing)} arguments are missing"


class BlockArguments(Diagnostic):
    """HV276."""

    code = "HV276"
    title = "`{written}` is no residual block; `{block}` takes {taken}"
    label = "{count}"
    help = "{proposal}"
    why = (
        "`attention` may have a number of heads, written `attention(heads = n)`; without it, there is one head for "
        "each 64 channels. `residual` has nothing to choose: `model.bottleneck` says how many channels it has inside."
    )
    bad = spec(model="width = 16  latent = 4  block = attention(4)")
    good = spec(model="width = 16  latent = 4  block = attention(heads = 4)")

    written: str
    block: str
    arguments: int
    takes_heads: bool

    @property
    def taken(self) -> str:
        """The arguments of the block in words."""
        return "`heads = n` alone" if self.takes_heads else "no arguments"

    @property
    def count(self) -> str:
        """What is wrong."""
        return "called without an argument" if not self.arguments else f"expected {self.taken}"
