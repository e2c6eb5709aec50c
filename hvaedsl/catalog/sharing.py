"""HV4xx: weight sharing."""

from __future__ import annotations

from hvaedsl.catalog.snippet import spec
from hvaedsl.diagnostic import Diagnostic

_LABELS = (
    "`A@g`: every entry labelled g in a stack is one block applied several times, across resolutions too where width "
    "and kernel agree. A label belongs to one entry."
)


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


class LabelShapes(Diagnostic):
    """HV403."""

    code = "HV403"
    title = "blocks of different shapes cannot share the weights `@{name}`"
    label = "{here}"
    help = "use another label, or make width and kernel agree"
    why = _LABELS + " Blocks have kernels of 3x3 at resolutions above 2 and of 1x1 at 2 and 1."
    bad = spec(encoder="8x1@g, 8d2, 4x1@g", model="width = 16  latent = 4  widths = {4: 32}")
    good = spec(encoder="8x1@g, 8d2, 4x1@g")

    name: str
    here: str


KINDS: tuple[type[Diagnostic], ...] = (LabelOnGroup, LabelOnCopies, LabelShapes)
