"""HV219, HV220: custom blocks, cells, likelihoods, datasets and augmentation."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_WHY = (
    "A custom block, cell, likelihood, dataset or augmentation is named by its module and its name, as Python names "
    'entry points: `cell = "my_package.my_module:MyCell"`.'
)


class NotAReference(Diagnostic):
    """HV219."""

    code = "HV219"
    title = '`{key}` must name a custom part as "package.module:Name"'
    label = "not in this form"
    help = "{hint}"
    why = _WHY
    bad = spec(model='width = 16  latent = 4  cell = "my_parts.py/MyCell"')
    good = spec(model='width = 16  latent = 4  cell = "my_parts:MyCell"')

    key: str

    @property
    def hint(self) -> str:
        """The name in this form, or the form."""
        return self.proposal or "the module is named without `.py`, and `:` is before the name of the part"


class CustomPartFails(Diagnostic):
    """HV220."""

    code = "HV220"
    title = "`{reference}` cannot be used: {problem}"
    label = "{reason}"
    help = "{hint}"
    why = (
        "A custom part is imported and tried once, on shapes only, before a model is built from it. It must exist, "
        "accept the arguments of such a part, and return the shapes that the model expects. docs/custom.md lists them."
    )
    bad = ""  # the part has to be imported; the test makes one that fails
    good = spec(model='width = 16  latent = 4  cell = "my_parts:MyCell"')

    reference: str
    problem: str
    reason: str
    hint: str
