"""Stopping early needs validation images (HV254)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.diagnostics.additions import after_value
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.passes.base import Rule, Unit

KEY, IMAGES = "train.stop_after", "data.validation"
_EXAMPLE, _PART = 1000, 10  # images, for datasets without a published number: one tenth of them


class StopWithoutValidation(Diagnostic):
    """HV254."""

    code = "HV254"
    title = "`stop_after` needs validation images, and `data.validation` is 0"
    label = "counts evaluations on the validation images"
    help = "{way_out}, or remove `stop_after`"
    why = (
        "Training stops when the bound on the validation images has not fallen for this many evaluations; the weights "
        "of the lowest one are kept. On the test images, they would be chosen by the result that is reported. Your own "
        "images with a file or folder for validation need a number above 0 too; the file or folder is used."
    )
    bad = spec(data="dataset = digits  validation = 0", rest="train { stop_after = 5 }")
    good = spec(rest="train { stop_after = 5 }")

    images: int = 0  # of your own, for which the number is an example

    @property
    def way_out(self) -> str:
        """The number of validation images, or an example and the number of images for which it is one."""
        return f"{self.example} of {self.images:,} images" if self.images else self.proposal


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report `stop_after` without validation images."""
    if unit.spec.train.stop_after is None or unit.spec.data.validation:
        return
    dataset = DATASETS.get(unit.spec.data.dataset)
    number = dataset.validation if dataset is not None else _EXAMPLE
    statement = f"validation = {number}"
    if IMAGES in unit.origins:
        way = writing(unit.origin(IMAGES), str(number), shown=statement)
    else:
        way = Fix(f"write `{statement}`", (after_value(unit.origin("data.dataset"), statement),))
    images = 0 if dataset is not None else _PART * number
    yield StopWithoutValidation(span=unit.origin(KEY), images=images, suggestions=(way,))


ERRORS = (Rule(check, (KEY, IMAGES, "data.dataset")),)
