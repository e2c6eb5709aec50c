from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hvaedsl.errors import RunError
from hvaedsl_runtime.data import open_split


def test_digits_are_scikit_learns_images_divided_in_three(make_spec: Any) -> None:
    sets = [open_split(make_spec(), split) for split in ("train", "validation", "test")]
    assert [len(images) for images in sets] == [1257, 180, 360]
    together = np.concatenate([images.batch(np.arange(len(images))) for images in sets])
    assert sorted(image.tobytes() for image in together) == sorted(
        image.astype(np.uint8).tobytes() for image in load_digits().images
    )
    assert {(images.name, images.levels, images.shape) for images in sets} == {("digits", 17, (8, 8, 1))}
    assert [images.split for images in sets] == ["train", "validation", "test"]


def test_a_data_set_without_reader_says_how_to_bring_the_images(make_spec: Any) -> None:
    with pytest.raises(RunError, match="no reader for imagenet32") as caught:
        open_split(make_spec("imagenet32", channels=3, resolution=32), "train")
    assert caught.value.exit_code == 4
    for hint in ("data.dataset = npy", "data.channels = 3", "data.resolution = 32", "[N, 32, 32, 3]"):
        assert hint in caught.value.help


@pytest.mark.parametrize("dataset", ["mnist", "npy", "folder"])
def test_a_path_that_the_system_refuses_is_no_traceback(make_spec: Any, dataset: str) -> None:
    with pytest.raises(RunError) as caught:
        open_split(make_spec(dataset, path="x" * 5000), "train")
    assert caught.value.exit_code == 4
