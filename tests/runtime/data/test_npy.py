from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import ImageSet, Split, open_split
from hvaedsl_runtime.data.images import ArrayImages, Pixels

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def everything(images: ImageSet) -> Pixels:
    return images.batch(np.arange(len(images)))


def test_validation_is_held_out_of_the_training_file(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    train, test = make_images(20), make_images(6, seed=1)
    np.save(tmp_path / "train.npy", train)
    np.save(tmp_path / "test.npy", test)
    spec = make_spec("npy", path=str(tmp_path), validation=5)
    parts = {split: everything(open_split(spec, split)) for split in SPLITS}
    np.testing.assert_array_equal(parts["test"], test)
    assert len(parts["validation"]) == 5
    from_train = np.concatenate([parts["train"], parts["validation"]])
    np.testing.assert_array_equal(from_train[np.argsort(from_train[:, 0, 0, 0])], train)


def test_a_validation_file_leaves_the_training_file_whole(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    files = {split: make_images(4 + seed, seed=seed) for seed, split in enumerate(SPLITS)}
    for split, pixels in files.items():
        np.save(tmp_path / f"{split}.npy", pixels)
    for split in SPLITS:
        np.testing.assert_array_equal(everything(open_split(make_spec("npy", path=str(tmp_path)), split)), files[split])


def test_a_single_file_is_divided_in_three(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    pixels = make_images(47, channels=3)
    np.save(tmp_path / "all.npy", pixels)
    spec = make_spec("npy", path=str(tmp_path / "all.npy"), channels=3, validation=5, split_seed=3)
    parts = [everything(open_split(spec, split)) for split in SPLITS]
    assert [len(part) for part in parts] == [38, 5, 4]
    together = np.concatenate(parts)
    np.testing.assert_array_equal(together[np.argsort(together[:, 0, 0, 0])], pixels)


def test_the_file_is_mapped_and_not_read(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", make_images(30))
    images = open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train").images
    assert isinstance(images, ArrayImages)
    assert isinstance(images.pixels, np.memmap)


def test_a_mistake_names_the_file(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", make_images(20).astype(np.float64))
    np.save(tmp_path / "test.npy", make_images(6))
    with pytest.raises(RunError, match="float64") as caught:
        open_split(make_spec("npy", path=str(tmp_path)), "train")
    assert str(tmp_path / "train.npy") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_told(make_spec: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "all.npy").write_bytes(content)
    with pytest.raises(RunError, match=r"not a readable \.npy file") as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert caught.value.exit_code == 4


def test_a_file_that_is_cut_short_is_told(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", make_images(30))
    whole = (tmp_path / "all.npy").read_bytes()
    (tmp_path / "all.npy").write_bytes(whole[:-100])
    with pytest.raises(RunError, match=r"not a readable \.npy file"):
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")


def test_objects_are_not_unpickled(make_spec: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match=r"not a readable \.npy file"):
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")


def test_a_folder_needs_both_files(make_spec: Any, make_images: Any, tmp_path: Path) -> None:
    spec = make_spec("npy", path=str(tmp_path))
    with pytest.raises(RunError, match=r"expected train\.npy and test\.npy"):
        open_split(spec, "train")
    np.save(tmp_path / "train.npy", make_images(20))
    with pytest.raises(RunError, match=r"found train\.npy but no test\.npy"):
        open_split(spec, "train")
