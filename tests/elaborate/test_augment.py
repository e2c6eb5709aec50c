"""`train.augment`: its values, what is meant by others, and the sizes that a random crop may have."""

from __future__ import annotations

import json

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.spec import custom_model_parts, custom_parts
from hvaedsl.ir.spec_text import spec_json

OWN = """hvae 1
data { dataset = npy  channels = 1  resolution = (8, 16) }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
train { steps = 1  batch_size = 1  learning_rate = 1  augment { AUGMENT } }
"""


def found(augment: str, text: str = OWN) -> list[Diagnostic]:
    try:
        hvaedsl.loads(text.replace("AUGMENT", augment))
    except hvaedsl.SpecError as error:
        return [*error.diagnostics]
    return []


def test_the_section_is_read_printed_and_passed_to_training() -> None:
    written = 'horizontal_flip = true  random_crop = 2*5, 3*6  function = "a.b:f"'
    program = hvaedsl.loads(OWN.replace("AUGMENT", written))
    augment = program.spec.train.augment
    assert (augment.horizontal_flip, augment.random_crop, augment.function) == (True, ImageSize(10, 18), "a.b:f")
    assert program.training().augment == augment
    assert type(program.training().augment.random_crop) is ImageSize
    assert hvaedsl.loads(program.resolved_text()).spec == program.spec
    assert json.loads(json.dumps(spec_json(program.spec)))["train"]["augment"] == {
        "horizontal_flip": True,
        "random_crop": [10, 18],
        "function": "a.b:f",
    }
    assert custom_parts(program.spec) == {"train.augment.function": "a.b:f"}
    assert not custom_model_parts(program.spec)
    assert program.bridge == hvaedsl.loads(OWN.replace("AUGMENT", "")).bridge
    assert program.python_source()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "true"),
        ("on", "true"),
        ("True", "true"),
        ("ture", "true"),
        ("1", "true"),
        ('"true"', "true"),
        ("0", "false"),
        ("off", "false"),
        ("none", "false"),
        ("False", "false"),
    ],
)
def test_other_words_for_a_flag_are_explained(written: str, meant: str) -> None:
    (finding,) = found(f"horizontal_flip = {written}")
    assert (finding.code, finding.message) == ("HV204", "`train.augment.horizontal_flip` must be true or false")
    assert finding.help_text.startswith(f"write `{meant}`")
    assert finding.fix is not None
    assert [edit.replacement for edit in finding.fix.edits] == [meant]


@pytest.mark.parametrize("written", ["maybe", "2", "0.5", "8x2", "true, false", "{1: true}"])
def test_what_is_no_flag_at_all_is_refused_without_a_guess(written: str) -> None:
    (finding,) = found(f"horizontal_flip = {written}")
    assert (finding.code, finding.help_text, finding.fix) == ("HV204", "", None)


@pytest.mark.parametrize(
    ("written", "code", "help_text"),
    [
        ("changed", "HV204", 'write for example `"my_module:my_function"`'),
        ("3", "HV204", 'write for example `"my_module:my_function"`'),
        ('"my_images.changed"', "HV219", 'write `"my_images:changed"`'),
        ('"my_images.py"', "HV219", "the module is named without `.py`, and `:` is before the name of the part"),
    ],
)
def test_what_is_no_name_of_a_function(written: str, code: str, help_text: str) -> None:
    (finding,) = found(f"function = {written}")
    assert (finding.code, finding.help_text) == (code, help_text)


@pytest.mark.parametrize(
    ("crop", "label"),
    [
        ("(7, 16)", "a height below that of the images, 8"),
        ("(16, 8)", "a width below that of the images, 16"),
        ("15", "a width below that of the images, 16"),
        ("(8, 16)", None),
        ("(8, 17)", None),
        ("16", None),
        ("none", None),
    ],
)
def test_windows_must_fit_into_the_crop(crop: str, label: str | None) -> None:
    findings = found(f"random_crop = {crop}")
    assert [(item.code, item.span.text, item.label_text) for item in findings] == (
        [] if label is None else [("HV261", crop, label)]
    )
    assert all(item.help_text == "make it at least (8, 16), or remove the key" for item in findings)


@pytest.mark.parametrize(("crop", "codes"), [("8", []), ("(8, 8)", []), ("7", ["HV261"]), ("(8, 9)", ["HV262"])])
def test_the_images_of_a_named_dataset_have_one_size(crop: str, codes: list[str]) -> None:
    digits = OWN.replace("npy  channels = 1  resolution = (8, 16)", "digits")
    assert [item.code for item in found(f"random_crop = {crop}", digits)] == codes


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("dataset = npy  channels = 1", "HV214"),
        ("dataset = digitz", "HV206"),
        ('dataset = npy  channels = 1  resolution = "a"', "HV204"),
    ],
)
def test_a_crop_is_not_compared_with_images_of_unknown_size(data: str, code: str) -> None:
    text = OWN.replace("dataset = npy  channels = 1  resolution = (8, 16)", data)
    assert [item.code for item in found("random_crop = 2", text)] == [code]
