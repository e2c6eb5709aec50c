"""`data.fit`: its default for each kind of data set, its error elsewhere, and the way out."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.spec_text import spec_text


@pytest.mark.parametrize(
    ("data", "fit"),
    [
        ("dataset = folder  channels = 3  resolution = 8", "crop_resize"),
        ("dataset = folder  channels = 3  resolution = 8  fit = crop", "crop"),
        ("dataset = folder  channels = 3  resolution = 8  levels = 65536", "crop_resize"),
        ("dataset = npy  channels = 3  resolution = 8", "refuse"),
        ("dataset = digits", "refuse"),
        ("dataset = digits  fit = refuse", "refuse"),
        ('dataset = "my:images"  channels = 3  resolution = 8', "refuse"),
    ],
)
def test_the_default_is_that_of_the_data_set_and_is_shown(data: str, fit: str) -> None:
    program = hvaedsl.loads(spec(data=data))
    assert program.spec.data.fit == fit
    shown = spec_text(program.spec)
    assert f"  fit = {fit}\n" in shown.replace("fit        =", "fit =")
    assert hvaedsl.loads(shown).spec.data == program.spec.data


def test_the_way_out_removes_the_key() -> None:
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(spec(data="dataset = digits  fit = crop"))
    (found,) = caught.value.diagnostics
    assert (found.code, str(found.span.text)) == ("HV244", "crop")
    assert found.fix is not None
    assert found.fix.title == "remove the key"
