"""HV276: the arguments of a residual block."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_MODEL = "width = 16  latent = 4"


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
    bad = spec(model=f"{_MODEL}  block = attention(4)")
    good = spec(model=f"{_MODEL}  block = attention(heads = 4)")

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
