"""`data.fit`: its default for each kind of data set, its error elsewhere, and the way out."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.spec_text import spec_text
from tests.elaborate.written import found


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
    (item,) = caught.value.diagnostics
    assert (item.code, str(item.span.text)) == ("HV244", "crop")
    assert item.fix is not None
    assert item.fix.title == "remove the key"


@pytest.mark.parametrize("dataset", ["npy", '"my:images"'])
def test_your_own_images_may_be_files_instead(dataset: str) -> None:
    text = spec(data=f"dataset = {dataset}  channels = 1  resolution = 8  fit = crop")
    (item,) = found(text)
    assert item.help_text == "remove the key; to read image files, write `dataset = folder`"
    (way,) = item.suggestions
    assert edited(text, way.edits) == text.replace(dataset, "folder")
    assert hvaedsl.loads(edited(text, way.edits)).spec.data.fit == "crop"


@pytest.mark.parametrize("data", ["dataset = digits", "dataset = npy  channels = 5  resolution = 8"])
def test_images_that_files_cannot_be_have_no_such_way_out(data: str) -> None:
    (item,) = found(spec(data=f"{data}  fit = crop"))
    assert (item.help_text, item.suggestions) == ("remove the key", ())


def test_a_data_set_on_the_command_line_has_no_such_way_out() -> None:
    (item,) = found(
        spec(data="dataset = folder  channels = 1  resolution = 8  fit = crop"), sets={"data.dataset": "npy"}
    )
    assert (item.code, item.help_text, item.suggestions) == ("HV244", "remove the key", ())
