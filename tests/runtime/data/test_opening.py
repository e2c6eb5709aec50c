from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import has_validation, open_split


def test_digits_are_scikit_learns_images_divided_in_three(make_spec: Any) -> None:
    sets = [open_split(make_spec(), split) for split in ("train", "validation", "test")]
    assert [len(images) for images in sets] == [1257, 180, 360]
    together = np.concatenate([images.batch(np.arange(len(images))) for images in sets])
    assert sorted(image.tobytes() for image in together) == sorted(
        image.astype(np.uint8).tobytes() for image in load_digits().images
    )
    assert {(images.name, images.levels, images.shape) for images in sets} == {("digits", 17, (8, 8, 1))}
    assert [images.split for images in sets] == ["train", "validation", "test"]


def test_a_data_set_that_is_not_prepared_says_how_to_prepare_it(make_spec: Any) -> None:
    with pytest.raises(RunError, match=r"imagenet32 were not found; expected prepared images") as e:
        open_split(make_spec("imagenet32", channels=3, resolution=32), "train")
    assert e.value.exit_code == 4
    assert "hvaedsl data prepare imagenet32 --from PATH" in e.value.help


@pytest.mark.parametrize("dataset", ["mnist", "npy", "folder"])
def test_a_path_that_the_system_refuses_is_no_traceback(make_spec: Any, dataset: str) -> None:
    with pytest.raises(RunError) as caught:
        open_split(make_spec(dataset, path="x" * 5000), "train")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("dataset", ["npy", "folder"])
def test_validation_images_are_held_out_or_lie_by_themselves(make_spec: Any, tmp_path: Path, dataset: str) -> None:
    own = tmp_path / ("validation.npy" if dataset == "npy" else "validation")
    train = tmp_path / ("train.npy" if dataset == "npy" else "train")
    for path in (train, own):
        path.touch() if dataset == "npy" else path.mkdir()
    assert has_validation(make_spec(dataset, path=str(tmp_path), validation=0))
    own.unlink() if dataset == "npy" else own.rmdir()
    assert not has_validation(make_spec(dataset, path=str(tmp_path), validation=0))
    assert has_validation(make_spec(dataset, path=str(tmp_path), validation=1))


def test_without_an_own_place_only_held_out_images_validate(make_spec: Any, tmp_path: Path) -> None:
    (tmp_path / "one.npy").touch()
    (tmp_path / "one.png").touch()
    for path, dataset in ((tmp_path / "one.npy", "npy"), (tmp_path, "folder"), (tmp_path / "none", "folder")):
        assert not has_validation(make_spec(dataset, path=str(path), validation=0))
    assert not has_validation(make_spec(validation=0))
    assert has_validation(make_spec())
