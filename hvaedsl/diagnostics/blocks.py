"""Kinds of block lists: counts and labels that cannot be expanded."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_LABELS = (
    "`A@g`: every entry labelled g in a stack is one block applied several times, across resolutions too where width "
    "and kernel agree. A label belongs to one entry."
)


class ZeroCount(Diagnostic):
    """HV310."""

    code = "HV310"
    title = "`{text}` is nothing at all"
    label = "at least 1"
    help = "take it out, or write how many"
    why = "Counts, repetitions and resolutions are at least 1."
    bad = spec(encoder="8x0, 8d2, 4x1")
    good = spec()

    text: str


class TooManyApplications(Diagnostic):
    """HV313."""

    code = "HV313"
    title = "the {stack} applies {applications:,} blocks; at most {limit:,} are compiled"
    label = "counted without expanding it"
    help = "is a count mistyped?"
    why = "The deepest published model applies 268 blocks. The limit keeps a slip of the hand from filling the memory."
    bad = spec(encoder="8r999999999, 8d2, 4x1")
    good = spec(encoder="8r7, 8d2, 4x1")

    stack: str
    applications: int
    limit: int


class LabelOnGroup(Diagnostic):
    """HV401."""

    code = "HV401"
    title = "a label belongs to one entry, not to {what}"
    label = "labelled as a whole"
    help = "label the entries inside: `(A@{name}, B@{name})`"
    why = _LABELS
    bad = spec(encoder="(8x1, 8x1)@g, 8d2, 4x1")
    good = spec(encoder="2*(8x1@g), 8d2, 4x1")

    what: str
    name: str


class LabelOnCopies(Diagnostic):
    """HV402."""

    code = "HV402"
    title = "`{entry}` asks for {count} blocks with weights of their own and for shared weights"
    label = "x gives each block its own weights"
    help = "write `{mended}` to apply one block {count} times"
    why = _LABELS
    bad = spec(encoder="8x2@g, 8d2, 4x1")
    good = spec(encoder="8r2@g, 8d2, 4x1")

    entry: str
    count: int
    mended: str
