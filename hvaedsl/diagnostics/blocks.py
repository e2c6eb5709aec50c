"""HV310, HV313, HV320, HV401, HV402: block lists that cannot be expanded, or are not in their place."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_LABELS = (
    "`A@g`: all entries labeled g in a stack apply one block, also across resolutions if width and kernel are the "
    "same. A label belongs to one entry."
)


class ZeroCount(Diagnostic):
    """HV310."""

    code = "HV310"
    title = "expected a number of at least {minimum} in `{text}`"
    label = "found {found}"
    help = "write a number of at least {minimum}, or remove the entry"
    why = (
        "Resolutions are at least 1. A count may be 0: the entry then has no block. openai/vdvae reads the resolution "
        "of an encoder entry only for the width and the kernel of its block: there `0x2` is two blocks with 1x1 "
        "kernels, at the resolution that the state has."
    )
    bad = spec(encoder="0x2, 8d2, 4x1")
    good = spec()

    text: str
    found: int = 0
    minimum: int = 1


class TooManyApplications(Diagnostic):
    """HV313."""

    code = "HV313"
    title = "the {stack} applies {applications:,} blocks; the limit is {limit:,}"
    label = "counted without expanding the list"
    help = "check for a mistyped count"
    why = "The deepest published model applies 268 blocks. The limit keeps a mistyped count from exhausting the memory."
    bad = spec(encoder="8r999999999, 8d2, 4x1")
    good = spec(encoder="8r7, 8d2, 4x1")

    stack: str
    applications: int
    limit: int


class SwappedStacks(Diagnostic):
    """HV320."""

    code = "HV320"
    title = "the block lists of `encoder` and `decoder` are swapped"
    label = "mixes in states, as only a decoder does"
    help = "write each list under the other key"
    why = (
        "An encoder pools (`d`) from the image resolution down to the bottleneck; a decoder mixes in states (`m`) from "
        "the bottleneck up to the image resolution. Nothing else is checked in the two lists."
    )
    bad = spec(encoder="4x1, 8m4, 8x2", decoder="8x2, 8d2, 4x1")
    good = spec(encoder="8x2, 8d2, 4x1", decoder="4x1, 8m4, 8x2")


class LabelOnGroup(Diagnostic):
    """HV401."""

    code = "HV401"
    title = "a label belongs to one entry, not to {what}"
    label = "labeled as a whole"
    help = "label the entries inside: `(A@{name}, B@{name})`"
    why = _LABELS
    bad = spec(encoder="(8x1, 8x1)@g, 8d2, 4x1")
    good = spec(encoder="2*(8x1@g), 8d2, 4x1")

    what: str
    name: str


class LabelOnCopies(Diagnostic):
    """HV402."""

    code = "HV402"
    title = "`{entry}` asks for {count} blocks with separate weights and for shared weights"
    label = "`x` gives each block its own weights"
    help = "{proposal} to apply one block {count} times"
    why = _LABELS
    bad = spec(encoder="8x2@g, 8x1@g, 8d2, 4x1")
    good = spec(encoder="8r2@g, 8x1@g, 8d2, 4x1")

    entry: str
    count: int
