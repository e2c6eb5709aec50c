"""The numbers of training images that the compiler knows are those of the published files."""

from __future__ import annotations

import hvaedsl
from hvaedsl.ir.datasets import DATASETS
from hvaedsl_runtime.data import open_split
from hvaedsl_runtime.data.published import COUNTS


def test_the_images_that_are_known_are_those_of_the_published_files() -> None:
    for name, dataset in DATASETS.items():
        if name == "digits":
            continue
        counts = COUNTS[name]
        held_out = 0 if dataset.fixed_split else dataset.validation
        assert dataset.training == counts.get("all", counts["train"]) - held_out
    for held_out in (180, 0):
        images = open_split(hvaedsl.load("digits", sets={"data.validation": held_out}).spec.data, "train")
        assert DATASETS["digits"].training_images(held_out) == len(images)
    assert DATASETS["cifar10"].training_images(0) == 50_000
    assert DATASETS["celeba"].training_images(0) == 162_770
