"""Channels and levels of images: what the likelihood becomes, and what cannot be."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.bridge_text import bridge_text
from hvaedsl.ir.spec_text import spec_text
from tests.elaborate.written import errors
from tests.elaborate.written import found as findings

INDEPENDENT = "mixture_of_logistics(10, channels = independent)"


def program(channels: int, likelihood: str = "", levels: int = 256, dataset: str = "npy") -> hvaedsl.Program:
    model = "width = 16  latent = 4" + (f"  likelihood = {likelihood}" if likelihood else "")
    data = f"dataset = {dataset}  channels = {channels}  resolution = 8  levels = {levels}"
    return hvaedsl.loads(spec(data=data, model=model))


@pytest.mark.parametrize(
    ("channels", "written", "becomes", "outputs"),
    [
        (1, "", "mixture_of_logistics(10)", 30),
        (1, INDEPENDENT, "mixture_of_logistics(10)", 30),
        (3, "", "mixture_of_logistics(10)", 100),
        (3, INDEPENDENT, INDEPENDENT, 70),
        (2, "", INDEPENDENT, 50),
        (4, "mixture_of_logistics(10)", INDEPENDENT, 90),
        (64, INDEPENDENT, INDEPENDENT, 1290),
    ],
)
def test_the_likelihood_of_channels(channels: int, written: str, becomes: str, outputs: int) -> None:
    made = program(channels, written)
    assert f" = {becomes}\n" in spec_text(made.spec)
    assert made.bridge.head.outputs == outputs
    module = made.module()
    assert made.cost.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert hvaedsl.loads(spec_text(made.spec)).spec.model == made.spec.model


def test_one_channel_is_the_same_model_whatever_is_written() -> None:
    assert program(1, INDEPENDENT).bridge == program(1).bridge


@pytest.mark.parametrize(
    ("found", "code", "place"),
    [
        (spec(data="dataset = npy  channels = 65  resolution = 8"), "HV205", "65"),
        (spec(data="dataset = npy  channels = 1  resolution = 8  levels = 65537"), "HV205", "65537"),
        (spec(data="dataset = folder  channels = 5  resolution = 8"), "HV222", "5"),
        (spec(data="dataset = npy  channels = 1  resolution = 8  fit = crop"), "HV244", "crop"),
        (spec(data="dataset = digits  fit = crop_resize"), "HV244", "crop_resize"),
        (spec(data='dataset = "my:images"  channels = 1  resolution = 8  fit = resize'), "HV244", "resize"),
        (spec(data="dataset = folder  channels = 1  resolution = 8  fit = stretch"), "HV206", "stretch"),
        (spec(model="width = 16  latent = 4  likelihood = mixture_of_logistics(10, channels = 3)"), "HV204", "3"),
        (spec(rest="sample { channels = 1 }"), "HV243", "1"),
        (spec(data="dataset = npy  channels = 4  resolution = 8", rest="sample { channels = 0, 1 }"), "HV243", "0, 1"),
    ],
)
def test_what_images_cannot_be(found: str, code: str, place: str) -> None:
    assert errors(found) == [(code, place)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("values", ["levels", "real"])
def test_files_have_up_to_four_channels(channels: int, values: str) -> None:
    data = f"dataset = folder  channels = {channels}  resolution = 8  values = {values}"
    assert hvaedsl.loads(spec(data=data)).spec.data.fit == "crop_resize"


FILES = "dataset = folder  channels = 5  resolution = 8"
ARRAYS = "dataset = npy  channels = 5  resolution = 8"


@pytest.mark.parametrize(
    ("text", "title", "becomes"),
    [
        (spec(data=FILES), "write `dataset = npy`", spec(data=ARRAYS)),
        (spec(data=f"{FILES}  fit = refuse"), "write `dataset = npy`", spec(data=f"{ARRAYS}  fit = refuse")),
        (spec(data=f"{FILES}  fit = crop"), "write `dataset = npy`, and remove `fit`", spec(data=ARRAYS)),
    ],
)
def test_channels_that_files_do_not_have_may_be_those_of_arrays(text: str, title: str, becomes: str) -> None:
    (item,) = findings(text)
    (way,) = item.suggestions
    assert way.title == title
    assert item.help_text == f"save other images as arrays with numpy, and {title}"
    assert edited(text, way.edits) == becomes
    hvaedsl.loads(becomes)


@pytest.mark.parametrize(
    "text",
    [
        spec(data=FILES, model="width = 16  latent = 4  likelihood = bernoulli"),
        spec(data=FILES, rest="sample { channels = 5 }"),
        spec(data=f"{FILES}  fit =  # files\n crop"),
    ],
)
def test_other_keys_may_forbid_such_arrays(text: str) -> None:
    (item,) = findings(text)
    assert (item.code, item.help_text) == ("HV222", "save other images as arrays with numpy")
    assert item.ways_out == ()


@pytest.mark.parametrize(("shown", "channels"), [("3, 2, 1", 4), ("0, 1, 2", 3), ("0", 3), ("none", 3), ("63", 64)])
def test_the_channels_of_an_example_are_enough_for_the_pictures(shown: str, channels: int) -> None:
    text = spec(data="dataset = npy  resolution = 8", rest=f"sample {{ channels = {shown} }}")
    (item,) = findings(text)
    assert item.help_text == f"add for example `channels = {channels}`"
    assert hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.data.channels == channels


def test_the_data_set_of_an_example_has_the_channels_that_pictures_show() -> None:
    text = spec(data="path = none", rest="sample { channels = 2 }")
    (item,) = findings(text)
    made = hvaedsl.loads(edited(text, item.suggestions[0].edits)).spec.data
    assert (made.dataset, made.channels, made.height) == ("npy", 3, 8)


@pytest.mark.parametrize(
    ("channels", "written", "shown"),
    [(1, "", [0]), (3, "", [0, 1, 2]), (4, "", [0]), (4, "3, 2, 0", [3, 2, 0]), (3, "1", [1]), (2, "none", [0])],
)
def test_the_channels_that_pictures_show(channels: int, written: str, shown: list[int]) -> None:
    rest = f"sample {{ channels = {written} }}" if written else ""
    text = spec(data=f"dataset = npy  channels = {channels}  resolution = 8", rest=rest)
    assert hvaedsl.loads(text).spec.shown_channels == shown


def test_more_than_256_levels_have_a_likelihood_of_their_own() -> None:
    assert "levels" not in bridge_text(program(1).bridge)
    made = program(1, levels=4_096)
    assert "likelihood=mixture_of_logistics(10) levels=4096" in bridge_text(made.bridge)
    assert "HighBitDepthMixtureOfLogistics(16, channels=1, mixtures=10, levels=4096)" in made.python_source()
