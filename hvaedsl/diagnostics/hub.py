"""HV255, HV256: datasets of the Hugging Face Hub."""

from __future__ import annotations

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.snippet import spec

_DIGITS = "channels = 1  resolution = 8"


class NotAHubDataset(Diagnostic):
    """HV255."""

    code = "HV255"
    title = '`{key}` must name a Hugging Face dataset as "hf:OWNER/NAME"'
    label = "not in this form"
    help = "{hint}"
    why = (
        "`hf:` is reserved for datasets of the Hugging Face Hub, which are named as on their pages, by owner and name. "
        "A custom dataset in a module called `hf` needs a module of another name."
    )
    bad = spec(data=f'dataset = "https://huggingface.co/datasets/ada/digits"  {_DIGITS}')
    good = spec(data=f'dataset = "hf:ada/digits"  {_DIGITS}')

    key: str

    @property
    def hint(self) -> str:
        """The name in this form, or the form."""
        return self.proposal or (
            "copy OWNER/NAME from the page of the dataset; a custom dataset needs a module that is not called `hf`"
        )


class HubKeyElsewhere(Diagnostic):
    """HV256."""

    code = "HV256"
    title = "`data.{key}` is set, but `dataset = {dataset}` has no {what}"
    label = "only for Hugging Face datasets"
    help = 'remove the key, or name a Hugging Face dataset, `dataset = "hf:OWNER/NAME"`'
    why = (
        "`data.config` chooses one of the configurations of a Hugging Face dataset, `data.column` the column with the "
        "images of its tables. Other datasets have neither."
    )
    bad = spec(data=f'dataset = npy  {_DIGITS}  column = "image"')
    good = spec(data=f'dataset = "hf:ada/digits"  {_DIGITS}  column = "image"')

    key: str
    dataset: str
    what: str
