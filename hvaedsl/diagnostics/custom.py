"""HV2xx: one's own cells, likelihoods and data sets."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_WHY = (
    "A cell, a likelihood or a data set of one's own is named by its module and its name, as Python's entry points "
    'are: `cell = "my_package.my_module:MyCell"`.'
)


class NotAReference(Diagnostic):
    """HV219."""

    code = "HV219"
    title = '`{key}` takes the name of one\'s own part as "package.module:Name"'
    label = "no such name"
    help = 'write for example `"my_parts:MyPart"`, without the ending .py'
    why = _WHY
    bad = spec(model='width = 16  latent = 4  cell = "my_parts.py/MyCell"')
    good = spec(model='width = 16  latent = 4  cell = "my_parts:MyCell"')

    key: str
    written: str


class CustomPartFails(Diagnostic):
    """HV220."""

    code = "HV220"
    title = "`{reference}` cannot be used: {problem}"
    label = "{reason}"
    help = "{hint}"
    why = (
        "A part of one's own is imported and tried once, on shapes alone, before a model is built from it: it has to "
        "be found, to take the arguments that such a part gets, and to give back the shapes that the model goes on "
        "with. docs/custom.md says which."
    )
    bad = ""  # the part has to be imported; the test makes one that fails
    good = spec(model='width = 16  latent = 4  cell = "my_parts:MyCell"')

    reference: str
    problem: str
    reason: str
    hint: str
