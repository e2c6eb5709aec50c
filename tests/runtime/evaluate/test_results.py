"""What a likelihood computes, a mass or a density, as results name it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from torch import nn

import hvaedsl
from hvaedsl.custom.importing import CustomPartError
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.lowering.custom import measure
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.baseline import histogram_baseline_bits_per_dim
from hvaedsl_runtime.data.images import ArrayImages, ImageSet
from hvaedsl_runtime.evaluate import results
from hvaedsl_runtime.evaluate.evaluator import LikelihoodBound
from hvaedsl_runtime.evaluate.results import baseline, results_table
from hvaedsl_runtime.evaluate.units import Gives, gives_of

PROGRAM = hvaedsl.loads(spec())
MARKS: dict[Gives, str] = {"mass": "", "density": " (density)", "not stated": " (mass or density: not stated)"}


def images(split: Literal["train", "test"]) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 17, (20, 8, 8, 1), dtype=np.uint8)
    return ImageSet("digits", split, 17, (8, 8, 1), ArrayImages(pixels), np.arange(20))


class Holder(nn.Module):
    def __init__(self, stated: object) -> None:
        super().__init__()
        self.likelihood = type("Own", (nn.Module,), {"gives": stated} if stated else {})()


@pytest.mark.parametrize(
    ("stated", "gives"),
    [("mass", "mass"), ("density", "density"), (None, "not stated"), ("something", "not stated")],
)
def test_what_a_likelihood_says_of_itself(stated: object, gives: Gives) -> None:
    assert gives_of(Holder(stated)) == gives


def test_the_built_in_likelihoods_are_masses() -> None:
    for likelihood in ("bernoulli", "mixture_of_logistics(2)"):
        made = hvaedsl.loads(spec(model=f"width = 16  latent = 4  likelihood = {likelihood}")).module()
        assert gives_of(made) == "mass"


@pytest.mark.parametrize("gives", MARKS)
def test_only_a_mass_is_unmarked_and_has_a_baseline(gives: Gives) -> None:
    found = baseline(PROGRAM.spec, gives, images("train"), images("test"))
    assert (found is not None) == (gives == "mass")
    bound = LikelihoodBound(20, 64, 1.0, 0.5, (32.0,), gives)
    table = results_table(PROGRAM.spec, "title", {"raw": bound}, found)
    assert [column.heading for column in table.columns][1] == f"bits/dim{MARKS[gives]}"
    assert bound.to_dict().get("gives", "mass") == gives


@pytest.mark.parametrize(("cheap", "known"), [(40, True), (39, False)])
def test_image_files_have_a_baseline_unless_they_are_many(
    cheap: int, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / "images")
    for split in ("train", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        for index in range(20):
            levels = np.random.default_rng(index).integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(levels).save(tmp_path / "images" / split / f"{index}.png")
    program = hvaedsl.loads(spec(data=f'dataset = folder  path = "{folder}"  channels = 1  resolution = 8'))
    train, test = open_split(program.spec.data, "train"), open_split(program.spec.data, "test")
    monkeypatch.setattr(results, "CHEAP_TO_DECODE", cheap)
    found = baseline(program.spec, "mass", train, test)
    assert (found is not None) == known
    assert found is None or found.bits_per_dim == histogram_baseline_bits_per_dim(train, test)


def test_another_word_is_refused() -> None:
    class Own(nn.Module):
        gives = "probability"

    with pytest.raises(CustomPartError, match="its `gives` is 'probability'"):
        measure(PROGRAM.bridge, 17, cells={}, likelihood=Own)
