"""`dataset = "hf:OWNER/NAME"`: its name and other forms of it, the keys that only it has, and its shape."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.hub import is_hub
from hvaedsl.ir.spec import custom_parts
from hvaedsl.ir.spec_text import spec_text
from hvaedsl.program import Program

SHAPE = "channels = 1  resolution = 8"
LONGEST = "o" * 47 + "/" + "n" * 48


def program(data: str, **changes: str) -> Program:
    return hvaedsl.loads(spec(data=f"{data}  {SHAPE}", **changes))


def only(text: str) -> Diagnostic:
    """The one finding of a spec with a mistake."""
    with pytest.raises(SpecError) as caught:
        hvaedsl.loads(text)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("name", ["ylecun/mnist", "uoft-cs/cifar10", "a/b", "A_1/b.c-d_", "0/1", LONGEST])
def test_a_name_of_the_hub_is_a_dataset_and_no_custom_part(name: str) -> None:
    found = program(f'dataset = "hf:{name}"')
    assert found.spec.data.dataset == f"hf:{name}"
    assert not custom_parts(found.spec)
    assert hvaedsl.loads(spec_text(found.spec)).spec.data == found.spec.data


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "/x",
        "x/",
        "x",
        "mnist",
        "a/b/c",
        "a b/c",
        "a/-b",
        "a/b.",
        "a--b/c",
        "a/b..c",
        "a/b.git",
        "ä/b",
        LONGEST + "n",
    ],
)
def test_a_malformed_name_is_one_finding_with_the_form(wrong: str) -> None:
    found = only(spec(data=f'dataset = "hf:{wrong}"  {SHAPE}'))
    assert (found.code, found.span.text, found.fix) == ("HV255", f'"hf:{wrong}"', None)
    assert "copy OWNER/NAME" in found.help_text


@pytest.mark.parametrize(
    "written",
    [
        "https://huggingface.co/datasets/ada/digits",
        "https://huggingface.co/datasets/ada/digits/tree/main/data",
        "http://www.huggingface.co/datasets/ada/digits?row=0",
        "huggingface.co/datasets/ada/digits#x",
        "https://hf.co/datasets/ada/digits/",
        "hf://datasets/ada/digits@main/train.parquet",
        "hf:datasets/ada/digits",
        "hf: ada/digits",
        " hf:ada/digits ",
        "hf:ada / digits",
        "HF:ada/digits",
        "hf/ada/digits",
    ],
)
def test_another_form_of_a_name_gets_this_one(written: str) -> None:
    found = only(spec(data=f'dataset = "{written}"  {SHAPE}'))
    assert (found.code, found.help_text) == ("HV255", 'write `"hf:ada/digits"`')
    assert found.fix is not None


def test_a_name_without_quotes_gets_them() -> None:
    assert only(spec(data=f"dataset = hf:ada/digits  {SHAPE}")).help_text == 'write `"hf:ada/digits"`'


def test_cells_in_a_module_called_hf_are_custom_as_before() -> None:
    found = program("dataset = npy", model='width = 16  latent = 4  cell = "hf:Cell"')
    assert custom_parts(found.spec) == {"model.cell": "hf:Cell"}
    assert is_custom("hf:Cell")
    assert not is_hub("hf:Cell")


def test_the_keys_are_values_of_the_spec_and_shown() -> None:
    found = program('dataset = "hf:a/b"  config = "plain text"  column = "img"  fit = crop')
    data = found.spec.data
    assert (data.config, data.column, data.fit, data.levels, data.validation) == ("plain text", "img", "crop", 256, 0)
    shown = spec_text(found.spec)
    assert '"plain text"' in shown
    assert hvaedsl.loads(shown).spec.data == data
    assert program('dataset = "hf:a/b"').spec.data.fit == "refuse"


@pytest.mark.parametrize("dataset", ["npy", '"my:images"'])
@pytest.mark.parametrize(("key", "what"), [("config", "configurations"), ("column", "columns")])
def test_a_key_of_the_hub_elsewhere_is_removed(dataset: str, key: str, what: str) -> None:
    found = only(spec(data=f'dataset = {dataset}  {SHAPE}  {key} = "x"'))
    assert (found.code, found.span.text) == ("HV256", '"x"')
    assert f"has no {what}" in found.message
    assert found.fix is not None
    assert found.fix.title == "remove the key"
    assert program(f"dataset = {dataset}  {key} = none").spec.data.config is None


@pytest.mark.parametrize("written", ['""', '" "'])
def test_an_empty_name_is_refused(written: str) -> None:
    found = only(spec(data=f'dataset = "hf:a/b"  {SHAPE}  config = {written}'))
    assert (found.code, found.help_text) == ("HV204", "give a name, or write `none`")


def test_a_word_gets_quotes() -> None:
    assert only(spec(data=f'dataset = "hf:a/b"  {SHAPE}  column = image')).help_text == 'write `"image"`, with quotes'


def test_the_shape_is_required() -> None:
    found = only(spec(data='dataset = "hf:a/b"'))
    assert found.code == "HV214"
    assert "`data.channels` and `data.resolution`" in found.message
