"""Images of real values: arrays and custom datasets, what is refused by index, standardization and the baseline."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from torch.utils.data import TensorDataset

import hvaedsl
from hvaedsl.diagnostics.errors import RunError
from hvaedsl.diagnostics.snippet import spec as spec_text
from hvaedsl.ir.augment_spec import AugmentSpec
from hvaedsl_runtime.data import (
    Augmentation,
    ImageSet,
    Preparation,
    RealPreparation,
    augmentation,
    fingerprint,
    normal_baseline_nats_per_dim,
    open_split,
    preparation_from,
    preparation_of,
)
from hvaedsl_runtime.data.file_array import FileArray
from hvaedsl_runtime.data.given_images import given_images
from hvaedsl_runtime.data.images import ArrayImages
from hvaedsl_runtime.data.reals import Moments, RealImages, channel_statistics
from tests.runtime.data.image_folders import everything

REAL: dict[str, Any] = {"values": "real", "levels": 0}
SHAPE = (4, 6, 2)


def values(count: int = 30, dtype: Any = np.float32, seed: int = 0) -> np.ndarray[Any, Any]:
    """Images [count, 4, 6, 2], the second channel in another unit than the first."""
    drawn = np.random.default_rng(seed).normal(size=(count, *SHAPE)) * [0.01, 500] + [3, -1e5]
    return drawn.astype(dtype)


def image_set(found: np.ndarray[Any, Any], split: Any = "train") -> ImageSet:
    return ImageSet("mine", split, 0, found.shape[1:], ArrayImages(found), np.arange(len(found)))


@pytest.fixture
def real_spec(make_spec: Any) -> Callable[..., Any]:
    """A `data` section of real values [4, 6, 2]."""

    def make(dataset: str = "npy", **fields: Any) -> Any:
        size = hvaedsl.loads(
            spec_text(
                data="dataset = npy  channels = 2  resolution = (4, 6)  values = real",
                encoder="4x1",
                decoder="4x1",
            )
        ).spec.data.resolution
        return make_spec(dataset, **{**REAL, "channels": 2, "resolution": size, **fields})

    return make


# --- arrays


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
def test_an_array_of_floats_becomes_float32(real_spec: Any, tmp_path: Path, dtype: str) -> None:
    stored = values(dtype=dtype) if dtype != "<f2" else (values() / 1e4).astype(dtype)
    np.save(tmp_path / "all.npy", stored)
    train = open_split(real_spec(path=str(tmp_path / "all.npy")), "train")
    found = everything(train)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, stored[train.members].astype(np.float32))
    assert train.levels == 0


@pytest.mark.parametrize(
    ("value", "message", "way_out"),
    [
        (np.nan, "is nan; it must be finite", "leave out the image"),
        (-np.inf, "is -inf; it must be finite", "leave out the image"),
        (1e39, r"is 1e\+39, beyond the range of float32 \(3.4e\+38\)", "divide the values by a constant"),
    ],
)
def test_a_value_that_is_not_finite_is_refused_with_its_index(
    real_spec: Any, tmp_path: Path, value: float, message: str, way_out: str
) -> None:
    stored = values(dtype=np.float64)
    stored[17, 2, 5, 1] = value
    np.save(tmp_path / "all.npy", stored)
    with pytest.raises(
        RunError, match=f"all.npy, image 17: the value at row 2, column 5, channel 1 {message}"
    ) as caught:
        open_split(real_spec(path=str(tmp_path / "all.npy")), "test")
    assert way_out in caught.value.help
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("found", "message", "way_out"),
    [
        (np.zeros((9, *SHAPE), np.uint8), "type uint8", 'images.astype("float32")'),
        (np.zeros((9, 2, 4, 6), np.int64), "type int64", 'images.transpose(0, 2, 3, 1).astype("float32")'),
        (np.zeros((9, 2, 4, 6), np.float32), r"shape \[9, 2, 4, 6\]", "save `images.transpose(0, 2, 3, 1)`"),
        (np.zeros((9, 6, 4, 2), np.float64), r"shape \[9, 6, 4, 2\]", "set data.resolution to (6, 4)"),
        (np.zeros((0, *SHAPE), np.float32), "no image", ""),
    ],
)
def test_an_array_that_is_none_of_real_values(
    real_spec: Any, tmp_path: Path, found: np.ndarray[Any, Any], message: str, way_out: str
) -> None:
    np.save(tmp_path / "all.npy", found)
    with pytest.raises(RunError, match=message) as caught:
        open_split(real_spec(path=str(tmp_path / "all.npy")), "train")
    assert r"float32 or float64 [N, 4, 6, 2]" in str(caught.value)
    assert way_out in caught.value.help
    assert ("remove `values = real`" in caught.value.help) == (found.dtype.kind != "f")


@pytest.mark.parametrize(
    ("found", "way_out"),
    [
        (np.zeros((9, *SHAPE), np.uint8), 'with `images` the array, save `images.astype("float32")` with numpy.save'),
        (np.zeros((9, 2, 4, 6), np.float32), "with `images` the array, save `images.transpose(0, 2, 3, 1)` with numpy"),
        (np.zeros((9, 6, 4, 2), np.float32), "give images of the shape [4, 6, 2]"),
        (np.zeros((9, 4, 6, 1), np.float32), "the images have one channel: give images of 2 channels"),
    ],
)
def test_images_given_to_a_run_on_real_values_are_told_without_another_spec(
    real_spec: Any, tmp_path: Path, found: np.ndarray[Any, Any], way_out: str
) -> None:
    np.save(tmp_path / "given.npy", found)
    with pytest.raises(RunError, match=r"it must be float32 or float64 \[N, 4, 6, 2\]") as caught:
        given_images([tmp_path / "given.npy"], real_spec())
    assert caught.value.help.startswith(way_out)
    assert "data." not in caught.value.help


def test_an_array_is_read_in_chunks(real_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the search for values that are not finite nor the statistics hold more than a chunk of the file."""
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 48 * 7)
    monkeypatch.setattr("hvaedsl_runtime.data.reals.VALUES_PER_CHUNK", 48 * 7)
    np.save(tmp_path / "all.npy", values(200))
    sizes: list[int] = []
    read = FileArray.__getitem__

    def recorded(array: FileArray, at: Any) -> Any:
        items = read(array, at)
        sizes.append(len(items))
        return items

    monkeypatch.setattr(FileArray, "__getitem__", recorded)
    train = open_split(real_spec(path=str(tmp_path / "all.npy")), "train")
    assert isinstance(train.images, RealImages)
    assert sum(sizes) == 200
    channel_statistics(train)
    assert max(sizes) == 7


def test_floats_under_levels_name_the_key(make_spec: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", np.random.default_rng(0).normal(size=(20, 8, 8, 1)))
    with pytest.raises(RunError, match="type float64") as caught:
        open_split(make_spec("npy", path=str(tmp_path / "all.npy")), "train")
    assert caught.value.help.endswith("for real values, set data.values to real")


# --- custom datasets


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, real_spec: Any) -> Callable[..., np.ndarray[Any, Any]]:
    """The training images of a custom dataset that returns an object."""

    def read(made: object, **changes: Any) -> np.ndarray[Any, Any]:
        monkeypatch.setattr("hvaedsl_runtime.data.custom.import_custom", lambda _: lambda *_: made)
        return everything(open_split(real_spec("my:images", validation=0, **changes), "train"))

    return read


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_custom_dataset_of_floats(opened: Any, dtype: Any) -> None:
    stored = values(dtype=dtype)
    tensors = torch.from_numpy(stored).permute(0, 3, 1, 2)
    for made in (stored, TensorDataset(tensors, torch.arange(len(stored)))):
        found = opened(made)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, stored.astype(np.float32))


def test_a_custom_dataset_names_its_mistakes(opened: Any, make_spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = values()
    stored[21, 0, 0, 0] = np.nan
    tensors = torch.from_numpy(stored).permute(0, 3, 1, 2)
    with pytest.raises(RunError, match="my:images, image 21: the value at row 0, column 0, channel 0 is nan"):
        opened(stored)
    with pytest.raises(RunError, match="train images, image 21: the value at row 0, column 0, channel 0 is nan"):
        opened(TensorDataset(tensors))
    with pytest.raises(
        RunError, match=r"item 0: values of type uint8; data\.values is real, which needs floats"
    ) as caught:
        opened(TensorDataset(torch.zeros(9, 2, 4, 6, dtype=torch.uint8)))
    assert "remove `values = real`" in caught.value.help
    with pytest.raises(RunError, match="the array has type int64"):
        opened(np.zeros((9, *SHAPE), np.int64))

    # Under levels, floats that are no levels name the key.
    normal = TensorDataset(torch.randn(9, 1, 8, 8))
    monkeypatch.setattr("hvaedsl_runtime.data.custom.import_custom", lambda _: lambda *_: normal)
    with pytest.raises(RunError, match="item 0") as caught:
        open_split(make_spec("my:images"), "train")
    assert "set data.values to real" in caught.value.help


# --- standardization


def program(channels: int = 2, more: str = "") -> hvaedsl.Program:
    data = f"dataset = npy  channels = {channels}  resolution = 8  values = real"
    return hvaedsl.loads(spec_text(data=data, model=f"width = 16  latent = 4  {more}"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_are_standardized_and_given_back(dtype: torch.dtype) -> None:
    stored = values(200)
    prepare = preparation_of(program().spec, image_set(stored))
    assert isinstance(prepare, RealPreparation)
    x, target = prepare(prepare.tensor(stored), dtype=dtype)
    assert torch.equal(x, target)
    assert x.dtype == dtype
    flat = x.double().reshape(-1, 2)
    torch.testing.assert_close(flat.mean(dim=0), torch.zeros(2, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(dim=0, correction=0), torch.ones(2, dtype=torch.float64), atol=1e-6, rtol=0)
    np.testing.assert_allclose(prepare.file_values(x).numpy(), stored, rtol=3e-7)
    assert prepare.file_values(x).dtype == torch.float32

    # The density of the values is that of the standardized ones, less ln std.
    log_density = Normal(0.0, 1.0).log_prob(x.double())  # type: ignore[no-untyped-call]  # torch's
    mean, std = torch.tensor(prepare.mean), torch.tensor(prepare.std, dtype=torch.float64)
    of_values = Normal(mean.double(), std).log_prob(torch.from_numpy(stored).double())  # type: ignore[no-untyped-call]  # torch's
    assert (log_density - of_values).mean().item() == pytest.approx(prepare.unit_nats_per_dim, abs=1e-6)


def test_the_preparation_is_restored_as_what_it_is() -> None:
    prepare = preparation_of(program().spec, image_set(values()))
    assert preparation_from(prepare.to_dict()) == prepare
    levels = Preparation(shift=-1.0, scale=2.0, levels=17, binarize="none", bits=None)
    assert preparation_from(levels.to_dict()) == levels
    with pytest.raises(ValueError, match="std"):
        preparation_from({"values": "real", "mean": (1.0,), "shown": ((0.0, 1.0),)})


def test_image_features_are_those_of_standardized_values() -> None:
    made = program(2, "fourier { at = image  exponents = -1 }")
    prepare = preparation_of(made.spec, image_set(values()))
    x, target = prepare(prepare.tensor(values()), dtype=torch.float64)
    assert x.shape[-1] == made.bridge.stem.in_channels
    torch.testing.assert_close(x[..., :2], target)
    torch.testing.assert_close(x[..., 2:4], torch.sin(torch.pi / 2 * target))


@pytest.mark.parametrize("constant", [0.0, 1e6, 0.1])
def test_a_constant_channel_is_refused(constant: float) -> None:
    stored = values(5_000)
    stored[..., 1] = constant
    with pytest.raises(RunError, match=re.escape(f"channel 1 has the value {constant:g} everywhere")) as caught:
        preparation_of(program().spec, image_set(stored))
    assert "correct data.channels" in caught.value.help


def test_statistics_do_not_suffer_from_a_large_mean_or_from_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = (1e6 + np.random.default_rng(0).integers(0, 3, (2_000, 4, 6, 1))).astype(np.float32)
    monkeypatch.setattr("hvaedsl_runtime.data.images.VALUES_PER_CHUNK", 24 * 7)
    found = channel_statistics(image_set(stored))
    assert found.std[0] == pytest.approx(stored.astype(np.float64).std(), rel=1e-10)
    assert found.mean[0] == pytest.approx(stored.astype(np.float64).mean(), abs=0.04)  # of the resolution of float32
    moments = Moments(axes=(0,))
    for chunk in np.array_split(stored, 9):
        moments.add(chunk)
    np.testing.assert_allclose(moments.std, stored.astype(np.float64).std(axis=0), rtol=1e-10)


def test_pictures_show_the_quantiles_of_each_channel() -> None:
    stored = np.zeros((400, 5, 5, 3), np.float32)
    stored[..., 0] = np.linspace(-1, 9, 10_000).reshape(400, 5, 5)
    stored[0, 0, 0, 1] = 7  # the quantiles are equal: the whole range
    stored[..., 2] = np.random.default_rng(0).normal(size=(400, 5, 5))
    stored[3, 3, 3, 2] = 1e9  # an outlier
    (low, high), whole, (left, right) = channel_statistics(image_set(stored)).shown
    assert low == pytest.approx(-0.95, abs=1e-3)
    assert high == pytest.approx(8.95, abs=1e-3)
    assert whole == (0, 7)
    assert -3 < left < -2 < 2 < right < 3


# --- the baseline


def test_the_baseline_is_a_normal_of_each_position_in_the_unit_of_the_file() -> None:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(1, *SHAPE)), rng.uniform(0.5, 2, (1, *SHAPE))
    train, test = ((mean + std * rng.normal(size=(4_000, *SHAPE))).astype(np.float32) for _ in range(2))
    fitted = Normal(
        torch.from_numpy(train.mean(axis=0, dtype=np.float64)), torch.from_numpy(train.std(axis=0, dtype=np.float64))
    )
    expected = -fitted.log_prob(torch.from_numpy(test).double()).mean().item()  # type: ignore[no-untyped-call]  # torch's
    found = normal_baseline_nats_per_dim(image_set(train), image_set(test, "test"))
    assert found == pytest.approx(expected, rel=1e-6)
    of_another_unit = normal_baseline_nats_per_dim(image_set(train * 1000), image_set(test * 1000, "test"))
    assert of_another_unit - found == pytest.approx(np.log(1000), abs=1e-6)


def test_the_baseline_of_a_constant_position_has_a_thousandth_of_the_channels_deviation() -> None:
    train = np.random.default_rng(0).normal(size=(500, 2, 2, 1)).astype(np.float32)
    train[:, 0, 0] = 3
    deviation = train.astype(np.float64).std()
    others = train.astype(np.float64)[:, [0, 1, 1], [1, 0, 1]].std(axis=0)
    log_stds = np.log([1e-3 * deviation, *others.ravel()])
    expected = log_stds.mean() + 0.5 * np.log(2 * np.pi) + 0.5 * 3 / 4
    assert normal_baseline_nats_per_dim(image_set(train), image_set(train)) == pytest.approx(expected, abs=1e-6)


# --- augmentation, fingerprints


def test_augmentation_keeps_real_values(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = values()
    flipped = augmentation(AugmentSpec(horizontal_flip=True), image_set(stored), seed=0)
    assert flipped is not None
    found = flipped(np.arange(30), np.zeros(30, dtype=np.int64))
    assert found.dtype == np.float32
    assert all(
        any(np.array_equal(image, other) for other in (one, one[:, ::-1]))
        for image, one in zip(found, stored, strict=True)
    )

    module = SimpleNamespace(zero=lambda image, _: np.log(np.zeros_like(image)))
    monkeypatch.setattr(sys.modules[Augmentation.__module__], "import_custom", lambda _: module.zero)
    with np.errstate(divide="ignore"), pytest.raises(RunError, match="image 0 in epoch 0: it returned the value -inf"):
        augmentation(AugmentSpec(function="my:zero"), image_set(stored), seed=0)


def test_other_values_have_another_fingerprint() -> None:
    assert fingerprint(image_set(values())) == fingerprint(image_set(values()))
    assert fingerprint(image_set(values())) != fingerprint(image_set(values(seed=1)))
