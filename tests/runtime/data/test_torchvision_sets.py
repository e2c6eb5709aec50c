"""The test writes files as they are published: idx for MNIST and Fashion-MNIST, pickled batches for CIFAR-10."""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets

from hvaedsl.diagnostics.errors import RunError
from hvaedsl_runtime.data import Split, open_split
from hvaedsl_runtime.data.images import Pixels

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def write_idx(path: Path, values: Pixels) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


def write_mnist(folder: Path, train: Pixels, test: Pixels) -> None:
    folder.mkdir(parents=True)
    for part, images in (("train", train), ("t10k", test)):
        write_idx(folder / f"{part}-images-idx3-ubyte", images[..., 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.zeros(len(images), dtype=np.uint8))


def write_cifar10(folder: Path, train: Pixels, test: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published files' layout; torchvision is told the checksums of these files instead of the published ones."""
    folder.mkdir(parents=True)

    def write(name: str, content: Any) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(images: Pixels) -> dict[str, Any]:
        return {"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1), "labels": [0] * len(images)}

    files = [write(f"data_batch_{i}", batch(part)) for i, part in enumerate(np.split(train, 5), start=1)]
    name, checksum = write("batches.meta", {"label_names": ["a"]})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", files)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [write("test_batch", batch(test))])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": checksum})


@pytest.mark.parametrize(("dataset", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_mnist_is_padded_with_zeros_and_divided(
    make_spec: Any, make_images: Any, tmp_path: Path, dataset: str, folder: str
) -> None:
    train, test = make_images(30, 28), make_images(10, 28, seed=1)
    write_mnist(tmp_path / folder / "raw", train, test)
    spec = make_spec(dataset, path=str(tmp_path), resolution=32, validation=4)
    sets = [open_split(spec, split) for split in SPLITS]
    batches = [images.batch(np.arange(len(images))) for images in sets]
    assert [batch.shape for batch in batches] == [(26, 32, 32, 1), (4, 32, 32, 1), (10, 32, 32, 1)]
    np.testing.assert_array_equal(batches[2][:, 2:30, 2:30], test)
    from_train = np.concatenate(batches[:2])
    order = np.argsort(from_train[:, 2, 2, 0])
    np.testing.assert_array_equal(from_train[order][:, 2:30, 2:30], train)
    margins = np.pad(np.zeros((28, 28)), 2, constant_values=1).astype(bool)
    assert not from_train[:, margins].any()


def test_cifar10_has_its_channels_last(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = make_images(30, 32, 3), make_images(10, 32, 3, seed=1)
    write_cifar10(tmp_path / "cifar-10-batches-py", train, test, monkeypatch)
    spec = make_spec("cifar10", path=str(tmp_path), resolution=32, channels=3, validation=4)
    sets = [open_split(spec, split) for split in SPLITS]
    batches = [images.batch(np.arange(len(images))) for images in sets]
    np.testing.assert_array_equal(batches[2], test)
    from_train = np.concatenate(batches[:2])
    np.testing.assert_array_equal(from_train[np.argsort(from_train[:, 0, 0, 0])], train)
    assert len(batches[1]) == 4


def test_missing_files_are_told_with_their_layout(make_spec: Any, tmp_path: Path, cache_folder: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    with pytest.raises(RunError, match="MNIST/raw/ with train-images-idx3-ubyte") as caught:
        open_split(make_spec("mnist", resolution=32), "train")
    assert str(cache_folder) in str(caught.value)
    assert "--download" in caught.value.help
    assert caught.value.exit_code == 4


def test_the_cache_is_read_where_the_variables_folder_lacks_the_files(
    make_spec: Any, make_images: Any, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(cache_folder / "MNIST" / "raw", make_images(9, 28), make_images(5, 28))
    monkeypatch.setenv("HVAEDSL_DATA", str(tmp_path / "elsewhere"))
    assert len(open_split(make_spec("mnist", resolution=32), "test")) == 5


@pytest.mark.parametrize("kept", [0, 3, 10, 500])
def test_a_file_that_is_cut_short_is_told(make_spec: Any, make_images: Any, tmp_path: Path, kept: int) -> None:
    raw = tmp_path / "MNIST" / "raw"
    write_mnist(raw, make_images(9, 28), make_images(5, 28))
    file = raw / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(RunError, match="cannot be read") as caught:
        open_split(make_spec("mnist", path=str(tmp_path), resolution=32), "train")
    assert str(raw) in str(caught.value)
    assert caught.value.exit_code == 4


def test_an_altered_cifar10_file_is_told(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = make_images(10, 32, 3)
    write_cifar10(tmp_path / "cifar-10-batches-py", images, images, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"something else")
    with pytest.raises(RunError, match="corrupted"):
        open_split(make_spec("cifar10", path=str(tmp_path), resolution=32, channels=3), "train")


def test_nothing_is_downloaded_unless_asked_for(
    make_spec: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(dataset: Any) -> None:
        asked.append(dataset.root)
        write_mnist(Path(dataset.raw_folder), make_images(9, 28), make_images(5, 28))

    monkeypatch.setattr(datasets.MNIST, "download", download)
    spec = make_spec("mnist", path=str(tmp_path / "new"), resolution=32)
    with pytest.raises(RunError, match="not found"):
        open_split(spec, "test")
    assert not asked
    assert len(open_split(spec, "test", download=True)) == 5
    assert len(open_split(spec, "train", download=True)) == 7
    assert [str(root) for root in asked] == [str(tmp_path / "new")]


@pytest.mark.parametrize(("dataset", "reader"), [("mnist", "MNIST"), ("cifar10", "CIFAR10")])
@pytest.mark.parametrize("failure", [URLError("no route"), RuntimeError("no route"), EOFError("no route")])
def test_a_failed_download_is_told(
    make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, reader: str, failure: Exception
) -> None:
    def download(dataset: Any) -> None:
        raise failure

    monkeypatch.setattr(getattr(datasets, reader), "download", download)
    with pytest.raises(RunError, match=r"could not be downloaded to .*no route") as caught:
        open_split(make_spec(dataset, path=str(tmp_path), resolution=32), "train", download=True)
    assert caught.value.exit_code == 4
